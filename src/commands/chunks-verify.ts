/** `splatctl chunks verify`: whether what was downloaded is still whole. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { EXIT_CODES } from "../errors.ts";
import type { BackendFlags } from "./flags.ts";
import { interruptSignal, printResult } from "./terminal.ts";

/** Add the verb. */
export function registerChunksVerify(chunks: Command): void {
  withExamples(chunks.command("verify"), [
    ["splatctl chunks verify splatctl-chunks", "sizes and SHA-256 of all that was downloaded"],
    ["splatctl chunks verify scenes/main --json", "those of one scene, as one JSON object"],
  ])
    .description("check downloaded files against the SHA256SUMS beside them")
    .argument("<dir>", "folder that was downloaded into, or one above it")
    .option("--json", "print one JSON object")
    .action(async (dir: string, _options, command: Command) => verify(dir, command.optsWithGlobals()));
}

async function verify(dir: string, flags: BackendFlags): Promise<void> {
  const { isWrong, verifyFolder } = await import("../chunks/verify.ts");
  const { verifyJson, verifyText } = await import("./verify-text.ts");
  const { hiddenProgressLine, openProgressLine } = await import("../tui/progress-line.ts");
  const line = flags.json === true || flags.quiet === true ? hiddenProgressLine() : await openProgressLine();
  try {
    const report = await verifyFolder(dir, interruptSignal(), ({ checkedFiles, checkedBytes, allFiles }) =>
      line.update(`checked ${checkedFiles} of ${allFiles} files, ${Math.round(checkedBytes / 1e6)} MB`),
    );
    line.end();
    const wrong = report.files.filter(isWrong);
    printResult(flags, verifyJson(report, wrong), verifyText(report, wrong));
    if (wrong.length > 0) process.exitCode = EXIT_CODES.partial;
  } finally {
    line.end();
  }
}
