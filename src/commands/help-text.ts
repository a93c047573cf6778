/** How help looks: its width, its headings, and how options say what they take and what they do when left out. */
import { Option, type Argument, type Command, type Help } from "commander";
import { always, hasColour } from "../colour.ts";
import { orList } from "./did-you-mean.ts";
import { columnsOf } from "./terminal.ts";

/** Longer lines are hard to read, however wide the terminal is. */
const MOST_COLUMNS = 100;
const LEAST_COLUMNS = 30;
/** Where nobody says: a pipe. */
const USUAL_COLUMNS = 80;
/** With less room beside the terms, what they mean goes below them. */
const LEAST_BESIDE = 34;
/** With so many options a list is hard to find anything in, unless it is grouped. */
const FEW_OPTIONS = 8;
const GENERAL = "Options:";

/** Set up the program's help; to be called before its commands are added, which take it over. */
export function configureHelp(program: Command): void {
  program
    .helpOption("-h, --help", "show this help")
    .configureOutput({
      getOutHelpWidth: () => helpColumns(process.stdout),
      getErrHelpWidth: () => helpColumns(process.stderr),
      getOutHasColors: () => hasColour("stdout"),
      getErrHasColors: () => hasColour("stderr"),
      outputError: () => undefined,
    })
    .configureHelp({
      minWidthToWrap: 20,
      showGlobalOptions: true,
      commandUsage,
      visibleCommands,
      visibleGlobalOptions,
      subcommandTerm,
      optionDescription,
      argumentDescription,
      groupItems,
      formatItem,
      styleTitle: (title) => always("heading", title === "Global Options:" ? "Everywhere:" : title),
    });
}

/** Columns that text may take. */
export function helpColumns(stream: NodeJS.WriteStream): number {
  const columns = columnsOf(stream) ?? USUAL_COLUMNS;
  return Math.max(LEAST_COLUMNS, Math.min(columns, MOST_COLUMNS));
}

/** `text` in lines of at most `columns`, broken at blanks alone, those after the first indented by `indent`. */
export function wrap(text: string, columns: number, indent: string, end = ""): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line === undefined) lines.push(word);
    else if (line.length + 1 + word.length + end.length <= columns)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(`${indent}${word}`);
  }
  return lines.join(`${end}\n`);
}

function commandUsage(this: Help, command: Command): string {
  const beside = (this.helpWidth ?? USUAL_COLUMNS) - "Usage: ".length;
  return wrap(`${fullName(command)} ${command.usage()}`, beside, "    ");
}

/** `splatctl chunks ls`. */
export function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

/** Below a command its verbs alone: that each has help goes without saying. */
function visibleCommands(this: void, command: Command): Command[] {
  return command.commands.filter((each) => each.name() !== "help" && !isHidden(each));
}

/** Commander keeps it to itself. */
function isHidden(command: Command): boolean {
  return (command as unknown as { readonly _hidden: boolean })._hidden;
}

function visibleGlobalOptions(this: void, command: Command): Option[] {
  if (command.parent === null) return [];
  const options = command.parent.parent === null ? command.parent.options : command.parent.parent.options;
  return options.filter(({ long, hidden }) => !hidden && long !== "--version");
}

function subcommandTerm(this: void, command: Command): string {
  const names = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...names].join(" ");
}

function optionDescription(this: void, option: Option): string {
  const { required, optional, defaultValue } = option;
  const takesValue = required || optional;
  return describe(option.description, option.argChoices, takesValue ? defaultValue : undefined);
}

function argumentDescription(this: void, argument: Argument): string {
  return describe(argument.description, argument.argChoices, argument.defaultValue as unknown);
}

/** The choices, and what goes where nothing is given, in one pair of brackets at the end. */
function describe(text: string, choices: readonly string[] | undefined, value: unknown): string {
  const [, about, said] = /^(.*?)\s*\(default: (.*)\)$/s.exec(text) ?? [null, text, undefined];
  // Where it takes words to say what goes, the description says it.
  const usual = said ?? (typeof value === "boolean" || value === undefined ? undefined : wordOf(value));
  const more = [
    ...(choices === undefined ? [] : [orList(choices)]),
    ...(usual === undefined ? [] : [`default: ${usual}`]),
  ];
  return more.length === 0 ? about : `${about} (${more.join("; ")})`;
}

function wordOf(value: unknown): string {
  return Array.isArray(value) ? value.join(",") : String(value);
}

/** One list of few options; of many, the general ones first. */
function groupItems<T extends Command | Option>(
  this: void,
  unsorted: T[],
  shown: T[],
  getGroup: (item: T) => string,
): Map<string, T[]> {
  const isOptions = shown[0] instanceof Option;
  const groups = new Map<string, T[]>(isOptions ? [[GENERAL, []]] : []);
  // Groups come as they were declared, options within them as they are shown.
  for (const item of isOptions ? shown : [...unsorted, ...shown]) {
    const group = isOptions && shown.length <= FEW_OPTIONS ? GENERAL : getGroup(item);
    const items = groups.get(group) ?? [];
    if (shown.includes(item) && !items.includes(item)) items.push(item);
    groups.set(group, items);
  }
  return groups;
}

/** A term and what it means, beside it or, where there is little room, below it. */
function formatItem(this: void, term: string, termWidth: number, text: string, helper: Help): string {
  const columns = helper.helpWidth ?? USUAL_COLUMNS;
  if (text === "") return `  ${term}`;
  const beside = columns - termWidth - 4;
  if (beside < LEAST_BESIDE)
    return `  ${term}\n      ${wrap(text, columns - 6, "").replaceAll("\n", "\n      ")}`;
  const padded = term.padEnd(termWidth + term.length - helper.displayWidth(term));
  return `  ${padded}  ${wrap(text, beside, "").replaceAll("\n", `\n${" ".repeat(termWidth + 4)}`)}`;
}
