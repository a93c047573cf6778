import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { Look } from "../../src/queue/reconcile.ts";
import type { Spool } from "../../src/queue/spool.ts";
import { framePath } from "../../src/queue/spool-contents.ts";
import { tempFolder } from "../helpers/pictures.ts";
import { smallDisk } from "../helpers/small-disk.ts";
import { FILE, NEVER, filled, frame, open, takeAll } from "../helpers/spools.ts";

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `f${i}`);

/** The backend has frames 1…n of these names and holds the first `durable` for good. */
function look(held: readonly string[], durable: number, identity = { sessionId: "s", bootId: "b" }): Look {
  const indexById = new Map(held.map((name, i) => [`id-${name}`, i + 1]));
  return { identity, durableThrough: durable, isComplete: false, indexById };
}

/** Send everything that waits. */
function sendAll(spool: Spool): void {
  for (let next = spool.next(); next !== null; next = spool.next()) spool.accepted(next.seq, "s");
}

test("what is put in is there after a restart, in order, with its bytes and meta", async () => {
  const dir = await tempFolder();
  const first = await filled(dir, names(12));
  await first.close();
  const { spool } = await open(dir);
  expect(spool.counts).toEqual({ waiting: 12, accepted: 0, failed: 0 });
  const next = spool.next();
  expect(next?.name).toBe("f0");
  expect(next && (await spool.read(next))).toEqual(frame("f0"));
  expect(takeAll(spool)).toEqual(names(12).slice(1));
  expect(spool.takenBefore("f3")).toMatchObject({ frameId: "id-f3", version: FILE });
});

test("several put at once are sent in the order of the calls, one that fails holds up none", async () => {
  const { spool } = await open(await tempFolder());
  const stopped = AbortSignal.abort(new Error("stopped"));
  const puts = names(30).map((name, i) =>
    spool.put(frame(name, 3000 * (30 - i)), FILE, i === 7 ? stopped : NEVER),
  );
  const ended = await Promise.allSettled(puts);
  expect(ended.flatMap(({ status }, i) => (status === "rejected" ? [i] : []))).toEqual([7]);
  const left = names(30).filter((name) => name !== "f7");
  expect(takeAll(spool)).toEqual(left);
});

test("a frame is kept once, however often it comes", async () => {
  const dir = await tempFolder();
  const spool = await filled(dir, ["a"]);
  expect(await spool.put(frame("a"), FILE, NEVER)).toBe(false);
  await spool.close();
  const again = await open(dir);
  expect(await again.spool.put(frame("a"), null, NEVER)).toBe(false);
  expect(takeAll(again.spool)).toEqual(["a"]);
});

test("what a crash left half written is gone, and a frame that the journal does not name is there", async () => {
  const dir = await tempFolder();
  await (await filled(dir, ["a", "b"])).close();
  await rm(join(dir, "journal.jsonl"));
  await writeFile(`${framePath(dir, 3)}.part`, "half");
  const { spool } = await open(dir);
  expect(await readdir(join(dir, "frames"))).toEqual(["000000000001.frame", "000000000002.frame"]);
  await spool.put(frame("c"), FILE, NEVER);
  expect(takeAll(spool)).toEqual(["a", "b", "c"]);
});

test("a journal with damaged lines costs questions, no frame", async () => {
  const dir = await tempFolder();
  await (await filled(dir, names(3))).close();
  const path = join(dir, "journal.jsonl");
  const text = await readFile(path, "utf8");
  await writeFile(path, `\u0000\u0000{"kind":"taken"\n[]\n${text.slice(0, -10)}`);
  const { spool } = await open(dir);
  expect(takeAll(spool)).toEqual(names(3));
});

test("a damaged frame is set aside, and its file is read again", async () => {
  const dir = await tempFolder();
  await (await filled(dir, names(3))).close();
  await truncate(framePath(dir, 2), 30);
  const { spool } = await open(dir);
  const read = [];
  for (let next = spool.next(); next !== null; next = spool.next()) read.push(await spool.read(next));
  expect(read.map((each) => each?.frame.name)).toEqual(["f0", undefined, "f2"]);
  expect(spool.counts.failed).toBe(1);
  expect(spool.takenBefore("f1")).toBeUndefined();
  expect(spool.takenBefore("f0")).toBeDefined();
  expect(await spool.put(frame("f1"), FILE, NEVER)).toBe(true);
  expect(spool.counts.failed).toBe(0);
});

test("poison lies in failed/ with its reason, is not read again and not sent again", async () => {
  const dir = await tempFolder();
  const spool = await filled(dir, ["good", "bad"]);
  takeAll(spool);
  spool.refused(2, "bad_image: does not decode");
  spool.returned(1);
  await spool.close();
  expect((await readdir(join(dir, "failed"))).toSorted()).toEqual([
    "000000000002.frame",
    "000000000002.json",
  ]);
  const again = await open(dir);
  expect(again.spool.counts).toEqual({ waiting: 1, accepted: 0, failed: 1 });
  expect(again.spool.takenBefore("bad")).toBeDefined();
  again.spool.reconcile(look([], 0), []);
  expect(again.spool.takenBefore("bad")).toBeDefined();
});

