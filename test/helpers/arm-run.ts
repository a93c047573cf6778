/** A serial source run on a simulated bus, on a clock that a test turns. */
import { vi } from "vitest";
import type { SerialCounts } from "../../src/robot/arm-session.ts";
import type { JointReading } from "../../src/robot/joint-history.ts";
import type { JointHealth } from "../../src/robot/joint-source.ts";
import { serialSource, type SerialOptions } from "../../src/robot/serial.ts";
import { createServoBus, type ServoBus, type ServoBusOptions } from "../../src/sim/servo-bus.ts";
import { simulatedPort, type SimulatedPort } from "./simulated-port.ts";

export interface ArmRun {
  readonly bus: ServoBus;
  readonly port: SimulatedPort;
  readonly readings: JointReading[];
  /** Warnings begin with `!`. */
  readonly told: string[];
  readonly health: (readonly JointHealth[])[];
  /** As last told. */
  counts(): SerialCounts;
  /** Let time pass. */
  run(seconds: number): Promise<void>;
  stop(): Promise<void>;
}

export const STILL = [2079, 2089, 1894, 2000, 2047, 2500];

/** Begin to read an arm; needs `vi.useFakeTimers()`. */
export function startArm(
  busOptions: Partial<ServoBusOptions> = {},
  options: Partial<SerialOptions> = {},
): ArmRun {
  const bus = createServoBus({ ticksAt: () => STILL, ...busOptions });
  const port = simulatedPort(bus);
  const readings: JointReading[] = [];
  const told: string[] = [];
  const health: (readonly JointHealth[])[] = [];
  let counts: SerialCounts | undefined;
  const stop = new AbortController();
  const source = serialSource({
    system: port,
    onCounts: (now) => {
      counts = now;
    },
    ...options,
  });
  const listener = {
    onNote: (line: string) => told.push(line),
    onWarning: (line: string) => told.push(`! ${line}`),
    onHealth: (now: readonly JointHealth[]) => health.push(now),
  };
  const reading = (async () => {
    for await (const one of source(listener, stop.signal)) readings.push(one);
  })();
  reading.catch(() => undefined);
  return {
    bus,
    port,
    readings,
    told,
    health,
    counts: () => {
      if (counts === undefined) throw new Error("no counts were told");
      return counts;
    },
    run: async (seconds) => {
      await vi.advanceTimersByTimeAsync(seconds * 1000);
    },
    stop: async () => {
      stop.abort();
      await vi.advanceTimersByTimeAsync(100);
      await reading;
    },
  };
}
