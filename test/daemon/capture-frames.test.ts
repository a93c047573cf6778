import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { captureFrames } from "../../src/daemon/capture-frames.ts";
import type { FolderCapture } from "../../src/daemon/capture-options.ts";
import type { CaptureCounts } from "../../src/daemon/capture-tally.ts";
import { STATUS, answer, no } from "../api/answers.ts";
import { nobody } from "../helpers/loopback.ts";
import { jpeg, png, tempFolder } from "../helpers/pictures.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";

/** The spool lies beside the folder, and goes with it. */
function capture(url: string, options: Omit<FolderCapture, "spoolDir">) {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const notes: string[] = [];
  const warnings: string[] = [];
  let counts: CaptureCounts | undefined;
  const listener = {
    onCounts: (latest: CaptureCounts) => (counts = latest),
    onNote: (line: string) => notes.push(line),
    onWarning: (line: string) => warnings.push(line),
  };
  const ended = captureFrames(
    createClient({ url }),
    { ...options, spoolDir: join(options.folder, ".spool") },
    listener,
    controller.signal,
  );
  ended.catch(() => undefined);
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { ended, notes, warnings, until, counts: () => counts, stop: () => controller.abort() };
}

const POSE = [
  [1, 0, 0, 0.5],
  [0, 1, 0, 0],
  [0, 0, 1, 2],
  [0, 0, 0, 1],
];

async function datasetFolder(extra: object = {}): Promise<string> {
  const dir = await tempFolder();
  await mkdir(join(dir, "images"));
  for (const n of [1, 2, 3]) await writeFile(join(dir, "images", `${n}.png`), await png(n, true));
  const frame = (name: string, more: object = {}): object => ({
    file_path: name,
    transform_matrix: POSE,
    ...more,
  });
  const lens = { w: 16, h: 8, fl_x: 20, fl_y: 20, cx: 8, cy: 4 };
  const transforms = {
    ...lens,
    frames: [frame("images/1.png"), frame("images/2.png"), frame("images/later.png")],
    test_filenames: ["images/2.png"],
    ...extra,
  };
  await writeFile(join(dir, "transforms.json"), JSON.stringify(transforms));
  return dir;
}

test("a folder without poses is told so before its first frame is sent", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "1.jpg"), await jpeg());
  const seen: number[] = [];
  const backend = await uploadBackend(() => {
    seen.push(run.warnings.length);
    return false;
  });
  const run = capture(backend.url, { folder: dir, once: true });
  expect(await run.ended).toMatchObject({ accepted: 1, rejected: 0, fatal: null });
  expect(seen).toEqual([1]);
  expect(run.warnings[0]).toContain("transforms.json");
  expect(run.warnings[0]).toContain("joint angles");
});

test("with joints arriving or sidecars beside the images there is no such warning", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "1.jpg"), await jpeg());
  const backend = await uploadBackend(undefined, { ...STATUS, joints_age_s: 0.1 });
  const withJoints = capture(backend.url, { folder: dir, once: true });
  await withJoints.ended;
  expect(withJoints.warnings).toEqual([]);
  await writeFile(join(dir, "1.json"), JSON.stringify({ joint_angles: [0, 0, 0, 0, 0, 1] }));
  const posed = await uploadBackend();
  const withSidecar = capture(posed.url, { folder: dir, once: true });
  await withSidecar.ended;
  expect(withSidecar.warnings).toEqual([]);
  expect(posed.accepted[0].meta).toMatchObject({ joint_angles: [0, 0, 0, 0, 0, 1] });
});

test("a data set: lens and background first, then poses and test split; other images are skipped", async () => {
  const dir = await datasetFolder();
  const backend = await uploadBackend();
  const run = capture(backend.url, { folder: dir, once: true });
  const summary = await run.ended;
  expect(summary).toMatchObject({ accepted: 2, rejected: 1, skipped: 1, fatal: null });
  expect(summary.reasons[0]).toMatchObject({ name: "images/later.png" });
  expect(backend.scenes).toEqual([
    { camera: expect.objectContaining({ model: "PINHOLE", w: 16, fl_x: 20 }), background: "white" },
  ]);
  const metas = Object.fromEntries(backend.accepted.map(({ name, meta }) => [name, meta]));
  expect(metas["images/1.png"]).toMatchObject({ camera_to_world: POSE, holdout: false });
  expect(metas["images/2.png"]).toMatchObject({ holdout: true });
  expect(run.warnings).toEqual([]);
});

