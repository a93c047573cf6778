import type { SourceListener } from "./joint-source.ts";

/** What is wrong at present: each told when it begins, once, and on request when it is over. */
export class Conditions {
  readonly #listener: Pick<SourceListener, "onNote" | "onWarning">;
  readonly #lasting = new Set<string>();

  constructor(listener: Pick<SourceListener, "onNote" | "onWarning">) {
    this.#listener = listener;
  }

  /** `key` says which condition it is; the line may have other figures each time. */
  begin(key: string, line: string): void {
    if (this.#lasting.has(key)) return;
    this.#lasting.add(key);
    this.#listener.onWarning(line);
  }

  end(key: string, note?: string): void {
    if (this.#lasting.delete(key) && note !== undefined) this.#listener.onNote(note);
  }

  lasts(key: string): boolean {
    return this.#lasting.has(key);
  }
}
