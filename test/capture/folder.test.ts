import { getEventListeners } from "node:events";
import { appendFile, mkdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { frameNameFilter } from "../../src/capture/frame-names.ts";
import { watchFolder, type FolderOptions } from "../../src/capture/folder.ts";
import type { FileFrame, Sample } from "../../src/capture/sample.ts";
import { picture, jpeg, png, tempFolder } from "../helpers/pictures.ts";

/** A watch under way: its frames as they come, and what it told. */
function start(dir: string, options: Partial<FolderOptions> = {}) {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const rejected: [string, string][] = [];
  const warnings: string[] = [];
  const frames = watchFolder(
    dir,
    {
      accepts: frameNameFilter(),
      onRejected: (...pair) => rejected.push(pair),
      onWarning: (line) => warnings.push(line),
      timing: { truncatedAfterMs: 300, growingAfterMs: 500, folderGoneMs: 300, relistMs: 1000 },
      ...options,
    },
    controller.signal,
  );
  const next = async (): Promise<Sample<FileFrame>> => {
    const { value, done } = await frames.next();
    if (done === true) throw new Error("the watch has ended");
    return value;
  };
  const { signal } = controller;
  return { frames, next, rejected, warnings, signal, stop: () => controller.abort() };
}

async function drain(dir: string, options: Partial<FolderOptions> = {}) {
  const watch = start(dir, { once: true, ...options });
  const samples: Sample<FileFrame>[] = [];
  for await (const sample of watch.frames) samples.push(sample);
  return { samples, names: samples.map(({ value }) => value.name), rejected: watch.rejected };
}

test("once: what is there, in name order, each with its bytes", async () => {
  const dir = await tempFolder();
  for (const n of [10, 2, 1]) await writeFile(join(dir, `frame${n}.jpg`), await jpeg(n));
  await mkdir(join(dir, "sub"));
  await writeFile(join(dir, "sub", "a.png"), await png());
  const { samples, names } = await drain(dir);
  expect(names).toEqual(["frame1.jpg", "frame2.jpg", "frame10.jpg"]);
  expect(samples[1].value.bytes).toEqual(await jpeg(2));
  expect(samples[1].value.mediaType).toBe("image/jpeg");
  expect((await drain(dir, { recursive: true })).names).toContain("sub/a.png");
});

test("the same file has the same id in every run, another content another", async () => {
  const dir = await tempFolder();
  const id = async (shade: number, name: string): Promise<string> => {
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir);
    await writeFile(join(dir, name), await jpeg(shade));
    return (await drain(dir)).samples[0].value.frameId;
  };
  const first = await id(1, "a.jpg");
  expect(await id(1, "a.jpg")).toBe(first);
  expect(await id(2, "a.jpg")).not.toBe(first);
  expect(await id(1, "b.jpg")).not.toBe(first);
  expect((await id(1, `${"long".repeat(50)}.jpg`)).length).toBeLessThanOrEqual(128);
});

test("bad files are rejected once with their reason, the others are sent", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "1.jpg"), await jpeg());
  await writeFile(join(dir, "2-text.jpg"), "this is a text file, not a picture");
  await writeFile(join(dir, "3-empty.png"), "");
  await writeFile(join(dir, "4-cut.png"), (await png()).subarray(0, 60));
  await writeFile(join(dir, "5.png"), await png());
  await writeFile(join(dir, "6.jpg.part"), await jpeg());
  const { names, rejected } = await drain(dir);
  expect(names).toEqual(["1.jpg", "5.png"]);
  expect(Object.fromEntries(rejected)).toEqual({
    "2-text.jpg": "neither JPEG nor PNG by its bytes",
    "3-empty.png": "empty: zero bytes",
    "4-cut.png": "truncated: the end of the image is missing",
  });
  expect(rejected).toHaveLength(3);
});

test("new files come in order of completion; one written in pieces only when it is whole", async () => {
  const dir = await tempFolder();
  const watch = start(dir, { timing: { truncatedAfterMs: 5000 } });
  const whole = await jpeg(7);
  const first = watch.next();
  await writeFile(join(dir, "slow.jpg"), whole.subarray(0, 200));
  await writeFile(join(dir, "quick.png"), await png());
  expect((await first).value.name).toBe("quick.png");
  await appendFile(join(dir, "slow.jpg"), whole.subarray(200));
  const second = await watch.next();
  expect(second.value.name).toBe("slow.jpg");
  expect(second.value.bytes).toEqual(whole);
  expect(watch.rejected).toEqual([]);
});

