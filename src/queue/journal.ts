/**
 * What a spool remembers beside its frames: which files were taken, what the backend has accepted and holds for good,
 * and which session that was. One JSON object a line, appended as things happen and rewritten whole now and then.
 * All of it can be lost without losing or doubling a frame: then more is asked and sent again than needed.
 */
import { open, readFile, type FileHandle } from "node:fs/promises";
import { z } from "zod";
import { writeDurably } from "../files/durable.ts";

/** One state of a file. */
const fileVersionSchema = z.object({ sizeBytes: z.number(), mtimeMs: z.number() });

const lineSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("taken"),
    seq: z.int().positive(),
    frameId: z.string(),
    name: z.string(),
    /** Of the frame in the spool. */
    sizeBytes: z.int().nonnegative(),
    /** The file that it was read from; null when it came from no file. */
    file: fileVersionSchema.nullable(),
    /** It belongs to a session that the user has ended: not to be sent again. */
    isOver: z.boolean().optional(),
  }),
  z.object({ kind: z.literal("accepted"), seq: z.int().positive(), sessionId: z.string() }),
  z.object({ kind: z.literal("durable"), seq: z.int().positive() }),
  z.object({ kind: z.literal("session"), sessionId: z.string(), bootId: z.string() }),
]);

/** Something that happened to a spool. */
export type JournalLine = z.infer<typeof lineSchema>;

/** The lines of a journal in order; those that a crash or somebody else has damaged are left out. */
export async function readJournal(path: string): Promise<JournalLine[]> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").flatMap((line) => {
    try {
      return lineSchema.safeParse(JSON.parse(line)).data ?? [];
    } catch {
      return [];
    }
  });
}

/** A journal that is being written, by its only owner. Appending never fails: what it cannot write is told once. */
export class Journal {
  readonly #path: string;
  readonly #onTrouble: (error: unknown) => void;
  #file: FileHandle | null = null;
  #pending = "";
  #work: Promise<void> = Promise.resolve();
  /** The last line may be written in part: the next must not be glued to it. */
  #isTorn = false;
  #isTroubleTold = false;

  constructor(path: string, onTrouble: (error: unknown) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
  }

  /** Note a line, to be written soon. */
  append(line: JournalLine): void {
    if (this.#pending === "") this.#enqueue(() => this.#flush());
    this.#pending += `${JSON.stringify(line)}\n`;
  }

  /** Replace all that is written so far by these lines, whole or not at all. */
  rewrite(lines: readonly JournalLine[]): Promise<void> {
    this.#pending = "";
    this.#enqueue(async () => {
      await this.#file?.close();
      this.#file = null;
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
      await writeDurably(this.#path, [Buffer.from(text)]);
    });
    return this.#work;
  }

  /** Write what is noted. */
  async close(): Promise<void> {
    await this.#work;
    await this.#file?.close();
    this.#file = null;
  }

  async #flush(): Promise<void> {
    const text = this.#pending;
    this.#pending = "";
    this.#file ??= await open(this.#path, "a");
    await this.#file.appendFile(this.#isTorn ? `\n${text}` : text);
    this.#isTorn = false;
  }

  #enqueue(job: () => Promise<void>): void {
    this.#work = this.#work.then(job).catch((error: unknown) => {
      this.#isTorn = true;
      if (!this.#isTroubleTold) this.#onTrouble(error);
      this.#isTroubleTold = true;
    });
  }
}
