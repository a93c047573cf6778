/** What is asked of a bucket, for --verbose. */
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { printable } from "../printable.ts";
import type { BucketReader, ListPage } from "../remote/r2-read.ts";
import { steadyMs } from "../time.ts";

/** The reader itself, or where the log wants details one that tells of each request: what, how it went, how long. */
export function tellingReader(reader: BucketReader, log: Log): BucketReader {
  if (log.level !== "verbose") return reader;
  const begin = (what: string): ((how: string) => void) => {
    const startMs = steadyMs();
    return (how) => log.debug(`${printable(what)} ${how} after ${Math.round(steadyMs() - startMs)} ms`);
  };
  return {
    name: reader.name,
    async get(key, ...rest) {
      const tell = begin(`GET ${key}`);
      try {
        const answer = await reader.get(key, ...rest);
        tell(answer.kind);
        return answer;
      } catch (thrown) {
        tell(`failed (${messageOf(thrown)})`);
        throw thrown;
      }
    },
    async *list(prefix, ...rest): AsyncGenerator<ListPage, void, undefined> {
      const tell = begin(`LIST ${prefix}`);
      try {
        for await (const page of reader.list(prefix, ...rest)) {
          tell(`${page.objects.length} objects, ${page.folders.length} folders`);
          yield page;
        }
      } catch (thrown) {
        tell(`failed (${messageOf(thrown)})`);
        throw thrown;
      }
    },
    close: () => reader.close(),
  };
}
