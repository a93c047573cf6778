/** The files whose frames are or were in a spool, by name: what need not be read again. */
import { judgeMemory, type Change, type Look } from "./reconcile.ts";
import type { KeptFrame, TakenFile } from "./spool-contents.ts";

/** Bookkeeping in memory; the journal is the spool's. */
export class TakenFiles {
  readonly #byName: Map<string, TakenFile>;

  constructor(files: Map<string, TakenFile>) {
    this.#byName = files;
  }

  get size(): number {
    return this.#byName.size;
  }

  get byName(): ReadonlyMap<string, TakenFile> {
    return this.#byName;
  }

  /** Remember the file that a frame was read from, if it came from one. */
  take({ seq, frameId, name, sizeBytes, file }: KeptFrame): void {
    if (file !== null) this.#byName.set(name, { seq, frameId, sizeBytes, version: file, isOver: false });
  }

  /** Forget the file of a frame. Returns whether it was known. */
  forget({ name, seq }: KeptFrame): boolean {
    return this.#byName.get(name)?.seq === seq && this.#byName.delete(name);
  }

  /** Judge the files whose frames `isElsewhere` does not say to be looked after. Returns how many are forgotten. */
  judge(
    look: Look,
    context: { readonly change: Change; readonly isFirst: boolean },
    isElsewhere: (file: TakenFile) => boolean,
  ): number {
    let forgotten = 0;
    for (const [name, file] of this.#byName) {
      if (isElsewhere(file)) continue;
      const verdict = judgeMemory(file, look, context);
      if (verdict === "over") file.isOver = true;
      if (verdict !== "forget") continue;
      this.#byName.delete(name);
      forgotten++;
    }
    return forgotten;
  }
}
