/** `splatctl chunks get`: download what lies in the bucket. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { PARALLEL } from "../chunks/parallel.ts";
import { choiceOf } from "./chunk-choice.ts";
import type { GetFlags } from "./get-chunks.ts";
import { wholeNumber } from "./flags.ts";
import { useSessions, withBucket } from "./open-reader.ts";
import { interruptSignal } from "./terminal.ts";

const MOST_PARALLEL = 256;

/** Add the verb. */
export function registerChunksGet(chunks: Command): void {
  withChoice(
    withBucket(
      withExamples(chunks.command("get"), [
        ["splatctl chunks get", "the newest chunk, into splatctl-chunks"],
        ["splatctl chunks get --all -o scenes", "every chunk of the latest session"],
        ['splatctl chunks get "chunk_00*.ply" --session all --dry-run', "what would come of all sessions"],
        ["splatctl chunks get 3 7 --public", "two of them, by number, from a public bucket without keys"],
      ]),
    ),
  )
    .description("download chunks, each verified; what is there and whole stays, what is half there goes on")
    .option("-o, --output <dir>", "where to: DIR/SCENE/SESSION/NAME", "splatctl-chunks")
    .option("--parallel <n>", "files at a time", wholeNumber(1, MOST_PARALLEL), PARALLEL)
    .option("--dry-run", "only say what would be downloaded")
    .option("--json", "print one JSON object")
    .action(async (wanted: string[], _options, command: Command) => {
      const flags = command.optsWithGlobals<GetFlags>();
      const [choice, signal] = [choiceOf(wanted, flags), interruptSignal()];
      const load = () => import("./get-chunks.ts");
      await useSessions(
        flags,
        signal,
        load,
        (found, { getChunks }) => getChunks(found, choice, flags, signal),
        flags.parallel,
      );
    });
}

/** Add what names entries of the bucket: names, globs, `--all`, `--latest`, `--include` and `--exclude`. */
export function withChoice(command: Command): Command {
  const more = (glob: string, globs: readonly string[] = []): string[] => [...globs, glob];
  return command
    .argument(
      "[name...]",
      "names, numbers, or globs in quotes, of NAME or SESSION/NAME (default: the newest)",
    )
    .optionsGroup("Which:")
    .option("--all", "everything in the session, or in all of them with --session all")
    .option("--latest", "the newest one: each chunk is the whole scene as it stood")
    .option("--include <glob>", "only what matches this NAME or SESSION/NAME; may be given again", more)
    .option("--exclude <glob>", "not what matches this, whatever else is said; may be given again", more)
    .optionsGroup("Options:");
}
