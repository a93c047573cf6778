/**
 * Builds the program and runs it. The only catch and the only exit code of the project are here.
 * Commands are loaded when they are called, so `--help` stays fast.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { explain, EXIT_CODES, SplatError, toSplatError } from "./errors.ts";
import { registerCommands } from "./commands/index.ts";

/**
 * Run one command line; resolves to the process's exit code, never rejects.
 * A line without a command is a usage error (help on stderr, 2): a script that lost its arguments should notice.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command("splatctl")
    .description("Live 3D Gaussian splatting from a hobby robot arm: capture, train, watch, pull.")
    .version(packageVersion(), "-V, --version", "print the version")
    .option("--verbose", "say more, stack traces included")
    .option("--quiet", "say only what matters")
    .showHelpAfterError("(add --help for usage)")
    .exitOverride();
  registerCommands(program);
  const json = argv.includes("--json");
  if (json) quietUsageErrors(program);
  // Whoever reads us may stop reading; that is no fault of ours and needs no stack trace.
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", () => (process.exitCode ??= EXIT_CODES.partial));
  try {
    await program.parseAsync(argv);
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return report(toSplatError(thrown), argv);
    if (thrown.exitCode === 0) return 0;
    if (json) return report(new SplatError("usage", thrown.message.replace(/^error: /, "")), argv);
    return EXIT_CODES.usage;
  }
}

/** With --json the one thing said of a wrong line is the JSON object on stdout. */
function quietUsageErrors(command: Command): void {
  command.configureOutput({ writeErr: () => undefined });
  for (const child of command.commands) quietUsageErrors(child);
}

/** Read at run time from beside dist/, so the number lives in one place. */
function packageVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function report(error: SplatError, argv: readonly string[]): number {
  const json = argv.includes("--json");
  const text = explain(error, { json, verbose: argv.includes("--verbose") });
  (json ? process.stdout : process.stderr).write(`${text}\n`);
  return EXIT_CODES[error.code];
}
