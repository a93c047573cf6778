/** Questions on a terminal, one after the other; what is secret is not shown while it is typed. */
import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { SplatError } from "../errors.ts";

export interface Questions {
  /**
   * The answer, without blanks around it; `usual`, shown as `shownAs`, where there is one and Enter alone was pressed.
   * Throws `interrupted`.
   */
  ask(question: string, usual?: string, shownAs?: string): Promise<string>;
  /** The same, shown nowhere: neither what is typed nor `usual`. */
  askSecret(question: string, usual?: string): Promise<string>;
  /** Leave the terminal as it was. */
  close(): void;
}

/**
 * Ask on stderr; stdin must be a terminal. One reader for all questions, so that lines pasted together are not lost.
 * Throws the signal's reason when it has aborted already.
 */
export function openQuestions(signal: AbortSignal): Questions {
  signal.throwIfAborted();
  return new TerminalQuestions(signal);
}

/** See {@link openQuestions}. */
class TerminalQuestions implements Questions {
  readonly #signal: AbortSignal;
  readonly #lines: Interface;
  readonly #early: string[] = [];
  #waiting: ((line: string | null) => void) | null = null;
  #isMuted = true;
  #isClosed = false;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    const output = new Writable({
      write: (piece: Buffer, _encoding, done) => {
        if (!this.#isMuted) process.stderr.write(piece);
        done();
      },
    });
    // Without history the arrow keys do not bring a secret back.
    this.#lines = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
    this.#lines.on("line", (line) => this.#take(line));
    // Ctrl-C, Ctrl-D, a terminal that is gone.
    this.#lines.on("close", () => {
      this.#isClosed = true;
      this.#take(null);
    });
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  async ask(question: string, usual?: string, shownAs = usual): Promise<string> {
    const prompt = usual === undefined ? `${question}: ` : `${question} [${shownAs}]: `;
    return await this.#untilAnswered(() => this.#read(prompt, true), usual);
  }

  async askSecret(question: string, usual?: string): Promise<string> {
    const kept = usual === undefined ? "" : " [Enter: the one kept]";
    process.stderr.write(`${question} (not shown)${kept}: `);
    try {
      return await this.#untilAnswered(() => this.#read("", false), usual);
    } finally {
      process.stderr.write("\n");
    }
  }

  close(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#lines.close();
  }

  readonly #onAbort = (): void => this.#lines.close();

  async #untilAnswered(read: () => Promise<string | null>, usual: string | undefined): Promise<string> {
    for (;;) {
      const line = this.#early.shift() ?? (await read());
      if (line === null) throw new SplatError("interrupted", "nothing was kept");
      if (line.trim() !== "") return line.trim();
      if (usual !== undefined) return usual;
    }
  }

  #read(prompt: string, isShown: boolean): Promise<string | null> {
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve(null);
      this.#waiting = resolve;
      this.#isMuted = !isShown;
      this.#lines.setPrompt(prompt);
      this.#lines.prompt();
    });
  }

  #take(line: string | null): void {
    // What is pasted behind an answer may be the secret that is asked for next.
    this.#isMuted = true;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) waiting(line);
    else if (line !== null) this.#early.push(line);
  }
}