test("a file that keeps growing is given up once, and taken if it becomes whole after all", async () => {
  const dir = await tempFolder();
  const path = join(dir, "grows.jpg");
  const whole = await jpeg(3);
  const watch = start(dir);
  const next = watch.next();
  await writeFile(path, whole.subarray(0, 100));
  // Zeros, so that it never happens to be whole however slow this machine is.
  while (watch.rejected.length === 0) {
    await appendFile(path, new Uint8Array(1));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(watch.rejected[0][0]).toBe("grows.jpg");
  await writeFile(path, whole);
  expect((await next).value.bytes).toEqual(whole);
  expect(watch.rejected).toHaveLength(1);
});

test("a file rewritten with other content is a new frame, one only touched is not", async () => {
  const dir = await tempFolder();
  const path = join(dir, "latest.jpg");
  await writeFile(path, await jpeg(1));
  const watch = start(dir);
  expect((await watch.next()).value.bytes).toEqual(await jpeg(1));
  const next = watch.next();
  await utimes(path, 1_600_000_000, 1_600_000_000);
  await new Promise((resolve) => setTimeout(resolve, 150));
  await writeFile(path, await jpeg(2));
  expect((await next).value.bytes).toEqual(await jpeg(2));
  const renamed = watch.next();
  await writeFile(join(dir, "latest.jpg.tmp"), await jpeg(3));
  await rename(join(dir, "latest.jpg.tmp"), path);
  expect((await renamed).value.bytes).toEqual(await jpeg(3));
});

test("a file deleted before its turn is passed over", async () => {
  const dir = await tempFolder();
  for (const n of [1, 2, 3]) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  const watch = start(dir, { once: true });
  expect((await watch.next()).value.name).toBe("1.jpg");
  await rm(join(dir, "2.jpg"));
  expect((await watch.next()).value.name).toBe("3.jpg");
  expect(await watch.frames.next()).toMatchObject({ done: true });
  expect(watch.rejected).toEqual([]);
});

test("two thousand files at once all arrive, and none is read before it is asked for", async () => {
  const parent = await tempFolder();
  const [dir, staging] = [join(parent, "frames"), join(parent, "staging")];
  await mkdir(dir);
  await mkdir(staging);
  const bytes = await jpeg(5);
  for (let i = 0; i < 2000; i++) await writeFile(join(staging, `f${i}.jpg`), bytes);
  const watch = start(dir, { recursive: true });
  const first = watch.next();
  await rename(staging, join(dir, "burst"));
  const seen = new Set([(await first).value.name]);
  const last = seen.has("burst/f1999.jpg") ? "f1998.jpg" : "f1999.jpg";
  await rm(join(dir, "burst", last));
  while (seen.size < 1999) seen.add((await watch.next()).value.name);
  expect(seen.has(`burst/${last}`)).toBe(false);
});

test("what an earlier run took is not read again while it stays as it was", async () => {
  const dir = await tempFolder();
  for (const n of [1, 2, 3]) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  const first = await drain(dir);
  const taken = new Map(first.samples.map(({ value }) => [value.name, value]));
  await writeFile(join(dir, "2.jpg"), await jpeg(20));
  await utimes(join(dir, "3.jpg"), 1_600_000_000, 1_600_000_000);
  const passed: string[] = [];
  const again = await drain(dir, {
    takenBefore: (name) => taken.get(name),
    onTakenBefore: (name) => passed.push(name),
  });
  expect(again.names).toEqual(["2.jpg"]);
  expect(passed).toEqual(["1.jpg"]);
});

test("ends quietly when the signal aborts while idle", async () => {
  const watch = start(await tempFolder());
  const next = watch.frames.next();
  watch.stop();
  expect(await next).toMatchObject({ done: true });
});

test("waiting leaves nothing behind at a signal that lives on", async () => {
  const composites = vi.spyOn(AbortSignal, "any");
  const dir = await tempFolder();
  const watch = start(dir);
  for (const n of [1, 2, 3, 4]) {
    const next = watch.next();
    await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
    await next;
    expect(getEventListeners(watch.signal, "abort")).toHaveLength(0);
  }
  expect(composites).not.toHaveBeenCalled();
});

test("a file that no event told of is found all the same", async () => {
  const dir = await tempFolder();
  let isDeaf = true;
  const watch = start(dir, { accepts: () => !isDeaf });
  const next = watch.next();
  await writeFile(join(dir, "1.jpg"), await jpeg(1));
  await new Promise((resolve) => setTimeout(resolve, 300));
  isDeaf = false;
  expect((await next).value.name).toBe("1.jpg");
});

test("a missing folder and a file in its place are clear errors", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "a.jpg"), await jpeg());
  await expect(start(join(dir, "none")).next()).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining("there is no folder"),
  });
  await expect(start(join(dir, "a.jpg")).next()).rejects.toMatchObject({
    message: expect.stringContaining("is a file, not a folder"),
  });
});

