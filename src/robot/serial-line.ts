/** A servo adapter's serial port, opened for reading an arm. */
import type { SerialPort } from "serialport";
import { messageOf, SplatError } from "../errors.ts";
import { type ByteLine, LineEnd } from "./byte-line.ts";
import { ttyLine } from "./tty-line.ts";

/** Rate of the bus as servos leave the factory; LeRobot uses no other. */
export const BUS_BAUD = 1_000_000;

/**
 * Open a port: 1 Mbaud, 8N1, locked against other users of the same library, control lines left as they are on closing.
 * Throws `not_configured` when the serial library is missing or does not run here, `bad_input` with the system's reason
 * when the port cannot be opened.
 */
export async function openSerialLine(path: string): Promise<ByteLine> {
  const Port = await loadSerialPort();
  const settings = { path, baudRate: BUS_BAUD, lock: true, hupcl: false };
  if (process.platform === "linux") {
    const locked = await Port.binding.open(settings).catch((cause: unknown) => {
      throw openError(path, cause);
    });
    try {
      return ttyLine(path, () => locked.close());
    } catch {
      // The library's own stream may still do.
      await locked.close();
    }
  }
  const port = new Port({ ...settings, autoOpen: false });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error === null ? resolve() : reject(openError(path, error))));
  });
  return portLine(port);
}

async function loadSerialPort(): Promise<typeof SerialPort> {
  try {
    return (await import("serialport")).SerialPort;
  } catch (cause) {
    throw new SplatError("not_configured", "the package serialport cannot be loaded on this machine", {
      hint: "Reinstall splatctl, or send the joints over HTTP: `splatctl relay http` or `splatctl relay lerobot`.",
      cause,
    });
  }
}

/** Where to go when a port belongs to somebody else. */
export const SHARE_HINT =
  "Stop it, or leave it the port and take the joints from LeRobot: `splatctl relay lerobot` (its display socket) " +
  "or `splatctl relay http`.";

const OPEN_HINTS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [
    /permission denied|access denied|EACCES/i,
    "Add yourself to the port's group (`sudo usermod -aG dialout $USER`, then log in again), or add a udev rule " +
      'for it: SUBSYSTEM=="tty", ATTRS{idVendor}=="1a86", MODE="0666".',
  ],
  [/cannot lock port|busy/i, `Another program has it open. ${SHARE_HINT}`],
  [/baud|invalid argument|error 22/i, "Its driver must do 1 000 000 baud; the SO-101's own adapter does."],
  [
    /inappropriate ioctl|not a (tty|serial)/i,
    "It is not a serial port. Name the arm's, such as /dev/ttyACM0.",
  ],
];

function openError(path: string, cause: unknown): SplatError {
  const message = messageOf(cause).replace(/^Error:?\s*/, "");
  const hint = OPEN_HINTS.find(([pattern]) => pattern.test(message))?.[1];
  return new SplatError("bad_input", `cannot open ${path}: ${message}`, { hint, cause });
}

function portLine(port: SerialPort): ByteLine {
  const end = new LineEnd();
  port.on("error", (error) => end.tell(messageOf(error)));
  port.on("close", (error: Error | null) => end.tell(error?.message ?? "the port was closed"));
  return {
    write: (bytes) => {
      if (end.isOpen) port.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    },
    onBytes: (listener) => {
      port.removeAllListeners("data");
      port.on("data", listener);
    },
    onEnd: (listener) => end.listen(listener),
    close: async () => {
      if (!end.close() || !port.isOpen) return;
      await new Promise<void>((resolve) => {
        port.close(() => resolve());
      });
    },
  };
}
