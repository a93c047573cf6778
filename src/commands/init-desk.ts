/** What the steps of `splatctl init` share: who is asked, what is there already, and what was found out. */
import type { Config } from "../config.ts";
import { explainShort, SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { InitFlags } from "./init.ts";
import { folded, type Questions } from "./questions.ts";

/** One thing that was tried. `note`: it is not so yet, and that is no fault. */
export interface InitCheck {
  readonly name: string;
  readonly state: "ok" | "no" | "note";
  /** One sentence without a full stop. */
  readonly says: string;
  readonly hint?: string | undefined;
}

export interface InitDesk {
  readonly flags: InitFlags;
  /** As things stand before. */
  readonly config: Config;
  /** Null where nobody is asked. */
  readonly questions: Questions | null;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** All that was told, in order. */
  readonly checks: InitCheck[];
}

/** Tell what was found out. */
export function tell({ checks, log }: InitDesk, check: InitCheck): void {
  checks.push(check);
  const hint = check.hint === undefined ? "" : `. ${check.hint}`;
  log.info(folded(`  ${check.state.padEnd(4)}  ${check.says}${hint}`, "        ").trimEnd());
}

/**
 * The flag's answer, else the one that is given to the question, asked until it can be, else what is usual. Throws what
 * `check` does of a flag or of what is usual.
 */
export async function settle<T>(
  desk: InitDesk,
  given: string | undefined,
  usual: string,
  ask: (questions: Questions) => Promise<string>,
  check: (answer: string) => T | Promise<T>,
): Promise<T> {
  const { questions } = desk;
  if (given !== undefined) return await check(given);
  if (questions === null) return await check(usual);
  return await questions.askUntil(() => ask(questions), check);
}

/** How a try ended: it is so; it is not, and kept all the same; another answer is wanted. */
export type Tried = "ok" | "anyway" | "other";

/**
 * Try an answer and tell what came of it. Where it fails somebody may mend it and try again; where nobody is asked it is
 * kept. `test` says what it found; `canOther`: no flag gave the answer, so that there can be another.
 */
export async function tryOut(
  desk: InitDesk,
  name: string,
  test: () => Promise<string>,
  canOther = true,
): Promise<Tried> {
  const { questions } = desk;
  for (;;) {
    try {
      tell(desk, { name, state: "ok", says: await test() });
      return "ok";
    } catch (error) {
      desk.signal.throwIfAborted();
      if (!(error instanceof SplatError) || error.code === "internal") throw error;
      tell(desk, { name, state: "no", says: explainShort(error) });
    }
    if (questions === null) return "anyway";
    const what = await questions.choose(
      "What now?",
      [
        { value: "anyway", label: "keep it, and mend that later" },
        { value: "again", label: "try again" },
        ...(canOther ? [{ value: "other", label: "answer otherwise" } as const] : []),
      ],
      "anyway",
    );
    if (what !== "again") return what;
  }
}