test("an image that the data set names but that is not there yet is sent when it appears", async () => {
  const dir = await datasetFolder();
  const backend = await uploadBackend();
  const run = capture(backend.url, { folder: dir });
  await run.until(() => run.counts()?.accepted === 2);
  await writeFile(join(dir, "images", "later.png"), await png(9));
  await run.until(() => run.counts()?.accepted === 3);
  run.stop();
  expect(await run.ended).toMatchObject({ accepted: 3, rejected: 0 });
  expect(backend.accepted[2]).toMatchObject({ name: "images/later.png", meta: { camera_to_world: POSE } });
});

test("frames with quite another lens are set aside, nearly the same passes", async () => {
  const frame = (name: string, more: object): object => ({
    file_path: name,
    transform_matrix: POSE,
    ...more,
  });
  const dir = await datasetFolder({
    frames: [
      frame("images/1.png", { fl_x: 20.1 }),
      frame("images/2.png", { fl_x: 40 }),
      frame("images/3.png", {}),
    ],
  });
  const backend = await uploadBackend();
  const summary = await capture(backend.url, { folder: dir, once: true }).ended;
  expect(summary).toMatchObject({ accepted: 2, rejected: 1 });
  expect(summary.reasons).toEqual([
    { name: "images/2.png", reason: expect.stringContaining("another lens") },
  ]);
});

test("a data set can be ignored", async () => {
  const dir = await datasetFolder();
  const backend = await uploadBackend();
  const options = { folder: dir, once: true, recursive: true, ignoreDataset: true };
  expect(await capture(backend.url, options).ended).toMatchObject({ accepted: 3, skipped: 0 });
  expect(backend.scenes).toEqual([]);
  expect(backend.accepted[0].meta).not.toHaveProperty("camera_to_world");
});

test("a backend that is not there yet is waited for, and that is said once", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "1.jpg"), await jpeg());
  let down = 2;
  const backend = await uploadBackend((_received, response) => {
    if (down-- <= 0) return false;
    answer(response, 503, no("unavailable"), { "retry-after": "0" });
    return true;
  });
  const run = capture(backend.url, { folder: dir, once: true });
  expect(await run.ended).toMatchObject({ accepted: 1, unsent: 0 });
  expect(run.warnings.filter((line) => line.includes("trying again"))).toHaveLength(1);
  expect(run.notes).toContain("the backend answers");
});

test("with once, a backend that never answers ends the run as unreachable; a watch goes on until interrupted", async () => {
  const dir = await tempFolder();
  const url = await nobody();
  const once = capture(url, { folder: dir, once: true, giveUpAfterS: 0.05 });
  await expect(once.ended).rejects.toMatchObject({ code: "unreachable" });
  const watching = capture(url, { folder: dir });
  await watching.until(() => watching.warnings.length > 0);
  watching.stop();
  await expect(watching.ended).rejects.toMatchObject({ code: "interrupted" });
});

test("bad input is told before the backend is asked", async () => {
  const dir = await tempFolder();
  const url = await nobody();
  await expect(capture(url, { folder: join(dir, "none") }).ended).rejects.toMatchObject({
    code: "bad_input",
  });
  await writeFile(join(dir, "transforms.json"), "{");
  await expect(capture(url, { folder: dir }).ended).rejects.toMatchObject({ code: "bad_input" });
});

