/** Runs the checks of `splatctl doctor` and prints what they find as soon as it is known. */
import { paint, type Style } from "../colour.ts";
import { PROJECT_FILE, resolveConfig, resolveSurroundings, resolveTerminal } from "../config.ts";
import { checksFor } from "../doctor/all-checks.ts";
import { GROUP_NAMES, type FindingState, type GroupName, type Reported } from "../doctor/check.ts";
import type { DoctorContext } from "../doctor/context.ts";
import { describeFinding, describeGroup, describeSum, findingsJson, type Paper } from "../doctor/describe.ts";
import { discreet, privateHere } from "../doctor/discretion.ts";
import { startChecks } from "../doctor/run-checks.ts";
import { MACHINE } from "../doctor/system.ts";
import { SplatError } from "../errors.ts";
import { hiddenProgressLine, openProgressLine, type ProgressLine } from "../tui/progress-line.ts";
import type { DoctorFlags } from "./doctor.ts";
import { columnsOf } from "./terminal.ts";

const SHOW_EVERY_MS = 100;

/** Look at these groups, all of them when none is named. Returns whether nothing failed. Throws the signal's reason. */
export async function runDoctor(
  groups: readonly string[],
  flags: DoctorFlags,
  signal: AbortSignal,
): Promise<boolean> {
  const context = await contextFor(groups, flags);
  const told = privateHere();
  const { findings, pending } = startChecks(checksFor(context), context, signal);
  const printer = await openPrinter(flags.json === true, pending);
  const found: Reported[] = [];
  try {
    for await (const one of findings) {
      const finding = discreet(one, told);
      printer.print(finding, found.at(-1)?.group);
      found.push(finding);
    }
  } finally {
    printer.end();
  }
  if (flags.json === true) process.stdout.write(`${JSON.stringify(findingsJson(found))}\n`);
  else process.stdout.write(`${describeSum(found, paper())}\n`);
  return !found.some(({ state }) => state === "failed");
}

async function contextFor(groups: readonly string[], flags: DoctorFlags): Promise<DoctorContext> {
  const config = await resolveConfig(flags).catch((error: unknown) => {
    // A flag is this line's own mistake; a setting is for the checks to tell.
    if (!(error instanceof SplatError) || (error.code === "usage" && flags.url !== undefined)) throw error;
    return null;
  });
  const { places, variables } = resolveSurroundings();
  return {
    config,
    places: config ?? places,
    variables,
    projectFile: PROJECT_FILE,
    asked: {
      offline: flags.offline === true,
      wake: flags.wake === true,
      tryCameras: flags.try === true,
      fix: flags.fix === true,
    },
    groups: new Set(groups.length === 0 ? GROUP_NAMES : (groups as readonly GroupName[])),
    system: MACHINE,
  };
}

interface Printer {
  readonly print: (finding: Reported, before: GroupName | undefined) => void;
  readonly end: () => void;
}

/** Findings, and on a terminal what is still looked at. */
async function openPrinter(isJson: boolean, pending: () => readonly string[]): Promise<Printer> {
  if (isJson) return { print: () => undefined, end: () => undefined };
  const { stdout } = process;
  const line: ProgressLine = stdout.isTTY ? await openProgressLine(stdout) : hiddenProgressLine(stdout);
  const show = (): void => line.update(`looking at: ${pending().join(", ")}`);
  const timer = stdout.isTTY ? setInterval(show, SHOW_EVERY_MS) : undefined;
  show();
  return {
    print(finding, before) {
      if (finding.group !== before) line.say(describeGroup(finding.group, before === undefined, paper()));
      line.say(describeFinding(finding, paper()));
      show();
    },
    end() {
      clearInterval(timer);
      line.end();
    },
  };
}

const STYLES: Readonly<Record<FindingState | "heading", Style | null>> = {
  ok: null,
  warning: "warning",
  failed: "error",
  absent: "faint",
  skipped: "faint",
  heading: "heading",
};

function paper(): Paper {
  return {
    width: columnsOf(process.stdout) ?? null,
    isUnicode: resolveTerminal().isUnicode,
    paint(state, text) {
      const style = STYLES[state];
      return style === null ? text : paint(style, text, "stdout");
    },
  };
}
