/** `splatctl chunks watch`: bring the chunks of a session that goes on into a folder, each as it comes. */
import type { Command } from "commander";
import { withExamples, withNotes } from "./examples.ts";
import { withScene, type BackendFlags } from "./flags.ts";

/** Flags of the verb. */
export interface WatchFlags extends BackendFlags {
  readonly output: string;
  readonly session: string;
  readonly wait?: boolean;
  readonly latestOnly?: boolean;
  readonly exec?: string;
  readonly public?: boolean;
}

const NOTES = [
  "Each chunk's path is a line on stdout; the first are those that the session has already.",
  "--exec runs through the shell, one command at a time, with what it prints on stderr and the variables SPLAT_CHUNK_PATH, SPLAT_CHUNK_NAME, SPLAT_CHUNK_INDEX, SPLAT_CHUNK_LAST_FRAME, SPLAT_SESSION_ID and SPLAT_SCENE, which are to be quoted.",
  "Without --wait a session that is complete already is downloaded, and that is the end. A session whose training failed may go on when its backend is started anew: that is waited for 2 minutes, then the end is 5. So long the last chunks of a session are waited for that another took over from, too.",
  'Ends with 0 at Ctrl-C too, with 5 when a chunk was not downloaded, a command failed or the session did. With --json the last line\'s event is "end", after an error too.',
];

/** Add the verb. */
export function registerChunksWatch(chunks: Command): void {
  const watch = withScene(
    withExamples(chunks.command("watch"), [
      ["splatctl chunks watch -o scenes", "each chunk as it lands, until the session is complete"],
      ["splatctl chunks watch --wait --latest-only", "the next session, only its newest state"],
      ["splatctl chunks watch --exec 'cp \"$SPLAT_CHUNK_PATH\" newest.ply'", "run a command after each"],
    ]),
  )
    .description("download each chunk of a session as it comes, until the session is complete or Ctrl-C")
    .option("-o, --output <dir>", "where to: DIR/SCENE/SESSION/NAME", "splatctl-chunks")
    .option("--session <id>", "which session; latest follows the scene to newer ones", "latest")
    .option("--wait", "if the newest session has ended already, leave it and wait for the next one")
    .option("--latest-only", "leave out chunks that a newer one has overtaken")
    .option(
      "--exec <command>",
      "run it after each chunk, which SPLAT_CHUNK_PATH and other variables tell it (see below)",
    )
    .option("--public", "read R2_PUBLIC_URL, without any keys")
    .option("--json", "print a JSON object a line: what happens, and at the end how it went")
    .action(async (_options, command: Command) => {
      const { watchBucket } = await import("./watch-bucket.ts");
      await watchBucket(command.optsWithGlobals<WatchFlags>());
    });
  withNotes(watch, NOTES);
}
