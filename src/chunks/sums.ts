/**
 * SHA256SUMS beside the files of a session, as `sha256sum` writes it and `sha256sum -c` reads it: the record of what
 * was downloaded, and what `splatctl chunks verify` goes by.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { SplatError } from "../errors.ts";
import { writeDurably } from "../files/durable.ts";

/** The file's name. */
export const SUMS_NAME = "SHA256SUMS";

/** Writing the whole list after each of thousands of files would take longer than they do. */
const WRITE_EVERY_MS = 1000;

const GNU_LINE = /^(?<escape>\\?)(?<sum>[0-9a-fA-F]{64}) [ *](?<name>.+)$/;
const BSD_LINE = /^(?<escape>\\?)SHA256 \((?<name>.+)\) = (?<sum>[0-9a-fA-F]{64})$/;

/** What a list says. */
export interface SumsText {
  /** SHA-256 (hex, lower case) by name. */
  readonly sums: ReadonlyMap<string, string>;
  /** The other lines, in order: comments, and what says nothing that can be used. */
  readonly otherLines: readonly string[];
  /** How many of those are no comments. */
  readonly strangeLines: number;
}

/**
 * Read what `sha256sum` wrote: `<hex>  <name>`, `*` before the name for binary, a backslash first where one is escaped;
 * with `--tag` it is `SHA256 (<name>) = <hex>`.
 */
export function parseSums(text: string): SumsText {
  const sums = new Map<string, string>();
  const otherLines: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const { escape, sum, name } = (GNU_LINE.exec(line) ?? BSD_LINE.exec(line))?.groups ?? {};
    if (name !== undefined) sums.set(escape === "" ? name : unescaped(name), sum.toLowerCase());
    else if (line !== "") otherLines.push(line);
  }
  const strangeLines = otherLines.filter((line) => !line.startsWith("#")).length;
  return { sums, otherLines, strangeLines };
}

/** The list as text: first what is not ours in it, then the sums, sorted by name. */
export function formatSums(sums: ReadonlyMap<string, string>, otherLines: readonly string[] = []): string {
  const lines = [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, sum]) => lineOf(name, sum));
  return [...otherLines.map((line) => `${line}\n`), ...lines].join("");
}

function lineOf(name: string, sum: string): string {
  const escaped = name.replace(/[\\\n\r]/g, (character) => ESCAPES[character]);
  return `${escaped === name ? "" : "\\"}${sum}  ${escaped}\n`;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r" };

function unescaped(name: string): string {
  return name.replace(/\\([\\nr])/g, (_, character: string) =>
    character === "n" ? "\n" : character === "r" ? "\r" : "\\",
  );
}

/**
 * The list of a folder; null when there is none. Throws `bad_input` where something else has its name, and what the file
 * system throws.
 */
export async function readSums(folder: string): Promise<SumsText | null> {
  const path = join(folder, SUMS_NAME);
  try {
    // A pipe would be waited for without end.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      if (!(await file.stat()).isFile()) throw noFile(path);
      return parseSums(await file.readFile("utf8"));
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function noFile(path: string): SplatError {
  return new SplatError("bad_input", `${path} is no file`, { hint: "Move what is there away." });
}

/** The list of a folder that is being filled. Whoever uses it holds the folder's lock. */
export class SumsFile {
  readonly #folder: string;
  readonly #sums: Map<string, string>;
  readonly #otherLines: readonly string[];
  readonly #confirm: () => Promise<void>;
  #isChanged = false;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  private constructor(folder: string, there: SumsText | null, confirm: () => Promise<void>) {
    this.#folder = folder;
    this.#sums = new Map(there?.sums);
    // What a power cut made of a list is of use to nobody.
    this.#otherLines = there?.otherLines.filter((line) => !line.includes("\0")) ?? [];
    this.#confirm = confirm;
  }

  /** Go on with the list that is there. `confirm` throws when the folder is another's: nothing is written then. */
  static async open(folder: string, confirm: () => Promise<void>): Promise<SumsFile> {
    return new SumsFile(folder, await readSums(folder), confirm);
  }

  /** What the list says of a file. */
  sumOf(name: string): string | undefined {
    return this.#sums.get(name);
  }

  /** Note a file that is there and whole; written within a second, or by `write`. */
  add(name: string, sum: string): void {
    if (this.#sums.get(name) === sum) return;
    this.#sums.set(name, sum);
    this.#isChanged = true;
    // What keeps it from being written then is met again in the end.
    this.#timer ??= setTimeout(() => void this.write().catch(() => undefined), WRITE_EVERY_MS).unref();
  }

  /**
   * Write the list durably where it has changed. That syncs the folder, so the names of all files that were noted
   * survive a power cut too. Throws what `confirm` and the file system throw.
   */
  async write(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#writeNow());
    await this.#writing;
  }

  async #writeNow(): Promise<void> {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    try {
      await this.#confirm();
      const text = formatSums(this.#sums, this.#otherLines);
      await writeDurably(join(this.#folder, SUMS_NAME), [Buffer.from(text)]);
    } catch (error) {
      this.#isChanged = true;
      throw error;
    }
  }
}