test("what the backend holds for good goes when the run ends, the rest stays", async () => {
  const dir = await tempFolder();
  const spool = await filled(dir, names(4));
  sendAll(spool);
  spool.reconcile(look(names(4), 2), spool.sent());
  expect(spool.counts).toEqual({ waiting: 0, accepted: 2, failed: 0 });
  await spool.close();
  const again = await open(dir);
  expect(await readdir(join(dir, "frames"))).toEqual(["000000000003.frame", "000000000004.frame"]);
  expect(again.spool.counts.accepted).toBe(2);
  expect(again.spool.takenBefore("f0")).toBeDefined();
});

test("without room, what the backend holds for good goes first, the oldest before others", async () => {
  const dir = await tempFolder();
  const { spool, warnings } = await open(dir, { maxBytes: 3000 });
  for (const name of ["a", "b", "c"]) await spool.put(frame(name, 500), FILE, NEVER);
  sendAll(spool);
  spool.reconcile(look(["a", "b", "c"], 2), spool.sent());
  await spool.put(frame("d", 500), FILE, NEVER);
  await spool.put(frame("e", 500), FILE, NEVER);
  const left = await readdir(join(dir, "frames"));
  expect(left).not.toContain("000000000001.frame");
  expect(left).toContain("000000000003.frame");
  expect(takeAll(spool)).toEqual(["d", "e"]);
  expect(warnings).toEqual([]);
});

test("when nothing may go, the source waits, is told so once, and goes on when there is room", async () => {
  const dir = await tempFolder();
  const { spool, warnings } = await open(dir, { maxBytes: 2000 });
  await spool.put(frame("a", 900), FILE, NEVER);
  let isKept = false;
  const putting = spool.put(frame("b", 900), FILE, NEVER).then(() => (isKept = true));
  spool.next();
  spool.returned(1);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(isKept).toBe(false);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain("1 frames wait for the backend");
  sendAll(spool);
  spool.reconcile(look(["a"], 1), spool.sent());
  await putting;
  expect(takeAll(spool)).toEqual(["b"]);
  const stop = new AbortController();
  const waiting = spool.put(frame("c", 1500), FILE, stop.signal);
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

test("frames set aside that take all the room are said to be in the way", async () => {
  const { spool } = await open(await tempFolder(), { maxBytes: 1000 });
  await spool.put(frame("bad", 900), FILE, NEVER);
  spool.refused(1, "no");
  await expect(spool.put(frame("b", 900), FILE, NEVER)).rejects.toMatchObject({
    code: "partial",
    hint: expect.stringContaining("queue clear --failed"),
  });
});

test("a full disk is waited for, or given up when so told", async (context) => {
  const disk = await smallDisk(20_000, "injected");
  context.onTestFinished(() => disk.close());
  const ballast = join(disk.folder, "ballast");
  await writeFile(ballast, Buffer.alloc(15_000));
  const { spool, warnings } = await open(join(disk.folder, "spool"));
  const put = spool.put(frame("a", 10_000), FILE, NEVER);
  await vi.waitFor(() => expect(warnings[0]).toContain("its disk"));
  await rm(ballast);
  await put;
  expect(takeAll(spool)).toEqual(["a"]);
  await spool.close();
  const { spool: hasty } = await open(join(disk.folder, "other"), { giveUpAfterMs: 0 });
  await expect(hasty.put(frame("a", 10_000), FILE, NEVER)).rejects.toMatchObject({ code: "partial" });
});

test("a folder that cannot be used, or disappears, is a clear error", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "file"), "");
  await expect(open(join(dir, "file", "spool"))).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining("a file is in the place of a folder"),
    hint: expect.stringContaining("--spool"),
  });
  await mkdir(join(dir, "spool"));
  await writeFile(join(dir, "spool", "frames"), "");
  await expect(open(join(dir, "spool"))).rejects.toMatchObject({ code: "bad_input" });
  const gone = join(dir, "gone");
  await (await filled(gone, ["a"])).close();
  const { spool } = await open(gone);
  await rename(gone, join(dir, "away"));
  await expect(spool.put(frame("b"), FILE, NEVER)).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining("has disappeared"),
  });
  const next = spool.next();
  await expect(next && spool.read(next)).rejects.toMatchObject({ code: "bad_input" });
  await new Promise<void>((resolve) => spool.lost.addEventListener("abort", () => resolve()));
  expect(spool.lost.reason).toMatchObject({ code: "bad_input" });
});

test("a spool of a newer version is left alone", async () => {
  const dir = await tempFolder();
  await (await filled(dir, ["a"])).close();
  await writeFile(join(dir, "spool.json"), '{"version": 2, "folder": "/", "backend": "x"}');
  await expect(open(dir)).rejects.toMatchObject({ message: expect.stringContaining("newer splatctl") });
});
