/** Every command of the program, held to what its help promises. */
import type { Command } from "commander";
import { afterEach, describe, expect, test, vi } from "vitest";
import { examplesOf, layOut } from "../../src/commands/examples.ts";
import { fullName } from "../../src/commands/help-text.ts";
import { everyCommand, namedCommand } from "../../src/commands/usage-error.ts";
import { OTHER_WORDS } from "../../src/commands/did-you-mean.ts";
import { createProgram } from "../../src/main.ts";

const commands = everyCommand(createProgram()).filter((command) => !fullName(command).includes(" __"));
const verbs = commands.slice(1);
const named = verbs.map((command) => [fullName(command), command] as const);

afterEach(() => vi.unstubAllEnvs());

test("there are commands", () => {
  expect(verbs.length).toBeGreaterThan(30);
});

test.each(named)("%s says what it does, in lower case and without a full stop", (_, command) => {
  expect(command.description()).toMatch(/^[a-z][^]*[^.]$/);
});

test.each(named)("%s says what each option and argument is for, all in one manner", (_, command) => {
  for (const option of command.options) {
    // A name in capitals may begin it.
    expect(option.description, option.flags).toMatch(/^(?:[a-z-]|[A-Z]\w*[A-Z0-9]|LeRobot|Python)[^]*[^.]$/);
    // What goes where nothing is given is said in one way, at the end.
    if (/\bdefault\b/.test(option.description)) {
      expect(option.description, option.flags).toMatch(
        /\(default(?:: [^]+)?\)$|, the first being the default$|/,
      );
    }
  }
  for (const argument of command.registeredArguments) {
    expect(argument.description, argument.name()).toMatch(/[^.]$/);
  }
});

test.each(named)("%s has two to four examples, each short enough to be read", (_, command) => {
  const examples = examplesOf(command);
  expect(examples.length).toBeGreaterThanOrEqual(2);
  expect(examples.length).toBeLessThanOrEqual(4);
  for (const [call, does] of examples) {
    expect(call).toMatch(new RegExp(`^(?:[A-Z_0-9]+=\\S+ )*${fullName(command)}\\b`));
    expect(call.length, call).toBeLessThanOrEqual(90);
    expect(does.length, does).toBeLessThanOrEqual(80);
    expect(does, call).toMatch(/[^.]$/);
  }
});

test.each(
  verbs.flatMap((command) => examplesOf(command).map(([call]) => [call, fullName(command)] as const)),
)("the example `%s` is a line that the program takes", async (call, owner) => {
  const program = createProgram();
  let ran: Command | undefined;
  for (const command of everyCommand(program)) {
    if (command.commands.length === 0)
      command.action((...given: unknown[]) => void (ran = given.at(-1) as Command));
  }
  const words = typedWords(call);
  expect(words.shift()).toBe("splatctl");
  await program.parseAsync(words, { from: "user" });
  expect(ran && fullName(ran)).toMatch(new RegExp(`^${owner}\\b`));
});

test.each([undefined, 50, 36, 200])("help keeps to the columns there are (COLUMNS=%s)", (columns) => {
  vi.stubEnv("COLUMNS", columns?.toString());
  const most = Math.min(columns ?? 80, 100);
  for (const command of commands) {
    let text = "";
    command.configureOutput({ writeOut: (piece) => (text += piece) });
    command.outputHelp();
    for (const line of text.split("\n")) {
      // A word that is longer than the line stays whole.
      if (line.replace(/ \\$/, "").trim().includes(" "))
        expect(line.length, `${fullName(command)}: ${line}`).toBeLessThanOrEqual(most);
      expect(line, fullName(command)).toBe(line.trimEnd());
    }
  }
});

describe("words of other programs", () => {
  test.each(
    Object.entries(OTHER_WORDS).flatMap(([path, words]) =>
      Object.entries(words).map(([word, calls]) => [`${path} ${word}`.trim(), path, calls] as const),
    ),
  )("%s points to commands that are there", (_, path, calls) => {
    const program = createProgram();
    expect(path === "" ? null : namedCommand(program, path.split(" ")).unknown).toBeNull();
    for (const call of calls) expect(namedCommand(program, call.split(" ")).unknown, call).toBeNull();
  });
});

test("a line too long for the terminal is broken so that a shell still takes it", () => {
  const text = layOut([["splatctl capture ./photos --exclude '*_depth.png' --once", "what is there"]], 40);
  expect(text).toBe(
    ["  splatctl capture ./photos --exclude \\", "      '*_depth.png' --once", "      what is there"].join(
      "\n",
    ),
  );
});

/** A line as a shell splits it: quotes as they are used in examples. */
function typedWords(line: string): string[] {
  const words = line.split(/ [<>|] /)[0].match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return words
    .filter((word) => !/^[A-Z_0-9]+=/.test(word))
    .map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
}
