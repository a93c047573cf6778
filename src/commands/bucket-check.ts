/** `splatctl bucket check`: what the token of the bucket may do. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { SplatError } from "../errors.ts";
import type { BackendFlags } from "./flags.ts";
import { keysHint, openBucketSettings } from "./open-bucket.ts";
import { interruptSignal, printResult } from "./terminal.ts";

interface CheckFlags extends BackendFlags {
  /** False with --no-write. */
  readonly write: boolean;
}

/** Add the command. */
export function registerBucketCheck(bucket: Command): void {
  withExamples(bucket.command("check"), [
    ["splatctl bucket check", "line by line, with a small object stored and removed"],
    ["splatctl bucket check --no-write", "reading alone"],
  ])
    .description("see what the bucket's token may do, and what mends what it may not")
    .option("--no-write", "store nothing, not even for a moment")
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => check(command.optsWithGlobals<CheckFlags>()));
}

async function check(flags: CheckFlags): Promise<void> {
  const signal = interruptSignal();
  const { bucket, log } = await openBucketSettings(flags);
  const { checkBucket } = await import("../remote/r2-check.ts");
  const words = await import("./describe-bucket-check.ts");
  const report = await checkBucket(bucket, {
    write: flags.write,
    signal,
    onLine: (line) => {
      if (flags.json !== true) process.stdout.write(`${words.describeCheckLine(line)}\n`);
    },
    onWrite: ({ key, bytes }) =>
      log.info(
        `to try writing, ${key} (${bytes.length} bytes) is stored and removed; --no-write leaves that out`,
      ),
  });
  const findings = { bucket: bucket.bucket, endpoint: bucket.endpoint, ...words.checkFindings(report) };
  const { failure } = report;
  if (failure === null) {
    const access = words.describeAccess(report);
    return printResult(flags, { success: true, ...findings, access }, access);
  }
  const { code, message, hint, refusal } = failure;
  throw new SplatError(code, message, { hint: keysHint(bucket) ?? hint, refusal, findings });
}
