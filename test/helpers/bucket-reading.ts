/** What tests of bucket readers share: a sink that keeps everything, and what an answer or a failure looks like. */
import type { RequestListener } from "node:http";
import { expect } from "vitest";
import { SplatError } from "../../src/errors.ts";
import type { BodySink, BucketReader, ObjectAnswer, ObjectQuestion } from "../../src/remote/r2-read.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { serveHttp } from "./loopback.ts";

export interface Read {
  readonly answer: ObjectAnswer;
  readonly bytes: Buffer;
}

const SIGNAL = new AbortController().signal;

/** Settings as for `startR2`, for a server elsewhere. */
export const TEST_BUCKET = {
  bucket: "splats",
  accessKeyId: "test-key",
  secretAccessKey: "test-secret",
  publicUrl: null,
};

/** Keeps what comes. */
export function collect(): BodySink & { readonly bytes: Buffer } {
  const pieces: Uint8Array[] = [];
  return {
    begin: () => undefined,
    take: (piece) => void pieces.push(piece),
    get bytes() {
      return Buffer.concat(pieces);
    },
  };
}

/** Read an object of any size. */
export async function ask(reader: BucketReader, key: string, question: ObjectQuestion = {}): Promise<Read> {
  const sink = collect();
  const answer = await reader.get(key, question, sink, SIGNAL);
  return { answer, bytes: sink.bytes };
}

/** Read an object, with keys, from a server that answers as told. */
export async function readFrom(listener: RequestListener, question: ObjectQuestion = {}): Promise<Read> {
  const server = await serveHttp(listener);
  const reader = openSignedReader({ ...TEST_BUCKET, endpoint: server.url }, { idleTimeoutMs: 5000 });
  try {
    return await ask(reader, "x", question);
  } finally {
    await reader.close();
    await server.close();
  }
}

/** The keys below `prefix`. */
export async function keysOf(reader: BucketReader, prefix = ""): Promise<string[]> {
  const keys: string[] = [];
  for await (const { objects } of reader.list(prefix, {}, SIGNAL))
    keys.push(...objects.map(({ key }) => key));
  return keys;
}

/** What `work` fails with; nothing in it tells a key or a signature. */
export async function failureOf(work: Promise<unknown>): Promise<SplatError> {
  const thrown = await work.then(
    () => null,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(SplatError);
  const error = thrown as SplatError;
  const told = `${error.message} ${error.hint} ${String(error.cause)} ${error.stack} ${JSON.stringify(error.refusal)}`;
  expect(told).not.toMatch(/test-secret|test-key|swordfish|AWS4|Signature=/);
  return error;
}
