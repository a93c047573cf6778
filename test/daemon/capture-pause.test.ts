import { rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { Frame, Sample } from "../../src/capture/sample.ts";
import { createClient } from "../../src/api/client.ts";
import { captureFrames } from "../../src/daemon/capture-frames.ts";
import type { CaptureOptions } from "../../src/daemon/capture-options.ts";
import type { CaptureCounts } from "../../src/daemon/capture-tally.ts";
import { pastPauses } from "../../src/daemon/past-pauses.ts";
import { PauseSwitch } from "../../src/daemon/pause.ts";
import { beginStream, commentOf, mjpegCamera, part, withComment } from "../helpers/mjpeg.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(5);
}

type Source = { folder: string } | { camera: { device: string }; gate: { isOff: boolean } };

type More = Pick<CaptureOptions, "joints">;

async function capture(source: Source, more: More = {}) {
  const backend = await uploadBackend();
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const pauseSwitch = new PauseSwitch();
  let counts: CaptureCounts | null = null;
  const listener = {
    onCounts: (now: CaptureCounts) => (counts = now),
    onNote: () => undefined,
    onWarning: () => undefined,
  };
  const options: CaptureOptions = { ...source, ...more, spoolDir: await tempFolder(), pause: pauseSwitch };
  const ended = captureFrames(createClient({ url: backend.url }), options, listener, controller.signal);
  ended.catch(() => undefined);
  return { backend, pauseSwitch, ended, counts: () => counts, stop: () => controller.abort() };
}

/** Joints that are known only until they are forgotten. */
function forgetfulRelay() {
  const asked: number[] = [];
  let hasForgotten = false;
  const reading = (timeS: number) => ({ timeS, anglesRad: [1, 2, 3, 4, 5, 6] });
  return {
    asked,
    forget: () => void (hasForgotten = true),
    around(timeS: number) {
      asked.push(timeS);
      return Promise.resolve(hasForgotten ? [] : [reading(timeS - 0.01), reading(timeS + 0.01)]);
    },
  };
}

test("a folder's file gets the joints of when it came, however long the pause lasts", async () => {
  const folder = await tempFolder();
  const joints = forgetfulRelay();
  await writeFile(join(folder, "0.jpg"), await jpeg(0));
  const run = await capture({ folder }, { joints });
  await until(() => run.backend.accepted.length === 1);
  run.pauseSwitch.set(true);
  for (const n of [1, 2]) {
    await writeFile(join(folder, `${n}.jpg`), await jpeg(n));
    const { mtimeMs } = await stat(join(folder, `${n}.jpg`));
    await until(() => joints.asked.includes(mtimeMs / 1000));
  }
  expect(run.backend.attempts).toHaveLength(1);
  // Gone, and replaced by the same bytes: only the first is news.
  await rm(join(folder, "1.jpg"));
  await writeFile(join(folder, "2.jpg"), await jpeg(2));
  joints.forget();
  // Pressed thrice in one go: it is paused still, and nothing is over.
  for (const isPaused of [false, true, false]) run.pauseSwitch.set(isPaused);
  await until(() => run.backend.accepted.length === 2);
  const [, { name, meta, bytes }] = run.backend.accepted;
  expect(name).toBe("2.jpg");
  expect(bytes.equals(await jpeg(2))).toBe(true);
  expect(meta["joint_samples"]).toHaveLength(2);
  run.stop();
  expect(await run.ended).toMatchObject({ accepted: 2, unsent: 0, rejected: 0, fatal: null });
});

test("a pause that is full says so, and what came after it waits in its folder", async () => {
  const frame = (n: number): Sample<Frame> => ({
    capturedAtS: n,
    value: {
      frameId: `f${n}`,
      name: `${n}.jpg`,
      bytes: Buffer.from([n]),
      mediaType: "image/jpeg",
      version: null,
    },
  });
  let given = 0;
  async function* frames(): AsyncGenerator<Sample<Frame>> {
    while (given < 5) yield frame(++given);
  }
  const pauseSwitch = new PauseSwitch();
  pauseSwitch.set(true);
  const warnings: string[] = [];
  const parts = {
    pause: pauseSwitch,
    joints: undefined,
    most: 2,
    readAgain: (sample: Sample<Frame>) => Promise.resolve(sample),
    onWarning: (line: string) => {
      warnings.push(`${given}: ${line}`);
      setImmediate(() => pauseSwitch.set(false));
    },
  };
  const names: string[] = [];
  for await (const { value } of pastPauses(frames(), parts, new AbortController().signal))
    names.push(value.name);
  expect(names).toEqual(["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]);
  expect(warnings).toEqual([expect.stringMatching(/^2: 2 images came while paused/)]);
});

test("while paused a folder's new files wait where they are; then they are sent", async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, "1.jpg"), await jpeg(1));
  const run = await capture({ folder });
  await until(() => run.backend.accepted.length === 1);
  run.pauseSwitch.set(true);
  expect(run.counts()?.paused).toBe(true);
  await writeFile(join(folder, "2.jpg"), await jpeg(2));
  await writeFile(join(folder, "3.jpg"), await jpeg(3));
  run.pauseSwitch.set(false);
  expect(run.counts()?.paused).toBe(false);
  await until(() => run.backend.accepted.length === 3);
  run.pauseSwitch.set(true);
  await writeFile(join(folder, "4.jpg"), await jpeg(4));
  run.stop();
  expect(await run.ended).toMatchObject({ accepted: 3, unsent: 0, paused: true });
});

test("while paused a live camera's pictures are let go", async () => {
  let sent = 0;
  const picture = await jpeg(1);
  const address = await mjpegCamera(async (response) => {
    beginStream(response);
    while (!response.destroyed) {
      response.write(part(withComment(picture, String(sent++).padStart(6))));
      await pause(10);
    }
  });
  const run = await capture({ camera: { device: address }, gate: { isOff: true } });
  const numbers = (): number[] => run.backend.accepted.map(({ bytes }) => Number(commentOf(bytes)));
  await until(() => run.backend.accepted.length > 2);
  run.pauseSwitch.set(true);
  const sentBefore = sent;
  await until(() => sent > sentBefore + 50);
  run.pauseSwitch.set(false);
  const sentAfter = sent;
  await until(() => numbers().some((number) => number > sentAfter));
  run.stop();
  expect(await run.ended).toMatchObject({ fatal: null, unsent: 0 });
  // Some were under way at either end of the pause.
  const between = numbers().filter((number) => number > sentBefore && number < sentAfter);
  expect(between.length).toBeLessThan(25);
});
