/** How a command ends early, and how it prints its result. */
import { SplatError } from "../errors.ts";
import type { BackendFlags } from "./flags.ts";

/** A signal that aborts with `interrupted` at the first Ctrl-C or SIGTERM; a second one ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new SplatError("interrupted", "interrupted"));
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  return controller.signal;
}

/** Print one result on stdout: the object for scripts, the text for people. */
export function printResult(flags: BackendFlags, value: object, text: string): void {
  process.stdout.write(`${flags.json === true ? JSON.stringify(value) : text}\n`);
}
