/** Watches a session for `splatctl chunks watch`, and tells of it. */
import { watchChunks, type WatchEvent } from "../chunks/watch.ts";
import { EXIT_CODES, SplatError, toSplatError } from "../errors.ts";
import type { WatchFlags } from "./chunks-watch.ts";
import {
  commandJson,
  describeCommandEnd,
  describeEvent,
  describeWatch,
  eventJson,
  watchJson,
} from "./describe-watch.ts";
import { openReader } from "./open-reader.ts";
import { CommandQueue, type CommandEnd } from "./run-after.ts";
import { interruptSignal } from "./terminal.ts";

/**
 * Watch until the session is complete, or Ctrl-C, which is no failure. Throws what `watchChunks` throws, and `usage` for an
 * empty command. With --json every line that is printed has an `event`, the error's too.
 */
export async function watchBucket(flags: WatchFlags): Promise<void> {
  if (flags.json !== true) return await watch(flags);
  try {
    await watch(flags);
  } catch (thrown) {
    const { code, message, hint, refusal } = toSplatError(thrown);
    throw new SplatError(code, message, { hint, refusal, cause: thrown, findings: { event: "end" } });
  }
}

async function watch(flags: WatchFlags): Promise<void> {
  if (flags.exec?.trim() === "") {
    throw new SplatError("usage", "--exec is empty", { hint: "Give the command to run after each chunk." });
  }
  const { reader, scene, log } = await openReader(flags);
  const { session, wait, latestOnly, output: folder } = flags;
  const watched = { scene, session, wait, folder, latestOnly };
  // Whoever reads us may stop reading.
  const unread = new AbortController();
  process.stdout.once("error", () => unread.abort());
  const signal = AbortSignal.any([interruptSignal(), unread.signal]);
  const printJson = (value: object): void => {
    if (flags.json === true) process.stdout.write(`${JSON.stringify(value)}\n`);
  };
  const onCommandEnd = (end: CommandEnd): void => {
    printJson(commandJson(end));
    const failure = describeCommandEnd(end);
    if (failure !== null) log.warn(failure);
  };
  const commands = flags.exec === undefined ? null : new CommandQueue(flags.exec, onCommandEnd, signal);
  const onEvent = (event: WatchEvent): void => {
    printJson(eventJson(event, watched));
    const { note, warning } = describeEvent(event, watched);
    if (note !== undefined) log.info(note);
    if (warning !== undefined) log.warn(warning);
    if (event.kind !== "landed") return;
    if (flags.json !== true) process.stdout.write(`${event.result.path}\n`);
    commands?.add(event.result);
  };
  try {
    const summary = await watchChunks(reader, watched, onEvent, signal);
    await commands?.ended();
    const failures = commands?.failures ?? 0;
    printJson(watchJson(summary, failures));
    const hasFailed = summary.sessionFailed || summary.failed.length > 0 || failures > 0;
    const text = describeWatch(summary, failures);
    if (hasFailed) log.warn(text);
    else log.info(text);
    if (hasFailed) process.exitCode = EXIT_CODES.partial;
  } finally {
    // Those of chunks that came before an error.
    await commands?.ended();
    await reader.close();
  }
}
