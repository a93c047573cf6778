/** `splatctl bucket`: the bucket itself. Each verb is a file of its own. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { registerBucketCheck } from "./bucket-check.ts";
import { registerBucketCors } from "./bucket-cors.ts";
import { registerBucketInit } from "./bucket-init.ts";

/** Add the command and its verbs, in the order help shows them. */
export function registerBucket(program: Command): void {
  const bucket = withExamples(program.command("bucket"), [
    ["splatctl bucket init", "set it up once"],
    ["splatctl bucket check", "what the token may do, and what mends what it may not"],
  ]).description("set up the bucket and see what its token may do");
  registerBucketInit(bucket);
  registerBucketCheck(bucket);
  registerBucketCors(bucket);
}
