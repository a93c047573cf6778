import { open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { decodeCheckpoint } from "../../src/backend/checkpoint.ts";
import { CheckpointFiles } from "../../src/backend/checkpoint-files.ts";
import type { SavedSession } from "../../src/backend/saved-session.ts";
import { Saver, type SaverDeps } from "../../src/backend/saver.ts";
import { DEFAULT_SETTINGS } from "../../src/backend/settings.ts";
import { sleep } from "../../src/time.ts";
import { untrainedState, type TrainerState } from "../../src/trainer/state.ts";
import { temporaryFolder } from "../helpers/backend-fixture.ts";
import { randomGaussians } from "../helpers/random.ts";
import { smallDisk } from "../helpers/small-disk.ts";

const SESSION: SavedSession = {
  session_id: "s",
  settings: DEFAULT_SETTINGS,
  phase: "open",
  finish_seconds: 60,
  chunk_step: 0,
  version_ceiling: 0,
  rejected_count: 0,
  psnr_train: null,
  psnr_holdout: null,
  chunks: [],
};

/** About half a megabyte. */
const GAUSSIANS = randomGaussians(3000, 0);

/** A saver into `folder` over a trainer of which only the step changes. */
async function savingTo(folder: string) {
  const trainer = { step: 0, asked: 0 };
  const warnings = new Set<string>();
  const told: string[] = [];
  const deps: SaverDeps = {
    store: {
      writeSession: () => Promise.resolve(),
      checkpoints: await CheckpointFiles.open(folder, (message) => told.push(message)),
    },
    training: {
      checkpoint: (): Promise<TrainerState | null> => {
        trainer.asked++;
        return Promise.resolve(
          trainer.step === 0 ? null : { ...untrainedState(GAUSSIANS), step: trainer.step },
        );
      },
    },
    record: () => SESSION,
    joints: () => [],
    step: () => trainer.step,
    warnings: {
      add: (message) => {
        warnings.add(message);
        told.push(message);
      },
      remove: (message) => warnings.delete(message),
    },
    everyMs: 5,
  };
  const saver = new Saver(deps);
  onTestFinished(() => saver.close());
  const names = async () => (await readdir(folder)).sort();
  const steps = async () =>
    await Promise.all(
      (await names()).map(async (name) => decodeCheckpoint(await readFile(join(folder, name))).trainer.step),
    );
  return { saver, trainer, warnings, told, names, steps };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(5);
}

it("keeps the newest two, writes none twice and none without Gaussians", async () => {
  const { saver, trainer, names, steps } = await savingTo(await temporaryFolder());
  await saver.checkpoint();
  expect(await names()).toEqual([]);
  for (const step of [1, 2, 2, 3, 4]) {
    trainer.step = step;
    await saver.checkpoint();
  }
  expect(await names()).toEqual(["checkpoint-000003.bin", "checkpoint-000004.bin"]);
  expect(await steps()).toEqual([3, 4]);
});

it("serves all who ask while one waits with that one", async () => {
  const { saver, trainer, steps } = await savingTo(await temporaryFolder());
  trainer.step = 1;
  const all = Array.from({ length: 20 }, () => saver.checkpoint());
  trainer.step = 2;
  await Promise.all(all);
  expect(trainer.asked).toBe(1);
  expect(await steps()).toEqual([2]);
});

it("goes on with the numbers of before, those set aside included, and keeps few of these", async () => {
  const folder = await temporaryFolder();
  for (const name of ["000007.bin.damaged", "000008.bin.newer", "000009.bin.damaged", "000004.bin.part"]) {
    await writeFile(join(folder, `checkpoint-${name}`), "");
  }
  const { saver, trainer, names } = await savingTo(folder);
  trainer.step = 1;
  await saver.checkpoint();
  expect(await names()).toEqual([
    "checkpoint-000008.bin.newer",
    "checkpoint-000009.bin.damaged",
    "checkpoint-000010.bin",
  ]);
});

/** Take all the room there is. */
async function fillUp(path: string): Promise<void> {
  const file = await open(path, "w");
  const piece = new Uint8Array(1 << 14);
  try {
    for (;;) await file.appendFile(piece);
  } catch {
    // Full.
  }
  await file.close();
}

it.each([undefined, "injected"] as const)(
  "survives a full disk: says so, tries again, leaves nothing torn",
  async (kind) => {
    const disk = await smallDisk(2_000_000, kind);
    onTestFinished(() => disk.close());
    console.log(`full disk: ${disk.kind}`);
    const { saver, trainer, warnings, told, names, steps } = await savingTo(disk.folder);
    trainer.step = 1;
    await saver.checkpoint();
    await fillUp(join(disk.folder, "filler"));
    trainer.step = 2;
    void saver.keepSaving();
    await until(() => warnings.size === 1);
    expect([...warnings].join()).toContain("cannot write to its data folder (ENOSPC)");
    await expect(saver.checkpoint()).rejects.toMatchObject({ refusal: { code: "storage_full" } });
    expect((await names()).filter((name) => !name.endsWith(".part"))).toEqual([
      "checkpoint-000001.bin",
      "filler",
    ]);
    trainer.step = 3;
    await rm(join(disk.folder, "filler"));
    await until(() => warnings.size === 0);
    await saver.close();
    expect(told).toHaveLength(1);
    expect(await names()).toEqual(["checkpoint-000001.bin", "checkpoint-000002.bin"]);
    // The try that found room may have taken its state just before the step rose.
    const [first, second] = await steps();
    expect(first).toBe(1);
    expect([2, 3]).toContain(second);
  },
);
