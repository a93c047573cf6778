/** `splatctl chunks url`: an address that opens a chunk. */
import { InvalidArgumentError, type Command } from "commander";
import { withExamples } from "./examples.ts";
import { SplatError } from "../errors.ts";
import { useSessions, withBucket } from "./open-reader.ts";
import { interruptSignal } from "./terminal.ts";
import type { UrlFlags } from "./url-of-chunk.ts";

/** R2: presigned URLs. */
const MOST_S = 7 * 86_400;
const UNITS_S: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** Add the verb. */
export function registerChunksUrl(chunks: Command): void {
  withBucket(
    withExamples(chunks.command("url"), [
      ["splatctl chunks url", "where a browser opens the newest chunk"],
      ["splatctl chunks url chunk_0003.ply --expires 30m", "a URL that opens a private one for half an hour"],
      ['splatctl chunks url "chunk_00*.ply" --json', "several, as one JSON object"],
    ]),
  )
    .argument("[name...]", "names, numbers, globs in quotes, or latest (default: latest)")
    .description(
      "print a URL: the public one, else one that expires and opens a private chunk to whoever has it",
    )
    .option("--expires <time>", "one that expires after 30m, 12h, up to 7d (default: 1h)", expiryTime)
    .option("--json", "print one JSON object")
    .action(async (wanted: string[], _options, command: Command) => {
      const flags = command.optsWithGlobals<UrlFlags>();
      if (flags.public === true && flags.expires !== undefined) throw contradiction();
      const load = () => import("./url-of-chunk.ts");
      await useSessions(flags, interruptSignal(), load, (found, { printUrls }) =>
        printUrls(found, wanted, flags),
      );
    });
}

/** Parse a length of time into seconds. */
function expiryTime(text: string): number {
  const [, digits, unit] = /^(\d{1,9})([smhd]?)$/.exec(text.trim()) ?? [];
  const seconds = digits === undefined ? Number.NaN : Number(digits) * UNITS_S[unit];
  if (seconds >= 1 && seconds <= MOST_S) return seconds;
  throw new InvalidArgumentError("It must be a time such as 30m, 12h or 7d, and 7d at most.");
}

function contradiction(): SplatError {
  return new SplatError("usage", "--public and --expires contradict one another", {
    hint: "A URL that expires is signed with the bucket's keys; leave out --public.",
  });
}
