/** Training with room for a few pictures only: the others are asked for again, in turn, and the result stays the same. */
import { describe, expect, it } from "vitest";
import type { PictureSource } from "../../src/trainer/held-pictures.ts";
import type { Pixels } from "../../src/trainer/picture.ts";
import { Trainer, type TrainerFrame, type TrainerSettings } from "../../src/trainer/train.ts";
import { drawnFrames, soloEngine } from "./scenes.ts";

const WIDTH = 40;
const HEIGHT = 30;
const PICTURE_BYTES = WIDTH * HEIGHT * 4;

const SETTINGS: TrainerSettings = {
  maxGaussians: 300,
  shDegree: 0,
  background: "random",
  seed: 7,
  live: false,
  bounds: { min: [-0.7, -0.7, -0.02], max: [0.7, 0.7, 0.4] },
  exposure: false,
  antialiased: false,
  frameBytes: 4 * PICTURE_BYTES,
};

/** Keeps frames as a disk would; those in `lost` cannot be read. */
class Archive {
  readonly asked: number[] = [];
  readonly lost = new Set<number>();
  readonly letGo: Pixels[] = [];
  #frames: ReadonlyMap<number, TrainerFrame>;
  #isPrompt: boolean;
  #waiting: number[] = [];
  trainer: Trainer | null = null;

  constructor(frames: readonly TrainerFrame[], isPrompt: boolean) {
    this.#frames = new Map(frames.map((frame) => [frame.index, frame]));
    this.#isPrompt = isPrompt;
  }

