/** The thread that hashes large files while they are being written (`file-hash.ts`). */
import { createHash, type Hash } from "node:crypto";
import { readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import type { HashAnswer, HashRequest } from "./file-hash-thread.ts";

interface Job {
  readonly sha256: Hash;
  readonly md5: Hash | null;
  at: number;
}

const jobs = new Map<number, Job>();
const buffer = Buffer.allocUnsafe(2 ** 20);

parentPort?.on("message", (request: HashRequest) => {
  try {
    serve(request);
  } catch (error) {
    jobs.delete(request.id);
    answer({ id: request.id, error: error as Error });
  }
});

function serve({ id, fd, upTo, withMd5, step }: HashRequest): void {
  if (step === "drop") {
    jobs.delete(id);
    return;
  }
  const job = jobs.get(id) ?? begin(id, withMd5);
  advance(job, fd, upTo);
  if (step === "go on") return;
  jobs.delete(id);
  answer({ id, digests: { sha256: job.sha256.digest("hex"), md5: job.md5?.digest("hex") ?? null } });
}

function begin(id: number, withMd5: boolean): Job {
  const job = { sha256: createHash("sha256"), md5: withMd5 ? createHash("md5") : null, at: 0 };
  jobs.set(id, job);
  return job;
}

function advance(job: Job, fd: number, upTo: number): void {
  while (job.at < upTo) {
    const bytesRead = readSync(fd, buffer, 0, Math.min(buffer.length, upTo - job.at), job.at);
    if (bytesRead === 0) throw new Error("a file is shorter than what was written to it");
    const piece = buffer.subarray(0, bytesRead);
    job.sha256.update(piece);
    job.md5?.update(piece);
    job.at += bytesRead;
  }
}

function answer(text: HashAnswer): void {
  parentPort?.postMessage(text, []);
}