test("a capture that was stopped at the other end is in the summary with what was sent", async () => {
  const dir = await tempFolder();
  for (const n of [1, 2, 3]) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  const backend = await uploadBackend(({ name }, response) => {
    if (name === "1.jpg") return false;
    answer(response, 409, no("stopped", "the capture is finished"));
    return true;
  });
  const summary = await capture(backend.url, { folder: dir, inFlight: 1 }).ended;
  expect(summary).toMatchObject({ accepted: 1, unsent: expect.any(Number) });
  expect(summary.unsent).toBeGreaterThan(0);
  expect(summary.fatal?.refusal?.code).toBe("stopped");
});

test("a second run goes on: nothing is read or sent again, what was left is sent", async () => {
  const dir = await tempFolder();
  for (const n of [1, 2, 3]) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  let isOver = true;
  const backend = await uploadBackend(({ name }, response) => {
    if (!isOver || name === "1.jpg") return false;
    answer(response, 409, no("stopped", "the capture is finished"));
    return true;
  });
  const first = await capture(backend.url, { folder: dir, once: true, inFlight: 1 }).ended;
  expect(first.fatal?.refusal?.code).toBe("stopped");
  isOver = false;
  await rm(join(dir, "2.jpg"));
  const second = await capture(backend.url, { folder: dir, once: true }).ended;
  expect(second).toMatchObject({ fatal: null, unsent: 0 });
  expect([...backend.memory.held.keys()].map((id) => id.slice(17))).toEqual(["1.jpg", "2.jpg", "3.jpg"]);
  const attempts = backend.attempts.length;
  expect(await capture(backend.url, { folder: dir, once: true }).ended).toMatchObject({
    accepted: 0,
    duplicates: 2,
  });
  expect(backend.attempts).toHaveLength(attempts);
});

test("a reset before a run sends the folder again; one during a run does not, then or later", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "1.jpg"), await jpeg(1));
  const backend = await uploadBackend();
  const reset = (session: string): void => {
    backend.memory.held.clear();
    backend.memory.sessionId = session;
  };
  await capture(backend.url, { folder: dir, once: true }).ended;
  reset("session-2");
  const watching = capture(backend.url, { folder: dir });
  await watching.until(() => watching.counts()?.accepted === 1);
  reset("session-3");
  await writeFile(join(dir, "2.jpg"), await jpeg(2));
  await watching.until(() => watching.counts()?.accepted === 2);
  watching.stop();
  await watching.ended;
  expect(watching.notes).toContainEqual(expect.stringContaining("the backend was reset"));
  const names = () => [...backend.memory.held.keys()].map((id) => id.slice(17));
  expect(names()).toEqual(["2.jpg"]);
  await capture(backend.url, { folder: dir, once: true }).ended;
  expect(names()).toEqual(["2.jpg"]);
  reset("session-4");
  await capture(backend.url, { folder: dir, once: true }).ended;
  expect(names()).toEqual(["1.jpg", "2.jpg"]);
});

test("a backend that lost everything while no capture ran gets the folder again, deleted images too if kept", async () => {
  const dir = await tempFolder();
  for (const n of [1, 2, 3]) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  const backend = await uploadBackend();
  backend.memory.durableThrough = 2;
  const first = await capture(backend.url, { folder: dir, once: true, inFlight: 1 }).ended;
  expect(first).toMatchObject({ accepted: 3, notDurable: 1 });
  await rm(join(dir, "3.jpg"));
  backend.memory.held.clear();
  backend.memory.bootId = "boot-2";
  backend.memory.sessionId = "session-2";
  const second = await capture(backend.url, { folder: dir, once: true, inFlight: 1 }).ended;
  expect(second).toMatchObject({ accepted: 2, resent: 1, fatal: null });
  expect(backend.memory.held.size).toBe(3);
});

test("a full spool holds the folder back, and loses nothing", async () => {
  const dir = await tempFolder();
  for (const n of [1, 2, 3, 4, 5]) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  let isAway = true;
  const backend = await uploadBackend((_received, response) => {
    if (isAway) answer(response, 503, no("unavailable"), { "retry-after": "0" });
    return isAway;
  });
  const run = capture(backend.url, { folder: dir, once: true, spoolMaxBytes: 1500 });
  await run.until(() => run.warnings.some((line) => line.includes("is full")));
  isAway = false;
  expect(await run.ended).toMatchObject({ accepted: 5, unsent: 0, fatal: null });
});

