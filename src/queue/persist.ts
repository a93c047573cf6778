/** A call repeated until the backend takes it, or there is no point any more. */
import { toSplatError, type SplatError } from "../errors.ts";
import { sleep, steadyMs } from "../time.ts";
import { judge } from "./retry.ts";

/** How a persistent call ended. */
export type Persisted<T> =
  | { readonly kind: "done"; readonly value: T }
  /** The backend will never take this one. */
  | { readonly kind: "poison"; readonly error: SplatError }
  /** It would take no other either, or patience is over. */
  | { readonly kind: "fatal"; readonly error: SplatError }
  /** The signal aborted first. */
  | { readonly kind: "stopped" };

export interface PersistOptions {
  readonly patience: Patience;
  /** Ends the waiting between attempts. */
  readonly signal: AbortSignal;
  /** Called before each wait. */
  readonly onWait: (error: SplatError, waitMs: number) => void;
  readonly random?: (() => number) | undefined;
}

/** How long a backend may go on not answering, over all calls that share it. */
export class Patience {
  readonly #giveUpAfterMs: number;
  #answeredMs = steadyMs();

  /** `giveUpAfterMs`: Infinity to wait for ever. */
  constructor(giveUpAfterMs: number) {
    this.#giveUpAfterMs = giveUpAfterMs;
  }

  /** The backend said something that shows it alive. */
  answered(): void {
    this.#answeredMs = steadyMs();
  }

  get isOver(): boolean {
    return steadyMs() - this.#answeredMs >= this.#giveUpAfterMs;
  }
}

/** Make the call until it succeeds, is judged hopeless, patience ends or the signal aborts. Never throws. */
export async function persist<T>(call: () => Promise<T>, options: PersistOptions): Promise<Persisted<T>> {
  const { patience, signal, onWait, random } = options;
  for (let attempt = 0; ; attempt++) {
    try {
      const value = await call();
      patience.answered();
      return { kind: "done", value };
    } catch (thrown) {
      const error = toSplatError(thrown);
      const verdict = judge(error, attempt, random);
      if (verdict.kind === "poison" || error.refusal?.status === 429) patience.answered();
      if (signal.aborted) return { kind: "stopped" };
      if (verdict.kind !== "retry") return { kind: verdict.kind, error };
      if (patience.isOver) return { kind: "fatal", error };
      onWait(error, verdict.waitMs);
      if (!(await waited(verdict.waitMs, signal))) return { kind: "stopped" };
    }
  }
}

async function waited(waitMs: number, signal: AbortSignal): Promise<boolean> {
  return sleep(waitMs, signal).then(
    () => true,
    () => false,
  );
}