  get source(): PictureSource {
    return {
      ask: (index) => {
        this.asked.push(index);
        this.#waiting.push(index);
        if (this.#isPrompt) this.answer();
      },
      letGo: (pixels) => this.letGo.push(pixels),
    };
  }

  /** Answer the newest wish first: disks have their own order. */
  answer(): void {
    for (let index = this.#waiting.pop(); index !== undefined; index = this.#waiting.pop()) {
      const frame = this.lost.has(index) ? undefined : this.#frames.get(index);
      this.trainer?.supplyPicture(index, frame === undefined ? null : { rgba: frame.rgba, mask: frame.mask });
    }
  }
}

function archived(
  frames: readonly TrainerFrame[],
  changes: Partial<TrainerSettings> = {},
  isPrompt = true,
): { trainer: Trainer; archive: Archive } {
  const settings = { ...SETTINGS, ...changes };
  const archive = new Archive(frames, isPrompt);
  const engine = soloEngine({ gaussians: settings.maxGaussians, shCount: (settings.shDegree + 1) ** 2 });
  const trainer = new Trainer(engine, settings, () => 1000, archive.source);
  archive.trainer = trainer;
  return { trainer, archive };
}

function withoutPicture({ index, camera, holdout }: TrainerFrame) {
  return { index, camera, holdout };
}

/** Advance by so many steps, answering whatever is waited for; the frames trained on, in order. */
function advance(trainer: Trainer, archive: Archive, steps: number): { indices: number[]; waits: number } {
  const indices: number[] = [];
  let waits = 0;
  while (indices.length < steps) {
    const report = trainer.advance();
    expect(trainer.pictureBytes).toBeLessThanOrEqual(SETTINGS.frameBytes ?? 0);
    if (report === null) {
      expect(trainer.awaitsPicture).toBe(true);
      waits++;
      archive.answer();
    } else {
      indices.push(report.index);
    }
  }
  return { indices, waits };
}

function stepsOf(trainer: Trainer): number[] {
  return trainer.checkpoint().frames.map(({ steps }) => steps);
}

describe("training with room for four pictures of twelve", () => {
  const frames = drawnFrames(12, WIDTH, HEIGHT);

  it("trains all frames, about equally often, and comes to a scene nearly as good", () => {
    const { trainer, archive } = archived(frames);
    for (const frame of frames) trainer.addFrame(withoutPicture(frame));
    trainer.finish({ steps: 360 });
    advance(trainer, archive, 360);
    const steps = stepsOf(trainer);
    expect(steps.reduce((sum, value) => sum + value, 0)).toBe(360);
    expect(Math.min(...steps)).toBeGreaterThan(30 - 12);
    expect(Math.max(...steps)).toBeLessThan(30 + 12);
    // One exchange every 8 steps, but while frames have had none.
    expect(archive.asked.length).toBeLessThan(360 / 8 + 20);

    const { trainer: roomy } = archived(frames, { frameBytes: undefined });
    for (const frame of frames) roomy.addFrame(frame);
    roomy.finish({ steps: 360 });
    while (roomy.advance() !== null);
    const score = (one: Trainer): number =>
      frames.reduce((sum, frame) => sum + (one.score(frame.index, frame)?.psnr ?? NaN), 0) / frames.length;
    expect(score(trainer)).toBeGreaterThan(score(roomy) - 2);
  });

  it("looks at every frame within a few steps each", () => {
    const { trainer, archive } = archived(frames);
    for (const frame of frames) trainer.addFrame(withoutPicture(frame));
    trainer.finish({ steps: 1000 });
    const { indices } = advance(trainer, archive, 40);
    expect(new Set(indices).size).toBe(12);
    // Those read first are spread over all.
    expect(archive.asked.slice(0, 4)).toEqual([1, 4, 7, 10]);
  });

  it("does the same, bit for bit, whether pictures come at once or late", () => {
    const [prompt, late] = [true, false].map((isPrompt) => {
      const { trainer, archive } = archived(frames, {}, isPrompt);
      for (const frame of frames) trainer.addFrame(withoutPicture(frame));
      trainer.finish({ steps: 1000 });
      return { ...advance(trainer, archive, 100), state: trainer.checkpoint() };
    });
    expect(prompt.waits).toBe(0);
    expect(late.waits).toBeGreaterThan(10);
    expect(late.indices).toEqual(prompt.indices);
    expect(late.state).toEqual(prompt.state);
  });

  it("goes on from a checkpoint exactly, reading again what was held and no more", () => {
    const straight = archived(frames);
    for (const frame of frames) straight.trainer.addFrame(withoutPicture(frame));
    straight.trainer.finish({ steps: 1000 });
    advance(straight.trainer, straight.archive, 61);
    const state = structuredClone(straight.trainer.checkpoint());
    expect(state.frames.filter(({ held }) => held).length).toBe(4);

    const resumed = archived(frames, {}, false);
    for (const frame of frames) resumed.trainer.addFrame(withoutPicture(frame));
    resumed.trainer.restore(structuredClone(state));
    expect(resumed.archive.asked.length).toBe(4);
    advance(straight.trainer, straight.archive, 50);
    advance(resumed.trainer, resumed.archive, 50);
    expect(resumed.trainer.checkpoint()).toEqual(straight.trainer.checkpoint());
  });

  it("holds what arrives while live, the newest always, and lets the most trained go", () => {
    const { trainer, archive } = archived(frames, { live: true });
    for (const frame of frames) {
      trainer.addFrame(frame);
      const { indices } = advance(trainer, archive, 25);
      expect(indices).toContain(frame.index);
      expect(trainer.lacksPicture(frame.index)).toBe(false);
    }
    expect(archive.letGo.length).toBeGreaterThanOrEqual(8);
    const steps = stepsOf(trainer);
    expect(Math.min(...steps)).toBeGreaterThan(10);
    // The newest gets a fifth of the steps while it is the newest.
    advance(trainer, archive, 300);
    expect(new Set(stepsOf(trainer).map((value) => value > 25))).toEqual(new Set([true]));
  });

  it("comes to rest only when frames out of memory have had enough too", () => {
    const few = frames.slice(0, 3);
    const { trainer, archive } = archived(few, { live: true, frameBytes: 2 * PICTURE_BYTES });
    for (const frame of few) trainer.addFrame(frame);
    while (trainer.phase === "training") advance(trainer, archive, 1);
    expect(Math.min(...stepsOf(trainer))).toBe(300);
    expect(trainer.advance()).toBeNull();
    expect(trainer.awaitsPicture).toBe(false);
  });

  it("ends when told to, also while it waits for a picture", () => {
    const { trainer } = archived(frames, {}, false);
    for (const frame of frames) trainer.addFrame(withoutPicture(frame));
    trainer.finish({ steps: 200 });
    expect(trainer.advance()).toBeNull();
    expect(trainer.awaitsPicture).toBe(true);
    trainer.finish({ steps: 0 });
    expect(trainer.advance()).toBeNull();
    expect([trainer.phase, trainer.awaitsPicture]).toEqual(["done", false]);
  });

  it("goes on without a frame that cannot be read any more, and ends when none can", () => {
    const { trainer, archive } = archived(frames);
    for (const frame of frames) trainer.addFrame(withoutPicture(frame));
    for (const index of [1, 2, 6]) archive.lost.add(index);
    trainer.finish({ steps: 200 });
    const { indices } = advance(trainer, archive, 200);
    expect([...new Set(indices)].toSorted((a, b) => a - b)).toEqual([3, 4, 5, 7, 8, 9, 10, 11, 12]);
    expect(trainer.checkpoint().frames.map(({ index }) => index)).not.toContain(2);

    const hopeless = archived(frames);
    for (const frame of frames) hopeless.trainer.addFrame(withoutPicture(frame));
    for (const { index } of frames) hopeless.archive.lost.add(index);
    hopeless.trainer.finish({ steps: 200 });
    expect(hopeless.trainer.advance()).toBeNull();
    expect(hopeless.trainer.phase).toBe("done");
  });

  it("holds one picture where there is room for none", () => {
    const two = frames.slice(0, 2);
    const { trainer, archive } = archived(two, { frameBytes: 1 });
    for (const frame of two) trainer.addFrame(withoutPicture(frame));
    trainer.finish({ steps: 40 });
    let most = 0;
    while (trainer.phase !== "done") {
      trainer.advance();
      most = Math.max(most, trainer.pictureBytes);
    }
    expect(most).toBe(2 * PICTURE_BYTES);
    expect(archive.asked.length).toBeGreaterThan(1);
  });
});

describe("held-out frames", () => {
  const frames = drawnFrames(6, WIDTH, HEIGHT).map((frame) => ({ ...frame, holdout: frame.index > 3 }));

  it("are kept while there is room, go before any other, and are scored with what is given", () => {
    const { trainer, archive } = archived(frames);
    for (const frame of frames.toReversed()) trainer.addFrame(frame);
    // Three came first and one trained one beside them; two more trained ones took the place of two.
    expect(frames.filter(({ index }) => trainer.lacksPicture(index)).map(({ index }) => index)).toEqual([
      4, 5,
    ]);
    trainer.finish({ steps: 20 });
    advance(trainer, archive, 20);
    expect(trainer.score(4)).toBeNull();
    expect(trainer.score(4, frames[3])?.psnr).toBeGreaterThan(5);
    expect(trainer.meanPsnr(true)).toBe(trainer.score(4, frames[3])?.psnr);
    expect(trainer.lacksPicture(4)).toBe(true);
    trainer.supplyPicture(4, null);
    expect(trainer.holdouts()).toEqual([6, 5]);
    expect(trainer.lacksPicture(99)).toBe(false);
  });

  it("have no say in which others are held", () => {
    const run = (held: readonly TrainerFrame[]) => {
      const { trainer, archive } = archived(frames, { frameBytes: 2 * PICTURE_BYTES });
      for (const frame of frames.filter(({ holdout }) => !holdout)) trainer.addFrame(withoutPicture(frame));
      for (const frame of held) trainer.addFrame(frame);
      trainer.finish({ steps: 60 });
      return advance(trainer, archive, 60).indices;
    };
    expect(run(frames.filter(({ holdout }) => holdout))).toEqual(run([]));
  });
});

it("counts a frame's half-size picture while it has one", () => {
  const [frame] = drawnFrames(1, 128, 128);
  const { trainer, archive } = archived([frame], { frameBytes: undefined });
  trainer.addFrame(frame);
  expect(trainer.pictureBytes).toBe(1.25 * 128 * 128 * 4);
  trainer.finish({ steps: 7 });
  while (trainer.advance() !== null);
  expect(trainer.pictureBytes).toBe(128 * 128 * 4);
  expect(archive.asked).toEqual([]);
});
