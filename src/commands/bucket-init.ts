/** `splatctl bucket init`: set the bucket up once. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { SplatError } from "../errors.ts";
import type { BackendFlags } from "./flags.ts";

/** Flags of the command. Keys are not among them: command lines are visible to all. */
export interface InitFlags extends BackendFlags {
  readonly endpoint?: string;
  readonly name?: string;
  readonly publicUrl?: string;
  readonly origin?: readonly string[];
  /** False with --no-save. */
  readonly save: boolean;
  readonly yes?: boolean;
  readonly forget?: boolean;
}

/** Add the command. */
export function registerBucketInit(bucket: Command): void {
  withExamples(bucket.command("init"), [
    ["splatctl bucket init", "asks for endpoint, name and keys, checks them, keeps them"],
    ["splatctl bucket init --name splats --yes", "keys and endpoint from the environment, without asking"],
    ["splatctl bucket init --forget", "remove what is kept, keys included"],
  ])
    .description("set up the bucket once: ask, check, make it where it is missing, keep its settings")
    .optionsGroup("Bucket:")
    .option("--endpoint <url>", "S3 endpoint of the account, without the bucket (default: R2_ENDPOINT_URL)")
    .option("--name <name>", "the bucket (default: R2_BUCKET_NAME)")
    .option("--public-url <url>", "where anybody reads it, if it is public (default: R2_PUBLIC_URL)")
    .option("--origin <url...>", "let the pages of these origins read it; needs a token that administers")
    .optionsGroup("Options:")
    .option("--no-save", "keep nothing")
    .option("--yes", "do not ask before the bucket is made or another one's settings are replaced")
    .option("--forget", "remove what is kept, keys included, and do nothing else")
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<InitFlags>();
      if (flags.forget === true) return await (await import("./bucket-forget.ts")).forgetBucket(flags);
      if (flags.json === true && flags.yes !== true) {
        throw new SplatError("usage", "with --json nothing is asked", { hint: "Add --yes." });
      }
      return await (await import("./run-bucket-init.ts")).runBucketInit(flags);
    });
}
