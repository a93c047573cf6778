/**
 * Builds the program and runs it. The only catch and the only exit code of the project are here.
 * Commands are loaded when they are called, so `--help` stays fast.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { explain, EXIT_CODES, toSplatError, type SplatError } from "./errors.ts";
import { registerCommands } from "./commands/index.ts";
import { configureHelp } from "./commands/help-text.ts";
import { settleColours } from "./commands/terminal.ts";
import { explainUsage, namedCommand, unknownCommand } from "./commands/usage-error.ts";
import { withWhereToBegin } from "./commands/where-to-begin.ts";

/**
 * Run one command line; resolves to the process's exit code, never rejects.
 * A line without a command is a usage error (help on stderr, 2): a script that lost its arguments should notice.
 */
export async function main(argv: readonly string[]): Promise<number> {
  settleColours();
  // Whoever reads us may stop reading; that is no fault of ours and needs no stack trace.
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", () => (process.exitCode ??= EXIT_CODES.partial));
  const words = argv.slice(2);
  try {
    const program = createProgram();
    await program.parseAsync(asTyped(program, words), { from: "user" });
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : EXIT_CODES.usage;
    return report(toSplatError(thrown), words);
  }
}

/** The program with all of its commands. */
export function createProgram(): Command {
  const program = new Command("splatctl")
    .description("Live 3D Gaussian splatting from a hobby robot arm: capture, train, watch, pull.")
    .version(packageVersion(), "-V, --version", "print the version")
    .option("--verbose", "say more: each request, where settings come from, stack traces")
    .option("--quiet", "say nothing but results, warnings and errors");
  configureHelp(program);
  registerCommands(program);
  withWhereToBegin(program);
  explainUsage(program);
  return program;
}

/**
 * `help chunks get` is `chunks get --help`, as deep as there are commands. Throws `usage` for help on what is not there,
 * which commander takes for help on what is above it.
 */
function asTyped(program: Command, words: readonly string[]): string[] {
  const asked = words[0] === "help" ? words.slice(1) : words;
  const end = asked.indexOf("--");
  const isHelp = words[0] === "help" || asked.slice(0, end === -1 ? undefined : end).some(isHelpFlag);
  if (!isHelp) return [...words];
  const { command, unknown } = namedCommand(program, asked);
  if (unknown !== null) throw unknownCommand(command, unknown);
  return [...asked.filter((word) => !isHelpFlag(word)), "--help"];
}

function isHelpFlag(word: string): boolean {
  return word === "--help" || word === "-h";
}

/** Read at run time from beside dist/, so the number lives in one place. */
function packageVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** With --json the one thing said of a line that went wrong is the JSON object on stdout. */
function report(error: SplatError, words: readonly string[]): number {
  const json = words.includes("--json");
  const text = explain(error, { json, verbose: words.includes("--verbose") });
  (json ? process.stdout : process.stderr).write(`${text}\n`);
  return EXIT_CODES[error.code];
}
