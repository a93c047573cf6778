import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { livePictures, type CameraCounts } from "../../src/capture/camera-live.ts";
import type { CameraPicture, OpenPictures } from "../../src/capture/camera-picture.ts";
import { SplatError } from "../../src/errors.ts";

const picture: CameraPicture = { bytes: new Uint8Array(10), capturedAtS: 1, arrivedAtS: 1 };

function live(open: OpenPictures, limits: { startMs?: number; stallMs?: number } = {}) {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const told: string[] = [];
  let counts: CameraCounts | null = null;
  const plan = {
    name: "the camera x",
    open,
    silent: (ms: number) => new SplatError("bad_input", `silent for ${ms} ms`),
    startMs: 60_000,
    stallMs: 60_000,
    ...limits,
  };
  const listener = {
    onNote: (line: string) => told.push(line),
    onWarning: (line: string) => told.push(line),
    onCounts: (now: CameraCounts) => (counts = now),
  };
  return {
    pictures: livePictures(plan, listener, controller.signal),
    told,
    counts: () => counts,
    controller,
  };
}

/** Waits for the end of a signal. */
function silence(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

test("one that falls silent is opened again, told once; the reader notices nothing else", async () => {
  let opened = 0;
  const { pictures, told, counts } = live(
    async function* (signal) {
      opened++;
      yield picture;
      if (opened < 2) await silence(signal);
      else yield picture;
      await silence(signal);
    },
    { stallMs: 50 },
  );
  for (let n = 0; n < 3; n++) expect((await pictures.next()).done).toBe(false);
  await pictures.return(undefined);
  expect(told).toEqual(["silent for 50 ms; trying again until it is back", "the camera x is back"]);
  expect(counts()).toEqual({ received: 3, dropped: 0, restarts: 1 });
});

test("one that gives nothing at the start is an error; so is one that ends without a picture", async () => {
  const silent = live(
    async function* (signal) {
      await silence(signal);
      yield* [];
    },
    { startMs: 30 },
  );
  await expect(silent.pictures.next()).rejects.toThrow("silent for 30 ms");
  const empty = live(async function* (_signal) {
    yield* [];
  });
  await expect(empty.pictures.next()).rejects.toThrow(/stopped sending pictures/);
});

test("many deaths in a row are one trouble", async () => {
  let opened = 0;
  const { pictures, told } = live(async function* (signal) {
    opened++;
    if (opened === 2) throw new SplatError("bad_input", "gone", { cause: new Error("ENODEV") });
    yield picture;
    if (opened === 1) throw new SplatError("bad_input", "gone", { cause: new Error("ENODEV") });
    await silence(signal);
  });
  await pictures.next();
  await pictures.next();
  expect(told).toEqual(["gone (ENODEV); trying again until it is back", "the camera x is back"]);
  await pictures.return(undefined);
});

test("the end of the reader is the end of the camera", async () => {
  let isOpen = false;
  const open: OpenPictures = async function* (signal) {
    isOpen = true;
    try {
      for (;;) {
        yield picture;
        await pause(1);
        if (signal.aborted) return;
      }
    } finally {
      isOpen = false;
    }
  };
  const left = live(open);
  await left.pictures.next();
  await left.pictures.return(undefined);
  expect(isOpen).toBe(false);
  const stopped = live(open);
  await stopped.pictures.next();
  stopped.controller.abort();
  while ((await stopped.pictures.next()).done !== true);
  expect(isOpen).toBe(false);
});
