/** Servers that say little of what they send: only what is surely whole gets its name. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { downloadEntries, type DownloadResult } from "../../src/chunks/download.ts";
import { planDownload } from "../../src/chunks/download-plan.ts";
import { openPublicReader } from "../../src/remote/r2-public.ts";
import { entryOf, KIB, PACE } from "../helpers/downloads.ts";
import { serveHttp } from "../helpers/loopback.ts";

const BYTES = Buffer.alloc(100 * KIB, "abcdefg");
type Answer = (asked: number, response: ServerResponse, request: IncomingMessage) => void;

async function download(answer: Answer, entries = [entryOf({ sizeBytes: BYTES.length })]) {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-lengths-"));
  let asked = 0;
  const server = await serveHttp((request, response) => answer(asked++, response, request));
  const reader = openPublicReader(server.url);
  onTestFinished(async () => {
    await reader.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const options = { folder, pace: PACE, partBytes: 40 * KIB };
  return await downloadEntries(reader, entries, options, new AbortController().signal);
}

async function expectWhole([{ error, path }]: readonly DownloadResult[]): Promise<void> {
  expect(error).toBeNull();
  expect((await readFile(path)).equals(BYTES)).toBe(true);
}

function endWithConnection(response: ServerResponse, bytes: Uint8Array): void {
  response.useChunkedEncodingByDefault = false;
  response.removeHeader("transfer-encoding");
  response.setHeader("connection", "close").end(bytes);
}

it("fails a body that is shorter than listed where only its end tells its length", async () => {
  const [{ error }] = await download((_, response) => {
    response.write(BYTES.subarray(0, 1000));
    response.end();
  });
  expect(error?.message).toMatch(/it has 1000 bytes instead of 102400/);
});

it("takes one that only its end tells the length of", async () => {
  await expectWhole(await download((_, response) => endWithConnection(response, BYTES)));
});

it("leaves nothing of a longer object behind a shorter one", async () => {
  const shorter = BYTES.subarray(0, 50 * KIB);
  const results = await download(
    (asked, response) => {
      if (asked === 0) response.write(BYTES.subarray(0, 90 * KIB), () => response.socket?.resetAndDestroy());
      else {
        response.write(shorter);
        response.end();
      }
    },
    [entryOf({ sizeBytes: shorter.length })],
  );
  expect(results[0].error).toBeNull();
  expect((await readFile(results[0].path)).equals(shorter)).toBe(true);
});

it("asks again for what a part lacks that came short", async () => {
  const results = await download((_, response, request) => {
    const [first, last] = (/bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? []).slice(1).map(Number);
    const end = Math.min(last + 1, first + 30 * KIB);
    response.writeHead(206, { etag: '"x"', "content-range": `bytes ${first}-${end - 1}/*` });
    response.end(BYTES.subarray(first, end));
  });
  await expectWhole(results);
});

it("fails the one object that is refused among others, and all that are", async () => {
  const entries = [1, 2].map((i) => entryOf({ name: `${i}.ply`, key: `${i}.ply`, sizeBytes: BYTES.length }));
  let forbidden = 0;
  const answer: Answer = (_, response, request) => {
    if (request.url === "/2.ply") response.end(BYTES);
    else response.writeHead(403, { "content-type": "text/html" }).end(`<p>no ${++forbidden}</p>`);
  };
  const results = await download(answer, entries);
  expect(results.map(({ outcome }) => outcome)).toEqual(["failed", "downloaded"]);
  // A no that is not the bucket's own is asked about once more.
  expect(forbidden).toBe(2);
  await expect(download(answer, entries.slice(0, 1))).rejects.toMatchObject({ code: "not_configured" });
});

it("plans one folder for two that differ by case alone, where that is the same", async () => {
  const entries = ["S", "s"].map((sessionId, i) => entryOf({ sessionId, name: `${i}.ply` }));
  const blind = await planDownload("/d", entries, () => Promise.resolve(true));
  expect(blind.map(({ path }) => path)).toEqual(["/d/main/S/0.ply", "/d/main/S/1.ply"].map((p) => join(p)));
  const seeing = await planDownload("/d", entries, () => Promise.resolve(false));
  expect(seeing[1].folder).toBe(join("/d/main/s"));
});