test("a folder that disappears for good is an error", async () => {
  const dir = join(await tempFolder(), "frames");
  await mkdir(dir);
  const watch = start(dir);
  const next = watch.next();
  await rm(dir, { recursive: true });
  await expect(next).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining("has disappeared"),
  });
});

test("a folder that comes back is watched again, and nothing is sent twice", async () => {
  const parent = await tempFolder();
  const dir = join(parent, "frames");
  await mkdir(dir);
  await writeFile(join(dir, "1.jpg"), await jpeg(1));
  const watch = start(dir, { timing: { folderGoneMs: 5000 } });
  await watch.next();
  const next = watch.next();
  await rename(dir, join(parent, "away"));
  await mkdir(dir);
  await writeFile(join(dir, "1.jpg"), await jpeg(1));
  await writeFile(join(dir, "2.jpg"), await jpeg(2));
  expect((await next).value.name).toBe("2.jpg");
  expect(watch.warnings).toHaveLength(1);
  const later = watch.next();
  await writeFile(join(dir, "3.jpg"), await jpeg(3));
  expect((await later).value.name).toBe("3.jpg");
});

const IDENTITY = [
  [1, 0, 0, 0],
  [0, 1, 0, 0],
  [0, 0, 1, 0],
  [0, 0, 0, 1],
];

test("a sidecar says when, where and with which joints; a broken one keeps its frame back", async () => {
  const dir = await tempFolder();
  const joints = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
  const meta = {
    captured_at: 1_700_000_000.25,
    camera_to_world: IDENTITY,
    joint_angles: joints,
    joint_samples: [[1_700_000_000, joints]],
    holdout: true,
  };
  for (const n of [1, 2, 3]) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  await writeFile(join(dir, "1.json"), JSON.stringify(meta));
  await writeFile(join(dir, "2.json"), "{ not json");
  await writeFile(join(dir, "3.json"), '{"joint_angles": [1, 2]}');
  const { samples, rejected } = await drain(dir);
  expect(samples).toHaveLength(1);
  expect(samples[0].capturedAtS).toBe(1_700_000_000.25);
  expect(samples[0].value).toMatchObject({
    cameraToWorld: IDENTITY.flat(),
    jointAngles: joints,
    jointSamples: [[1_700_000_000, joints]],
    holdout: true,
  });
  expect(rejected.map(([name]) => name)).toEqual(["2.jpg", "3.jpg"]);
  expect(rejected[0][1]).toBe("its sidecar is not JSON");
  expect(rejected[1][1]).toContain("joint_angles");
});

test("once frames have sidecars, one that comes a little later is waited for", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "1.jpg"), await jpeg(1));
  await writeFile(join(dir, "1.json"), '{"captured_at": 1}');
  const watch = start(dir, { timing: { sidecarWaitMs: 3000 } });
  await watch.next();
  const next = watch.next();
  await writeFile(join(dir, "2.jpg"), await jpeg(2));
  await new Promise((resolve) => setTimeout(resolve, 200));
  await writeFile(join(dir, "2.json"), '{"captured_at": 2}');
  expect((await next).capturedAtS).toBe(2);
});

test("without a sidecar the time is EXIF's, else the file's", async () => {
  const dir = await tempFolder();
  const exif = { DateTimeOriginal: "2024:05:06 07:08:09", SubSecTimeOriginal: "125" };
  const withZone = { ...exif, OffsetTimeOriginal: "+02:00" };
  const photo = (ifd: Record<string, string>) => picture(1).withExif({ IFD2: ifd });
  await writeFile(join(dir, "1.jpg"), await photo(withZone).jpeg().toBuffer());
  await writeFile(join(dir, "2.png"), await photo(withZone).png().toBuffer());
  await writeFile(join(dir, "3.jpg"), await photo(exif).jpeg().toBuffer());
  await writeFile(join(dir, "4.jpg"), await jpeg());
  await utimes(join(dir, "4.jpg"), 1_600_000_000, 1_600_000_000.5);
  const { samples } = await drain(dir);
  const zoned = Date.UTC(2024, 4, 6, 5, 8, 9) / 1000 + 0.125;
  const local = new Date(2024, 4, 6, 7, 8, 9).getTime() / 1000 + 0.125;
  expect(samples.map(({ capturedAtS }) => capturedAtS)).toEqual([zoned, zoned, local, 1_600_000_000.5]);
});
