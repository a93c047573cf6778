/** A capture's pause: nothing new is taken while it lasts; what was taken goes on its way. */
import { setMaxListeners } from "node:events";

/** Somebody presses it (a key, `POST /pause`), the capture looks at it. */
export class PauseSwitch {
  /** Aborts at the end of the pause that is on; null while none is. */
  #end: AbortController | null = null;
  readonly #listeners = new Set<(isPaused: boolean) => void>();

  get isPaused(): boolean {
    return this.#end !== null;
  }

  set(isPaused: boolean): void {
    if (isPaused === this.isPaused) return;
    if (this.#end !== null) {
      this.#end.abort();
      this.#end = null;
    } else {
      this.#end = new AbortController();
      setMaxListeners(0, this.#end.signal);
    }
    for (const tell of this.#listeners) tell(isPaused);
  }

  /** Be told now, and at every change until the signal aborts. */
  tell(listener: (isPaused: boolean) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
    if (this.isPaused) listener(true);
  }

  /** Resolves when nothing is paused, or the signal aborts. */
  async whenRunning(signal: AbortSignal): Promise<void> {
    while (this.#end !== null && !signal.aborted) {
      const end = this.#end.signal;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener("abort", wake);
          end.removeEventListener("abort", wake);
          resolve();
        };
        signal.addEventListener("abort", wake);
        end.addEventListener("abort", wake);
      });
    }
  }
}
