/** Room for one value between a writer that never waits and one reader: the reader finds the newest. */
export class NewestSlot<T> {
  #value: T | undefined;
  #isOver = false;
  #error: unknown;
  #wake: () => void = () => undefined;

  /** Returns whether a value that nobody took had to go for this one. */
  put(value: T): boolean {
    const isReplacing = this.#value !== undefined;
    this.#value = value;
    this.#wake();
    return isReplacing;
  }

  /** Nothing more comes: what lies there can still be taken, then `take` answers null, or throws the error. */
  end(error?: unknown): void {
    this.#isOver = true;
    this.#error = error;
    this.#wake();
  }

  /** The newest value, waited for; null when there will be none. For one reader at a time. */
  async take(): Promise<T | null> {
    while (this.#value === undefined && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const value = this.#value;
    this.#value = undefined;
    if (value !== undefined) return value;
    if (this.#error !== undefined) throw this.#error;
    return null;
  }
}

/**
 * What `run` puts into a slot of its own, as it comes; a slow reader skips. Ends when `run` does, after the signal or the
 * reader has told it to, and throws what it throws.
 */
export async function* newestFrom<T>(
  run: (slot: NewestSlot<T>, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const slot = new NewestSlot<T>();
  // Also ended when the reader goes away.
  const stop = new AbortController();
  const running = run(slot, AbortSignal.any([signal, stop.signal])).then(
    () => slot.end(),
    (error: unknown) => slot.end(error),
  );
  try {
    for (;;) {
      const value = await slot.take();
      if (value === null) return;
      yield value;
    }
  } finally {
    stop.abort();
    await running;
  }
}
