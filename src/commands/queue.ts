/** `splatctl queue`: what captures have taken and not delivered. */
import type { Command } from "commander";
import { withExamples, type Example } from "./examples.ts";
import { resolveConfig } from "../config.ts";
import { SplatError } from "../errors.ts";
import type { SpoolReport, Tidied } from "../queue/inspect.ts";
import { logFor, withSpool, type BackendFlags } from "./flags.ts";
import { interruptSignal, printResult } from "./terminal.ts";

interface QueueFlags extends BackendFlags {
  readonly failed?: boolean;
  readonly yes?: boolean;
}

/** Add the command. */
export function registerQueue(program: Command): void {
  const queue = withExamples(program.command("queue"), [
    ["splatctl queue ls", "what is kept, and what was refused and why"],
    ["splatctl queue retry", "let refused frames go again"],
  ]).description("see and tidy the frames that captures keep until the backend has them");
  const add = (name: string, description: string, examples: readonly Example[]): Command =>
    withSpool(withExamples(queue.command(name), examples).description(description))
      .argument("[folder]", "only the frames captured from this folder")
      .option("--json", "print one JSON object");
  add("ls", "list what is kept, and what the backend refused", [
    ["splatctl queue ls", "of every folder and backend"],
    ["splatctl queue ls ./photos --json", "of one folder, as one JSON object"],
  ]).action(list);
  add("retry", "let frames that the backend refused be sent again by the next capture", [
    ["splatctl queue retry", "of every folder"],
    ["splatctl queue retry ./photos", "of one"],
  ]).action(retry);
  add("clear", "forget what is kept, so that the next capture begins its folder from the start", [
    ["splatctl queue clear --failed", "only what the backend refused"],
    ["splatctl queue clear ./photos --yes", "all that is kept of one folder, without asking"],
  ])
    .option("--failed", "only frames that the backend refused")
    .option("--yes", "do not ask")
    .action(clear);
}

async function list(folder: string | undefined, _options: object, command: Command): Promise<void> {
  const { flags, spools } = await openQueue(folder, command);
  const { describeSpools, spoolJson } = await import("./describe-queue.ts");
  printResult(flags, { success: true, spools: spools.map(spoolJson) }, describeSpools(spools));
}

async function retry(folder: string | undefined, _options: object, command: Command): Promise<void> {
  const { flags, spools } = await openQueue(folder, command);
  const { retryFailed } = await import("../queue/inspect.ts");
  report(flags, await retryFailed(spools), "wait to be sent again by the next capture");
}

async function clear(folder: string | undefined, _options: object, command: Command): Promise<void> {
  const { flags, spools } = await openQueue(folder, command);
  const { clearFailed, clearSpools } = await import("../queue/inspect.ts");
  const { clearQuestion } = await import("./describe-queue.ts");
  if (spools.length > 0 && flags.yes !== true) {
    const { confirm } = await import("./confirm.ts");
    await confirm(clearQuestion(spools, flags.failed === true), interruptSignal());
  }
  report(flags, await (flags.failed === true ? clearFailed(spools) : clearSpools(spools)), "removed");
}

async function openQueue(
  folder: string | undefined,
  command: Command,
): Promise<{ flags: QueueFlags; spools: SpoolReport[] }> {
  const flags = command.optsWithGlobals<QueueFlags>();
  const { spoolDir } = await resolveConfig(flags);
  logFor(flags).info(`spools in ${spoolDir}`);
  const { inspectSpools } = await import("../queue/inspect.ts");
  return { flags, spools: await inspectSpools(spoolDir, folder ?? null) };
}

function report(flags: QueueFlags, { frames, problems }: Tidied, words: string): void {
  printResult(flags, { success: problems.length === 0, frames }, `${frames} frames ${words}`);
  const [first] = problems;
  if (first === undefined) return;
  throw new SplatError("partial", first.message, { hint: first.hint, cause: first.cause });
}
