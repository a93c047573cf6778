/** A simulated servo bus at one end of a serial line, as an adapter would hold it. */
import { messageOf, SplatError } from "../errors.ts";
import type { ServoBus } from "./servo-bus.ts";

/** A bus that is plugged in. */
export interface ServedPort {
  /** Unplug it. The bus can be served again. */
  close(): Promise<void>;
}

const BAUD = 1_000_000;

/**
 * Serve a bus on a tty, such as one end of a pair of pseudo-terminals; askers open the other.
 * Throws `bad_input` when the tty cannot be opened.
 */
export async function serveServoBus(bus: ServoBus, path: string): Promise<ServedPort> {
  const { SerialPort } = await import("serialport");
  const port = new SerialPort({ path, baudRate: BAUD, autoOpen: false });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error === null ? resolve() : reject(cannotOpen(path, error))));
  });
  // The other end may hang up at any time: then nobody hears the servos, and that is all.
  port.on("error", () => undefined);
  port.on("data", (bytes: Buffer) => bus.receive(bytes));
  const stopSending = bus.onSend((bytes) => {
    if (port.isOpen) port.write(bytes);
  });
  return {
    async close() {
      stopSending();
      if (port.isOpen) await new Promise<void>((resolve) => port.close(() => resolve()));
    },
  };
}

function cannotOpen(path: string, error: Error): SplatError {
  return new SplatError("bad_input", `cannot serve a simulated arm on ${path}: ${messageOf(error)}`, {
    hint: "Name one end of a pair of pseudo-terminals, as socat makes them.",
    cause: error,
  });
}
