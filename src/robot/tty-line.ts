/** A tty read by the event loop itself. */
import { closeSync, constants, openSync } from "node:fs";
import { ReadStream } from "node:tty";
import { type ByteLine, LineEnd } from "./byte-line.ts";

/**
 * A line over a tty that is open and set up already; `release` lets go of that. Throws when the tty cannot be opened.
 * The serial library's own stream takes several hops through the thread pool for each answer; this one takes none, which
 * saves 2% of a core at 100 readings a second and gives truer times. Tried on Linux only.
 */
export function ttyLine(path: string, release: () => Promise<void>): ByteLine {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  const stream = new ReadStream(descriptor);
  // The stream opens the tty anew for itself: then the first descriptor is not needed.
  const own = (stream as unknown as { readonly _handle?: { readonly fd?: number } })._handle?.fd;
  if (own !== undefined && own !== descriptor) closeSync(descriptor);

  const end = new LineEnd();
  stream.on("error", (error) => end.tell(error.message));
  stream.on("close", () => end.tell("the line was hung up"));
  return {
    write: (bytes) => {
      if (end.isOpen) stream.write(bytes);
    },
    onBytes: (listener) => {
      stream.removeAllListeners("data");
      stream.on("data", listener);
    },
    onEnd: (listener) => end.listen(listener),
    close: async () => {
      if (!end.close()) return;
      stream.destroy();
      await release();
    },
  };
}
