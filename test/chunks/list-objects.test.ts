import { expect, test } from "vitest";
import { listFolders, listObjects } from "../../src/chunks/list-objects.ts";
import { SplatError } from "../../src/errors.ts";
import type { BucketReader, ListPage } from "../../src/remote/r2-read.ts";

const SIGNAL = new AbortController().signal;
/** A server that names the wait says that there is none to be waited for. */
const BUSY = new SplatError("refused", "busy", {
  refusal: { status: 503, code: "SlowDown", retryAfterS: 0 },
});

/** A bucket of `keys`, two of them a page, that fails at the requests `failsAt` (from 0). */
function bucketOf(keys: readonly string[], failsAt: readonly number[]) {
  const asked: (string | undefined)[] = [];
  const reader: BucketReader = {
    name: "a bucket",
    get: () => Promise.reject(new Error("nothing is read")),
    async *list(prefix, { byFolder, startAfter }) {
      const names = keys.filter((key) => key.startsWith(prefix)).map((key) => nameOf(key, prefix, byFolder));
      // As S3: keys after startAfter, a folder's own key begins it.
      const left = [...new Set(names)].filter(
        (_, i, all) => startAfter === undefined || all[i] >= startAfter,
      );
      const rest = byFolder === true ? left : left.filter((name) => name !== startAfter);
      for (let at = 0; at < rest.length || at === 0; at += 2) {
        asked.push(at === 0 ? startAfter : `page of ${startAfter}`);
        if (failsAt.includes(asked.length - 1)) throw BUSY;
        yield pageOf(rest.slice(at, at + 2));
      }
    },
    close: () => Promise.resolve(),
  };
  return { reader, asked };
}

function nameOf(key: string, prefix: string, byFolder = false): string {
  const slash = key.indexOf("/", prefix.length);
  return byFolder && slash >= 0 ? key.slice(0, slash + 1) : key;
}

function pageOf(names: readonly string[]): ListPage {
  const objects = names
    .filter((name) => !name.endsWith("/"))
    .map((key) => ({ key, sizeBytes: 1, etag: null, modifiedS: 1 }));
  return { objects, folders: names.filter((name) => name.endsWith("/")) };
}

const FLAT = ["p/a", "p/b", "p/c", "p/d", "p/e", "p/f", "q/a"];
const DEEP = ["p/0", "p/a/1", "p/a/2", "p/b/1", "p/c/1", "p/d/1", "p/e/1", "p/z"];

test("pages that came are kept when one fails; each is found once", async () => {
  const { reader, asked } = bucketOf(FLAT, [1, 2, 4]);
  const found = await listObjects(reader, "p/", SIGNAL);
  expect(found.map(({ key }) => key)).toEqual(["p/a", "p/b", "p/c", "p/d", "p/e", "p/f"]);
  expect(asked).toEqual([undefined, "page of undefined", "p/b", "p/b", "page of p/b", "p/d"]);
});

test("folders too, whatever lies beside them", async () => {
  const { reader } = bucketOf(DEEP, [1, 2, 4, 5]);
  expect(await listFolders(reader, "p/", SIGNAL)).toEqual(["p/a/", "p/b/", "p/c/", "p/d/", "p/e/"]);
});

test("a listing of which no page comes ends with what the server said", async () => {
  const { reader, asked } = bucketOf(FLAT, [1, 2, 3, 4, 5, 6, 7]);
  await expect(listObjects(reader, "p/", SIGNAL)).rejects.toThrow("busy");
  expect(asked).toHaveLength(6);
});

test("an interrupted listing ends", async () => {
  const { reader } = bucketOf(FLAT, [1]);
  const given = new AbortController();
  given.abort(new SplatError("interrupted", "interrupted"));
  await expect(listObjects(reader, "p/", given.signal)).rejects.toThrow(/busy|interrupted/);
});
