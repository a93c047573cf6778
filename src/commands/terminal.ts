/** How a command ends early, how it prints its result, and what the terminal is like. */
import { setColour } from "../colour.ts";
import { resolveTerminal } from "../config.ts";
import { SplatError } from "../errors.ts";
import type { BackendFlags } from "./flags.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** A signal that aborts with `interrupted` at the first Ctrl-C or SIGTERM; a second one ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const { signal } = controller;
  // They stay after the first: what restores a terminal's cursor ends the process when nobody else listens.
  const interrupt = (name: NodeJS.Signals): void => {
    if (!signal.aborted) return controller.abort(new SplatError("interrupted", "interrupted"));
    for (const each of SIGNALS) process.off(each, interrupt);
    process.kill(process.pid, name);
  };
  for (const each of SIGNALS) process.on(each, interrupt);
  return signal;
}

/** Print one result on stdout: the object for scripts, the text for people. */
export function printResult(flags: BackendFlags, value: object, text: string): void {
  process.stdout.write(`${flags.json === true ? JSON.stringify(value) : text}\n`);
}

/** Decide where colours are wanted, for the whole run. */
export function settleColours(): void {
  const { mayColour } = resolveTerminal();
  setColour({ stdout: mayColour(process.stdout.isTTY), stderr: mayColour(process.stderr.isTTY) });
}

/**
 * Columns that lines may take: COLUMNS, else the terminal's own; undefined where neither says, and nobody will see them as
 * lines: a pipe, a file.
 */
export function columnsOf({ isTTY, columns }: NodeJS.WriteStream): number | undefined {
  return resolveTerminal().columns ?? (isTTY && columns > 0 ? columns : undefined);
}
