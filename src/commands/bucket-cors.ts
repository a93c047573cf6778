/** `splatctl bucket cors`: which web pages may read the bucket. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { SplatError } from "../errors.ts";
import type { BackendFlags } from "./flags.ts";
import { openBucketSettings } from "./open-bucket.ts";
import { interruptSignal } from "./terminal.ts";

/** Flags of the command. */
export interface CorsFlags extends BackendFlags {
  readonly origin?: readonly string[];
  readonly remove?: boolean;
  readonly dryRun?: boolean;
}

/** Add the command. */
export function registerBucketCors(bucket: Command): void {
  withExamples(bucket.command("cors"), [
    ["splatctl bucket cors", "which pages may read it now"],
    ["splatctl bucket cors --origin https://viewer.example", "let this site's pages read it"],
    ["splatctl bucket cors --remove --dry-run", "what taking our rule away would change"],
  ])
    .description("show which web pages may read the bucket, or say which may")
    .option("--origin <url...>", "let the pages of these origins read it; * is every page")
    .option("--remove", "take our rule away; those of others stay")
    .option("--dry-run", "say what would be changed, and change nothing")
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => cors(command.optsWithGlobals<CorsFlags>()));
}

async function cors(flags: CorsFlags): Promise<void> {
  if (flags.origin !== undefined && flags.remove === true) {
    throw new SplatError("usage", "--origin and --remove exclude each other", { hint: "Give one of them." });
  }
  const signal = interruptSignal();
  const { parseOrigin } = await import("../remote/r2-cors.ts");
  const origins = flags.origin?.map(parseOrigin);
  const { bucket, log } = await openBucketSettings(flags);
  const { openAdmin } = await import("../remote/r2-admin.ts");
  const { changeCors, printCors } = await import("./run-bucket-cors.ts");
  const admin = await openAdmin(bucket);
  try {
    const change = flags.remove === true ? "remove" : origins;
    printCors(flags, log, await changeCors(admin, { change, isDry: flags.dryRun === true, log, signal }));
  } finally {
    admin.close();
  }
}
