/**
 * Puts frames on a terminal's alternate screen: of each frame only the rows that changed, each at its own place, all in
 * one write that the terminal shows at once. So nothing flickers, whatever the size, and nothing is ever cleared.
 */
import { Writable } from "node:stream";

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[0m\u001b[?25h\u001b[?1049l";
/** Synchronised output: terminals that do not know it ignore it. */
const [BEGIN, END] = ["\u001b[?2026h", "\u001b[?2026l"];

/** What frames are written to, one a write. */
export class Canvas extends Writable {
  readonly #terminal: NodeJS.WriteStream;
  /** What each row of the terminal shows; null where nobody knows. */
  #shown: (string | null)[] = [];
  #isOn = false;
  /** No terminal to whoever writes here: it would write more than frames. */
  readonly isTTY = false;
  columns: number;
  readonly rows = Number.MAX_SAFE_INTEGER;

  constructor(terminal: NodeJS.WriteStream) {
    super({ decodeStrings: false });
    this.#terminal = terminal;
    this.columns = terminal.columns;
  }

  /** Take the screen. What was on it comes back at the end. */
  enter(): void {
    this.#isOn = true;
    this.#terminal.write(ENTER);
    this.resized();
  }

  /** The terminal has another size: whatever it shows now is written anew with the next frame. */
  resized(): void {
    this.columns = this.#terminal.columns;
    this.#shown = Array.from({ length: this.#terminal.rows }, () => null);
  }

  /** Give the screen back, cursor included. May be called again. */
  leave(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#terminal.write(LEAVE);
  }

  override _write(frame: string | Buffer, _encoding: string, done: () => void): void {
    if (this.#isOn) this.#paint(String(frame).split("\n"));
    done();
  }

  #paint(lines: readonly string[]): void {
    const changes = this.#shown.flatMap((shown, row) => {
      const line = lines[row] ?? "";
      if (line === shown) return [];
      this.#shown[row] = line;
      return [`\u001b[${row + 1};1H${line}\u001b[0m\u001b[K`];
    });
    if (changes.length > 0) this.#terminal.write(`${BEGIN}${changes.join("")}${END}`);
  }
}
