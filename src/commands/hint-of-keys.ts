/** Whose keys they were, where a bucket refuses them. */
import type { BucketConfig } from "../config-bucket.ts";
import { SplatError } from "../errors.ts";
import type { BucketReader, ListPage } from "../remote/r2-read.ts";
import { keysHint } from "./open-bucket.ts";

/** What a bucket threw, with a hint where the keys may be those of another one. */
export function withKeysHint(thrown: unknown, settings: BucketConfig): unknown {
  const hint = keysHint(settings);
  if (hint === undefined || !(thrown instanceof SplatError)) return thrown;
  const { code, message, cause, refusal } = thrown;
  const isOfKeys = code === "not_configured" && refusal !== undefined;
  return isOfKeys ? new SplatError(code, message, { hint, cause, refusal }) : thrown;
}

/** A reader that throws with that hint. */
export function hintingReader(reader: BucketReader, settings: BucketConfig): BucketReader {
  if (keysHint(settings) === undefined) return reader;
  const rethrow = (thrown: unknown): never => {
    throw withKeysHint(thrown, settings);
  };
  return {
    name: reader.name,
    get: (...question) => reader.get(...question).catch(rethrow),
    list: (...question) => hintingPages(reader.list(...question), rethrow),
    close: () => reader.close(),
  };
}

async function* hintingPages(
  pages: AsyncIterable<ListPage>,
  rethrow: (thrown: unknown) => never,
): AsyncGenerator<ListPage, void, undefined> {
  try {
    yield* pages;
  } catch (thrown) {
    rethrow(thrown);
  }
}
