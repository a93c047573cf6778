/** The checkpoints of one session on disk: the newest two are kept, and those that cannot be used are set aside. */
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { decodeCheckpoint, encodeCheckpoint, isNewer, type Checkpoint } from "./checkpoint.ts";
import { storageError, writeDurably } from "./durable.ts";

/** One more than needed: should the newest not be whole, the one before it is. */
const KEPT = 2;
/** For whoever wants to know what went wrong, but not without end. */
const KEPT_ASIDE = 2;

const USABLE = /^checkpoint-(\d+)\.bin$/;
const ASIDE = /^checkpoint-(\d+)\.bin\.(?:damaged|newer)$/;

/** See the top of the file; numbers only ever rise, those of files set aside included. */
export class CheckpointFiles {
  readonly #folder: string;
  readonly #warn: (message: string) => void;
  #lastNumber: number;

  private constructor(folder: string, lastNumber: number, warn: (message: string) => void) {
    this.#folder = folder;
    this.#lastNumber = lastNumber;
    this.#warn = warn;
  }

  /** Open `folder`, creating it when missing; what a killed process left half written is removed. */
  static async open(folder: string, warn: (message: string) => void): Promise<CheckpointFiles> {
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw storageError(error);
    });
    const names = await readdir(folder);
    for (const name of names.filter((each) => each.endsWith(".part"))) await rm(join(folder, name));
    const numbers = names.map((name) => numberOf(name, USABLE) ?? numberOf(name, ASIDE) ?? 0);
    return new CheckpointFiles(folder, Math.max(0, ...numbers), warn);
  }

  /** Keep `checkpoint`, then let go of those it replaces. Throws `storage_full`; then the others are still there. */
  async write(checkpoint: Checkpoint): Promise<void> {
    const number = this.#lastNumber + 1;
    const path = join(this.#folder, `checkpoint-${String(number).padStart(6, "0")}.bin`);
    await writeDurably(path, encodeCheckpoint(checkpoint));
    this.#lastNumber = number;
    await this.#prune(USABLE, KEPT);
    await this.#prune(ASIDE, KEPT_ASIDE);
  }

  /** The newest that is whole; null when there is none. Those that are not are set aside, each with a warning. */
  async newest(): Promise<Checkpoint | null> {
    const names = await this.#names(USABLE);
    for (const name of names) {
      const checkpoint = await this.#read(name);
      if (checkpoint !== null) return checkpoint;
    }
    if (names.length > 0) this.#warn("no checkpoint can be used: training starts anew from the frames");
    return null;
  }

  async #read(name: string): Promise<Checkpoint | null> {
    const path = join(this.#folder, name);
    let bytes = new Uint8Array();
    try {
      bytes = await readFile(path);
      return decodeCheckpoint(bytes);
    } catch (error) {
      const aside = `${path}.${isNewer(bytes) ? "newer" : "damaged"}`;
      await rename(path, aside);
      this.#warn(`checkpoint ${path} cannot be used: ${messageOf(error)}; set aside as ${aside}`);
      return null;
    }
  }

  async #prune(pattern: RegExp, kept: number): Promise<void> {
    for (const name of (await this.#names(pattern)).slice(kept)) {
      await rm(join(this.#folder, name), { force: true });
    }
  }

  /** Newest first. */
  async #names(pattern: RegExp): Promise<string[]> {
    const names = (await readdir(this.#folder)).filter((name) => pattern.test(name));
    return names.sort((a, b) => (numberOf(b, pattern) ?? 0) - (numberOf(a, pattern) ?? 0));
  }
}

function numberOf(name: string, pattern: RegExp): number | null {
  const match = pattern.exec(name);
  return match === null ? null : Number.parseInt(match[1], 10);
}