test("a frame brings along the joints around its shutter, unless it says itself where it was taken from", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "1.json"), JSON.stringify({ captured_at: 1000.5 }));
  await writeFile(join(dir, "1.jpg"), await jpeg(1));
  await writeFile(
    join(dir, "2.json"),
    JSON.stringify({ captured_at: 1001, joint_angles: [1, 0, 0, 0, 0, 0] }),
  );
  await writeFile(join(dir, "2.jpg"), await jpeg(2));
  const asked: number[] = [];
  const joints = {
    around: async (timeS: number) => {
      asked.push(timeS);
      return [
        { timeS: timeS - 0.1, anglesRad: [0, 0.1, 0, 0, 0, 0] },
        { timeS: timeS + 0.05, anglesRad: [0, 0.2, 0, 0, 0, 0] },
      ];
    },
  };
  const backend = await uploadBackend();
  const run = capture(backend.url, { folder: dir, once: true, joints });
  expect(await run.ended).toMatchObject({ accepted: 2, fatal: null });
  expect(asked).toEqual([1000.5]);
  const [first, second] = backend.accepted.toSorted((a, b) => a.name.localeCompare(b.name));
  expect(first.meta["joint_samples"]).toEqual([
    [1000.4, [0, 0.1, 0, 0, 0, 0]],
    [1000.55, [0, 0.2, 0, 0, 0, 0]],
  ]);
  expect(second.meta["joint_samples"]).toBeUndefined();
});

test("frames that wait for their joints still arrive in the order they came", async () => {
  const dir = await tempFolder();
  for (let n = 1; n <= 12; n++) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  let asked = 0;
  const joints = {
    // The earlier a frame, the longer it waits.
    around: async () => {
      await new Promise((resolve) => setTimeout(resolve, 60 - 5 * asked++));
      return [];
    },
  };
  const backend = await uploadBackend();
  const run = capture(backend.url, { folder: dir, once: true, inFlight: 1, joints });
  expect(await run.ended).toMatchObject({ accepted: 12 });
  expect(backend.accepted.map(({ name }) => name)).toEqual(
    Array.from({ length: 12 }, (_, i) => `${i + 1}.jpg`),
  );
});

test("frames that appear while the backend is away get the joints of their time", async () => {
  const dir = await tempFolder();
  const url = await nobody();
  const asked: number[] = [];
  const joints = {
    around: async (timeS: number) => {
      asked.push(timeS);
      return [{ timeS, anglesRad: [0, 0.1, 0, 0, 0, 0] }];
    },
  };
  const run = capture(url, { folder: dir, joints });
  await run.until(() => run.warnings.length > 0);
  await writeFile(join(dir, "1.jpg"), await jpeg(1));
  await run.until(() => asked.length > 0 && run.counts()?.unsent === 1);
});

test("a frame that waits for its joints when the capture is ended is kept with them", async () => {
  const dir = await tempFolder();
  await writeFile(join(dir, "1.jpg"), await jpeg(1));
  let isAsked = false;
  const joints = {
    around: async (timeS: number) => {
      isAsked = true;
      await new Promise((resolve) => setTimeout(resolve, 150));
      return [{ timeS, anglesRad: [0, 0.1, 0, 0, 0, 0] }];
    },
  };
  const backend = await uploadBackend();
  const run = capture(backend.url, { folder: dir, joints, relaysItself: true });
  await run.until(() => isAsked);
  run.stop();
  expect(await run.ended).toMatchObject({ accepted: 0, unsent: 1, fatal: null });
  expect(run.warnings).toEqual([]);
  const next = capture(backend.url, { folder: dir, once: true });
  expect(await next.ended).toMatchObject({ accepted: 1, unsent: 0 });
  expect(backend.accepted[0].meta["joint_samples"]).toHaveLength(1);
});
