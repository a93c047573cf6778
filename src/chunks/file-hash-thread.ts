/** The thread that hashes large files while they are written, as its owner sees it. */
import type { FileHandle } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import type { ContentHash, Digests } from "./file-hash.ts";

/** What the thread is told: hash the file up to there, and with `last` say what came of it. */
export interface HashRequest {
  readonly id: number;
  /** Descriptors are the process's, not the thread's. */
  readonly fd: number;
  readonly upTo: number;
  readonly withMd5: boolean;
  readonly step: "go on" | "last" | "drop";
}

/** What it answers to `last`, or when a file cannot be read. */
export type HashAnswer =
  | { readonly id: number; readonly digests: Digests }
  | { readonly id: number; readonly error: Error };

/** So much more is hashed at a time: a message for every piece would cost more than the thread saves. */
const STEP_BYTES = 8 * 2 ** 20;

/** Workers need compiled code; tests load this file from src/, so the built tree beside it is taken. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/chunks/file-hash-worker.js" : "./file-hash-worker.js",
  import.meta.url,
);

/** The thread. Closing it while it is at work rejects what is waited for. */
export class HashThread {
  readonly #worker = new Worker(WORKER, { name: "file hash" });
  readonly #waiting = new Map<number, PromiseWithResolvers<Digests>>();
  #nextId = 0;
  #failure: Error | null = null;

  constructor() {
    this.#worker.on("message", (answer: HashAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      if ("error" in answer) waiting?.reject(answer.error);
      else waiting?.resolve(answer.digests);
    });
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error("the thread that hashes files ended")));
  }

  /** Follow an open file. */
  follow(file: FileHandle, withMd5: boolean): ContentHash {
    const id = this.#nextId++;
    const waiting = withResolvers<Digests>();
    // Whether it failed is seen where it is waited for.
    waiting.promise.catch(() => undefined);
    this.#waiting.set(id, waiting);
    if (this.#failure !== null) waiting.reject(this.#failure);
    const tell = (upTo: number, step: HashRequest["step"]): void =>
      this.#worker.postMessage({ id, fd: file.fd, upTo, withMd5, step } satisfies HashRequest, []);
    let told = 0;
    return {
      wrote(_start, _pieces, prefixBytes) {
        if (prefixBytes - told < STEP_BYTES) return;
        told = prefixBytes;
        tell(prefixBytes, "go on");
      },
      digests: async (sizeBytes) => {
        tell(sizeBytes, "last");
        return await waiting.promise.finally(() => this.#waiting.delete(id));
      },
      drop: () => {
        if (this.#waiting.delete(id)) tell(0, "drop");
      },
    };
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
  }
}

interface PromiseWithResolvers<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: Error) => void;
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers<Value>(): PromiseWithResolvers<Value> {
  let resolve: (value: Value) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<Value>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
