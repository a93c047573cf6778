/** Lines told while a screen is shown: they go to the screen, and stay on the terminal after it. */

/** Held until the screen is over: its newest. */
const MOST_LINES = 200;

/** A place for lines that cannot be printed now. */
export class HeldLines {
  readonly #lines: string[] = [];
  #leftOut = 0;
  #listener: ((line: string) => void) | null = null;

  say(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > MOST_LINES) {
      this.#lines.shift();
      this.#leftOut++;
    }
    this.#listener?.(line);
  }

  /** Told of each line from now on, and of those that are held already. */
  listen(listener: (line: string) => void): void {
    this.#listener = listener;
    for (const line of this.#lines) listener(line);
  }

  /** Print what was held. */
  release(stream: NodeJS.WritableStream): void {
    if (this.#leftOut > 0) stream.write(`... ${this.#leftOut} earlier lines\n`);
    for (const line of this.#lines) stream.write(`${line}\n`);
    this.#lines.length = 0;
  }
}
