/** Questions on a terminal, one after the other; what is secret is not shown while it is typed. */
import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { explainShort, SplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import { wrap } from "./help-text.ts";
import { columnsOf } from "./terminal.ts";
import { keepSecret } from "../redact.ts";

/** One of several answers. */
export interface Choice<T extends string> {
  readonly value: T;
  /** What it means, a few words. */
  readonly label: string;
}

export interface Questions {
  /** Aborts when the one who is asked goes away, and when the signal given to `openQuestions` does. */
  readonly signal: AbortSignal;
  /**
   * The answer, without blanks around it; `usual`, shown as `shownAs`, where there is one and Enter alone was pressed.
   * Throws `interrupted`, as all of these do.
   */
  ask(question: string, usual?: string, shownAs?: string): Promise<string>;
  /** The same, shown nowhere: neither what is typed nor `usual`, which `shownAs` says in words. */
  askSecret(question: string, usual?: string, shownAs?: string): Promise<string>;
  /** Yes or no; `usual` where Enter alone was pressed. */
  askYes(question: string, usual: boolean): Promise<boolean>;
  /** One of `choices`, by its number or its value. */
  choose<T extends string>(question: string, choices: readonly Choice<T>[], usual: T): Promise<T>;
  /** What `check` makes of an answer; what it throws for is told, and `ask` called again. */
  askUntil<T>(ask: () => Promise<string>, check: (answer: string) => T | Promise<T>): Promise<T>;
  /** Leave the terminal as it was. */
  close(): void;
}

/** Longer than any answer. */
const MOST_CHARACTERS = 4096;

/**
 * Ask on stderr; stdin must be a terminal. One reader for all questions, so that lines pasted together are not lost.
 * `unchanged`: what is said when a question is left without an answer. Throws the signal's reason when it has aborted.
 */
export function openQuestions(signal: AbortSignal, unchanged = "nothing was kept"): Questions {
  signal.throwIfAborted();
  return new TerminalQuestions(signal, unchanged);
}

/** See {@link openQuestions}. */
class TerminalQuestions implements Questions {
  readonly signal: AbortSignal;
  readonly #given: AbortSignal;
  readonly #gone = new AbortController();
  readonly #unchanged: string;
  readonly #lines: Interface;
  #early: string[] = [];
  #waiting: ((line: string | null) => void) | null = null;
  #isMuted = true;
  #isClosed = false;
  /** Lines that come now came together with the last answer. */
  #isBurst = false;

  constructor(signal: AbortSignal, unchanged: string) {
    this.#given = signal;
    this.#unchanged = unchanged;
    this.signal = AbortSignal.any([signal, this.#gone.signal]);
    const output = new Writable({
      write: (piece: Buffer, _encoding, done) => {
        if (!this.#isMuted) process.stderr.write(piece);
        done();
      },
    });
    // A long question is drawn anew over all its lines.
    Object.defineProperty(output, "columns", { get: () => process.stderr.columns });
    // Without history the arrow keys do not bring a secret back.
    this.#lines = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
    this.#lines.on("line", (line) => this.#take(line));
    // Ctrl-C, Ctrl-D, a terminal that is gone.
    this.#lines.on("close", () => {
      if (!this.#isClosed) this.#gone.abort(this.#left());
      this.#isClosed = true;
      this.#take(null);
    });
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  async ask(question: string, usual?: string, shownAs = usual): Promise<string> {
    return await this.#answer(
      usual === undefined ? `${question}: ` : `${question} [${shown(shownAs)}]: `,
      usual,
    );
  }

  async askSecret(question: string, usual?: string, shownAs = "the one kept"): Promise<string> {
    const kept = usual === undefined ? "" : ` [Enter: ${shownAs}]`;
    process.stderr.write(`${question} (not shown)${kept}: `);
    try {
      const secret = await this.#untilAnswered(() => this.#early.shift() ?? this.#read("", false), usual);
      keepSecret(secret);
      return secret;
    } finally {
      process.stderr.write("\n");
    }
  }

  async askYes(question: string, usual: boolean): Promise<boolean> {
    const prompt = `${question} ${usual ? "[Y/n]" : "[y/N]"} `;
    for (;;) {
      const answer = await this.#answer(prompt, usual ? "y" : "n");
      if (/^y(es)?$/i.test(answer)) return true;
      if (/^no?$/i.test(answer)) return false;
      this.#again("Answer y or n.");
    }
  }

  async choose<T extends string>(question: string, choices: readonly Choice<T>[], usual: T): Promise<T> {
    const lines = choices.map(({ label }, index) => folded(`  ${index + 1}  ${label}`, "     "));
    process.stderr.write(`${folded(question, "  ")}${lines.join("")}`);
    const usualNumber = choices.findIndex(({ value }) => value === usual) + 1;
    for (;;) {
      const answer = (
        await this.#answer(`1 to ${choices.length} [${usualNumber}]: `, String(usualNumber))
      ).toLowerCase();
      const found = choices.find(({ value }, index) => answer === String(index + 1) || answer === value);
      if (found !== undefined) return found.value;
      this.#again(`Answer with a number from 1 to ${choices.length}.`);
    }
  }

  async askUntil<T>(ask: () => Promise<string>, check: (answer: string) => T | Promise<T>): Promise<T> {
    for (;;) {
      const answer = await ask();
      try {
        return await check(answer);
      } catch (error) {
        this.signal.throwIfAborted();
        if (!(error instanceof SplatError) || error.code === "internal") throw error;
        this.#again(explainShort(error));
      }
    }
  }

  close(): void {
    this.#given.removeEventListener("abort", this.#onAbort);
    this.#isClosed = true;
    this.#lines.close();
  }

  readonly #onAbort = (): void => this.#lines.close();

  #left(): SplatError {
    return new SplatError("interrupted", this.#unchanged);
  }

  /** What was pasted behind a wrong answer would go to the wrong questions. */
  #again(why: string): void {
    this.#early = [];
    process.stderr.write(folded(`  ${why}`, "  "));
  }

  async #answer(prompt: string, usual: string | undefined): Promise<string> {
    return await this.#untilAnswered(() => {
      const early = this.#early.shift();
      if (early === undefined) return this.#read(prompt, true);
      // What is pasted ahead is not repeated: it may be a secret in the wrong place.
      process.stderr.write(`${prompt}\n`);
      return early;
    }, usual);
  }

  async #untilAnswered(
    read: () => string | Promise<string | null>,
    usual: string | undefined,
  ): Promise<string> {
    for (;;) {
      const line = await read();
      if (line === null) throw this.#left();
      const answer = line.trim();
      if (answer.length > MOST_CHARACTERS || /\p{Cc}/u.test(answer)) {
        this.#again("That is too long, or holds signs that cannot be typed.");
      } else if (answer !== "") return answer;
      else if (usual !== undefined) return usual;
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
    if (waiting !== null) {
      this.#isBurst = true;
      setImmediate(() => (this.#isBurst = false));
      waiting(line);
      return;
    }
    // Who presses Enter while nothing is asked has not seen the question that it would answer.
    if (line !== null && (this.#isBurst || line.trim() !== "")) this.#early.push(line);
  }
}

/** A line that breaks at blanks where the terminal is narrow. */
export function folded(line: string, indent: string): string {
  const columns = columnsOf(process.stderr);
  return `${columns === undefined ? line : wrap(line, columns, indent)}\n`;
}

function shown(usual: string | undefined): string {
  return printable(usual ?? "");
}
