/** `splatctl chunks`: what lies in the bucket. Each verb is a file of its own. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { registerChunksGet } from "./chunks-get.ts";
import { registerChunksLs } from "./chunks-ls.ts";
import { registerChunksPush } from "./chunks-push.ts";
import { registerChunksRm } from "./chunks-rm.ts";
import { registerChunksUrl } from "./chunks-url.ts";
import { registerChunksWatch } from "./chunks-watch.ts";
import { registerChunksVerify } from "./chunks-verify.ts";

/** Add the command and its verbs, in the order help shows them. */
export function registerChunks(program: Command): void {
  const chunks = withExamples(program.command("chunks"), [
    ["splatctl chunks ls", "what is there"],
    ["splatctl chunks get", "the newest chunk: it is the whole scene"],
    ["splatctl chunks watch -o scenes", "each chunk as it lands"],
  ]).description("list, download, follow and keep what lies in the bucket");
  registerChunksLs(chunks);
  registerChunksGet(chunks);
  registerChunksWatch(chunks);
  registerChunksUrl(chunks);
  registerChunksVerify(chunks);
  registerChunksPush(chunks);
  registerChunksRm(chunks);
}
