/** What is wrong with a command line, what was meant, and where help is. */
import { type Command, type CommanderError } from "commander";
import { SplatError } from "../errors.ts";
import { fullName } from "./help-text.ts";
import { nearest, orList, OTHER_WORDS } from "./did-you-mean.ts";

/** There is no viewer yet, and that is what these words ask for. */
const FOR_A_VIEWER = new Set(["view", "open", "render"]);

/** Have every command throw a `usage` error of ours where commander ends; `configureHelp` keeps commander's own quiet. */
export function explainUsage(program: Command): void {
  for (const command of everyCommand(program)) {
    command.exitOverride((error) => {
      // Help that was asked for, or shown because nothing was.
      if (error.exitCode === 0 || error.code === "commander.help") throw error;
      throw usageError(command, error);
    });
  }
}

/** The command and all below it. */
export function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** The command that words name, as far as they do, and the first that names none where one was wanted. */
export function namedCommand(
  program: Command,
  words: readonly string[],
): { readonly command: Command; readonly unknown: string | null } {
  let command = program;
  for (const word of words) {
    if (word === "--") break;
    if (word.startsWith("-")) continue;
    const next = childNamed(command, word);
    if (next === undefined) return { command, unknown: command.commands.length > 0 ? word : null };
    command = next;
  }
  return { command, unknown: null };
}

/** `usage`: no such command, and which one may be meant. */
export function unknownCommand(command: Command, word: string): SplatError {
  return new SplatError("usage", `unknown command '${word}'`, {
    hint: sentences(didYouMeanCommand(command, word), helpWords(command)),
  });
}

function usageError(command: Command, { code, message }: CommanderError): SplatError {
  const text = message.replace(/^error: /, "").split("\n(Did you mean")[0];
  const quoted = /'([^']*)'/.exec(text)?.[1] ?? "";
  if (code === "commander.unknownCommand") return unknownCommand(command, quoted);
  const hints: Readonly<Record<string, string | null>> = {
    "commander.unknownOption": didYouMeanOption(command, quoted),
    "commander.invalidArgument": didYouMeanChoice(command, text),
    "commander.missingArgument": `It is called as \`${fullName(command)} ${command.usage()}\`.`,
  };
  const what = code === "commander.excessArguments" ? tooMany(command) : text.replace(/\.$/, "");
  return new SplatError("usage", what, {
    hint: sentences(hints[code] ?? null, helpWords(command)),
  });
}

function tooMany(command: Command): string {
  const { length } = command.registeredArguments;
  const takes = length === 0 ? "no argument" : length === 1 ? "one argument" : `${length} arguments`;
  return `${fullName(command)} takes ${takes}, and not '${command.args[length]}' as well`;
}

function didYouMeanCommand(command: Command, word: string): string | null {
  const path = fullName(command).split(" ").slice(1).join(" ");
  const others = OTHER_WORDS[path];
  const meant = (
    others !== undefined && Object.hasOwn(others, word.toLowerCase()) ? others[word.toLowerCase()] : []
  )
    .filter((call) => namedCommand(rootOf(command), call.split(" ")).unknown === null)
    .map((call) => `splatctl ${call}`);
  if (path === "" && FOR_A_VIEWER.has(word.toLowerCase())) {
    return "There is no viewer yet: `splatctl pull -o scene.ply` fetches the scene, any splat viewer opens it.";
  }
  const names = visible(command).map((each) => each.name());
  const near = meant.length > 0 ? meant : nearest(word, names);
  if (near.length > 0) return `Did you mean ${orList(near)}?`;
  // `splatctl get chunks`, `splatctl watch`: a verb that stands below another command.
  const below = visible(command)
    .flatMap(visible)
    .filter((each) => each.name() === word)
    .map(fullName);
  return below.length > 0 ? `Did you mean ${orList(below)}?` : null;
}

function didYouMeanOption(command: Command, flag: string): string | null {
  const name = flag.split("=")[0];
  if (/^-[^-]/.test(name)) {
    if (name === "-v") return "Did you mean -V (the version) or --verbose?";
    const upper = optionsOf(command).find(({ short }) => short?.toLowerCase() === name.toLowerCase());
    return upper === undefined ? null : `Did you mean ${upper.flags}?`;
  }
  const options = optionsOf(command);
  const near = nearest(name, [
    ...options.flatMap(({ long }) => (long === undefined || long === null ? [] : [long])),
    "--help",
  ]);
  const named = namedCommand(command, command.args).command;
  if (near.length === 0 && named.options.some(({ long }) => long === name)) {
    return `${name} goes behind the command: \`${fullName(named)} ${name}\`.`;
  }
  return near.length === 0 ? null : `Did you mean ${orList(near)}?`;
}

function didYouMeanChoice(command: Command, text: string): string | null {
  const typed =
    /argument '([^']*)' is invalid/.exec(text)?.[1] ?? /value '([^']*)' is invalid/.exec(text)?.[1];
  const flags = /^option '([^']*)'/.exec(text)?.[1];
  const choices =
    optionsOf(command).find((option) => option.flags === flags)?.argChoices ??
    command.registeredArguments.find(({ argChoices }) => argChoices !== undefined)?.argChoices;
  if (typed === undefined || choices === undefined || !text.includes("Allowed choices")) return null;
  const near = nearest(typed, choices);
  return near.length === 0 ? null : `Did you mean ${orList(near)}?`;
}

function optionsOf(command: Command): Command["options"] {
  const own = command.options.filter(({ hidden }) => !hidden);
  return command.parent === null ? own : [...own, ...optionsOf(command.parent)];
}

function visible(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command);
}

function childNamed(command: Command, word: string): Command | undefined {
  return command.commands.find((each) => each.name() === word || each.aliases().includes(word));
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function helpWords(command: Command): string {
  const what = command.commands.length > 0 ? "commands" : "options and examples";
  return `\`${fullName(command)} --help\` shows its ${what}.`.replace(
    "`splatctl --help` shows its",
    "`splatctl --help` shows all",
  );
}

function sentences(...texts: readonly (string | null)[]): string {
  return texts.filter((text) => text !== null).join(" ");
}
