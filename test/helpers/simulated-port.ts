/** A simulated servo bus in place of the machine's serial ports, without a tty. */
import type { ByteLine } from "../../src/robot/byte-line.ts";
import type { PortSystem } from "../../src/robot/serial-connect.ts";
import type { SerialPortInfo } from "../../src/robot/serial-ports.ts";
import type { ServoBus } from "../../src/sim/servo-bus.ts";

export interface SimulatedPort extends PortSystem {
  /** Pull the cable out, or plug it in again, as the same adapter under the same name or another. */
  unplug(): void;
  plug(path?: string): void;
}

/** An adapter as it is listed. */
export function adapter(path: string, serialNumber: string | null = null): SerialPortInfo {
  return { path, vendorId: "1a86", productId: "55d3", serialNumber, stablePath: null, isLikely: true };
}

/** One adapter with a bus behind it; bytes take a millisecond each way. */
export function simulatedPort(bus: ServoBus, first = "/dev/ttyACM0"): SimulatedPort {
  let path: string | null = first;
  let plugged = 0;
  let cut: () => void = () => undefined;
  return {
    list: () => Promise.resolve(path === null ? [] : [adapter(path, "A1")]),
    holders: () => Promise.resolve([]),
    identity: (asked) => Promise.resolve(asked === path ? `${plugged}` : null),
    open: () => {
      const joined = joinedLine(bus);
      cut = joined.cut;
      return Promise.resolve(joined.line);
    },
    unplug: () => {
      path = null;
      cut();
    },
    plug: (at = first) => {
      path = at;
      plugged++;
    },
  };
}

/** A line to a bus; `cut` ends it as pulling the cable does, whatever is under way. */
export function joinedLine(bus: ServoBus, delayMs = 1): { line: ByteLine; cut: () => void } {
  let isOpen = true;
  let hear: (bytes: Uint8Array) => void = () => undefined;
  let tellEnd: (reason: string) => void = () => undefined;
  const later = (work: () => void): void => {
    setTimeout(() => isOpen && work(), delayMs);
  };
  const stop = bus.onSend((bytes) => later(() => hear(bytes)));
  const end = (): void => {
    isOpen = false;
    stop();
  };
  const line: ByteLine = {
    write: (bytes) => later(() => bus.receive(bytes)),
    onBytes: (listener) => {
      hear = listener;
    },
    onEnd: (listener) => {
      tellEnd = listener;
    },
    close: () => Promise.resolve(end()),
  };
  return {
    line,
    cut: () => {
      end();
      tellEnd("Input/output error");
    },
  };
}
