/** What can go on a command line at a place, by the tree of commands. Asks nobody: what others know comes from `Values`. */
import type { Argument, Command, Option } from "commander";
import { kindOfArgument, kindOfOption, type Kind, type ValueKind } from "./kinds.ts";

/** One thing to type, and what it is. */
export interface Offer {
  readonly value: string;
  readonly about: string;
}

/** All that may stand at a place. */
export interface Offers {
  readonly offers: readonly Offer[];
  /** Files that may stand there too, which shells know best: folders alone, or those that end so (empty = all). */
  readonly files: null | "folders" | readonly string[];
}

/** Values that are found on this machine. */
export type Values = (kind: ValueKind) => Promise<readonly Offer[]>;

const NOTHING: Offers = { offers: [], files: null };

/** Options that may be given more than once. */
const REPEATED = new Set(["--include", "--exclude", "--origin"]);

/** What may stand where `current` is being typed, behind `before`: the words after the program's own name. */
export async function offersFor(
  program: Command,
  before: readonly string[],
  current: string,
  values: Values,
): Promise<Offers> {
  const isHelp = before[0] === "help";
  const place = placeAfter(program, isHelp ? before.slice(1) : before);
  const { command, expected, isClosed } = place;
  if (isHelp) return starting(current, { offers: verbsOf(command), files: null });
  if (expected !== null && (mustFollow(place) || !current.startsWith("-"))) {
    const found = await ofKind(kindOfOption(command, expected), expected.argChoices, values);
    if (mustFollow(place) || isSome(found)) return starting(current, found);
  }
  if (!isClosed && current.startsWith("-")) {
    const [, flag] = /^(--[^=]+)=/.exec(current) ?? [];
    return starting(current, flag === undefined ? optionsLeft(place) : await glued(command, flag, values));
  }
  const verbs = place.operands === 0 ? verbsOf(command) : [];
  if (verbs.length > 0) return starting(current, { offers: verbs, files: null });
  const argument = argumentAt(command, place.operands);
  const found =
    argument === undefined
      ? NOTHING
      : await ofKind(kindOfArgument(command, argument), argument.argChoices, values);
  // Where only options can follow, they are what is looked for.
  return starting(current, isSome(found) || isClosed || current !== "" ? found : optionsLeft(place));
}

/** What may stand behind `--flag=`, the flag included. */
async function glued(command: Command, flag: string, values: Values): Promise<Offers> {
  const option = optionNamed(command, flag);
  if (option === undefined || !takesValue(option)) return NOTHING;
  const { offers, files } = await ofKind(kindOfOption(command, option), option.argChoices, values);
  return { offers: offers.map(({ value, about }) => ({ value: `${flag}=${value}`, about })), files };
}

interface Place {
  readonly command: Command;
  /** The option whose value comes next, or may. */
  readonly expected: Option | null;
  /** It has a value already, and takes more. */
  readonly isFed: boolean;
  /** How many arguments there are already. */
  readonly operands: number;
  /** By the names that their values go by, which `--x` and `--no-x` share. */
  readonly given: ReadonlySet<string>;
  /** Behind `--`: no options any more. */
  readonly isClosed: boolean;
}

/** Whether the next word is the option's value, whatever it looks like. */
function mustFollow({ expected, isFed }: Pick<Place, "expected" | "isFed">): boolean {
  return expected !== null && expected.required && !isFed;
}

function placeAfter(program: Command, words: readonly string[]): Place {
  let command = program;
  let expected: Option | null = null;
  let isFed = false;
  let operands = 0;
  let isClosed = false;
  const given = new Set<string>();
  for (const word of words) {
    const isFlag = word.startsWith("-") && word !== "-";
    if (expected !== null && (mustFollow({ expected, isFed }) || !isFlag)) {
      isFed = true;
      if (!expected.variadic) expected = null;
      continue;
    }
    expected = null;
    if (!isClosed && word === "--") isClosed = true;
    else if (!isClosed && isFlag) {
      const option = optionNamed(command, word.split("=")[0]);
      if (option === undefined) continue;
      if (!REPEATED.has(option.long ?? "")) given.add(option.attributeName());
      if (takesValue(option) && !word.includes("=")) [expected, isFed] = [option, false];
    } else {
      const child = operands === 0 ? command.commands.find((each) => each.name() === word) : undefined;
      if (child === undefined) operands++;
      else command = child;
    }
  }
  return { command, expected, isFed, operands, given, isClosed };
}

function optionsLeft({ command, given }: Place): Offers {
  const offers = allOptions(command)
    .filter((option) => !option.hidden && !given.has(option.attributeName()))
    .map(({ long, short, description }) => ({ value: long ?? short ?? "", about: firstWords(description) }));
  return { offers: [...offers, { value: "--help", about: "show the help of this command" }], files: null };
}

function verbsOf(command: Command): readonly Offer[] {
  const verbs = command.createHelp().visibleCommands(command);
  const offers = verbs.map((verb) => ({ value: verb.name(), about: firstWords(verb.description()) }));
  return command.parent === null
    ? [...offers, { value: "help", about: "show the help of a command" }]
    : offers;
}

async function ofKind(kind: Kind, choices: readonly string[] | undefined, values: Values): Promise<Offers> {
  if (choices !== undefined) return { offers: choices.map((value) => ({ value, about: "" })), files: null };
  if (kind === null) return NOTHING;
  if (kind === "folders") return { offers: [], files: "folders" };
  if (typeof kind !== "string") return { offers: [], files: kind };
  const offers = await values(kind);
  return { offers, files: null };
}

function starting(current: string, { offers, files }: Offers): Offers {
  return { offers: offers.filter(({ value }) => value.startsWith(current)), files };
}

function isSome({ offers, files }: Offers): boolean {
  return offers.length > 0 || files !== null;
}

function allOptions(command: Command): readonly Option[] {
  const own = command.options.filter(({ long }) => command.parent !== null || long !== undefined);
  if (command.parent === null) return own;
  return [...own, ...allOptions(command.parent).filter(({ long }) => long !== "--version")];
}

function optionNamed(command: Command, flag: string): Option | undefined {
  return allOptions(command).find(({ long, short }) => long === flag || short === flag);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

function argumentAt(command: Command, index: number): Argument | undefined {
  const { registeredArguments: all } = command;
  const last = all.at(-1);
  return index < all.length ? all[index] : last?.variadic === true ? last : undefined;
}

const MOST_ABOUT = 72;

/** As much as fits beside a list: without what is only an aside. */
function firstWords(text: string): string {
  const plain = text.split(/[;(]/)[0].trim();
  return plain.length <= MOST_ABOUT ? plain : plain.split(/: |, /)[0];
}
