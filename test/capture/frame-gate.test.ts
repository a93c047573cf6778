import sharp from "sharp";
import { expect, test } from "vitest";
import { asFrames } from "../../src/capture/camera.ts";
import type { CameraPicture } from "../../src/capture/camera-picture.ts";
import { gateFrames, type GateCounts, type GateOptions } from "../../src/capture/frame-gate.ts";
import type { Frame, Sample } from "../../src/capture/sample.ts";

const [WIDTH, HEIGHT] = [640, 480];
const FPS = 30;

interface Shot {
  /** Pixels that the camera has moved to the right. */
  readonly atPx?: number;
  readonly blurPx?: number;
  readonly gain?: number;
  /** Each number other noise of the sensor; the same, the same bytes. */
  readonly noise?: number;
  readonly bytes?: Buffer;
}

/** A wall of patches in all sizes: grey levels, [HEIGHT, WALL_WIDTH]. */
const WALL_WIDTH = 1600;
const WALL = Float32Array.from({ length: WALL_WIDTH * HEIGHT }, (_, at) => {
  const [x, y] = [at % WALL_WIDTH, Math.floor(at / WALL_WIDTH)];
  return [6, 15, 40, 110].reduce((level, size) => {
    const [column, row] = [Math.floor(x / size), Math.floor(y / size)];
    return level + (Math.abs(Math.sin(column * 12.9898 + row * 78.233 + size) * 43_758.5453) % 1) * 50 - 25;
  }, 128);
});

/** A picture of the wall, as a JPEG. */
async function shoot({ atPx = 0, blurPx = 0, gain = 1, noise = 0 }: Shot): Promise<Buffer> {
  const pixels = Buffer.alloc(WIDTH * HEIGHT);
  const moments = Math.max(1, Math.ceil(blurPx));
  const random = randomLevels(noise);
  for (let at = 0; at < pixels.length; at++) {
    const from = Math.floor(at / WIDTH) * WALL_WIDTH + (at % WIDTH) + atPx;
    let light = 0;
    for (let k = 0; k < moments; k++) light += WALL[from + k] / moments;
    pixels[at] = Math.max(0, Math.min(255, gain * light + random()));
  }
  return grey(pixels);
}

/** Plain grey, with a sensor's noise. */
async function shootPlain(noise: number): Promise<Buffer> {
  const random = randomLevels(noise);
  return grey(Buffer.from(Array.from({ length: WIDTH * HEIGHT }, () => 136 + random())));
}

function grey(pixels: Buffer): Promise<Buffer> {
  const raw = { width: WIDTH, height: HEIGHT, channels: 1 } as const;
  return sharp(pixels, { raw }).jpeg({ quality: 85 }).toBuffer();
}

/** −4…4. */
function randomLevels(seed: number): () => number {
  let state = 1 + seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return (state / 2_147_483_648 - 0.5) * 8;
  };
}

interface Gated {
  /** Indexes of the shots that passed. */
  readonly passed: readonly number[];
  readonly counts: GateCounts | null;
  readonly warnings: readonly string[];
}

async function gate(
  shots: readonly Shot[],
  options: GateOptions = {},
  poses?: (timeS: number) => number[],
): Promise<Gated> {
  const passed: number[] = [];
  const warnings: string[] = [];
  let counts: GateCounts | null = null;
  const parts = {
    cameraAt: async (timeS: number) => poses?.(timeS) ?? null,
    onCounts: (now: GateCounts) => (counts = now),
    onWarning: (line: string) => warnings.push(line),
  };
  for await (const { value } of gateFrames(video(shots), options, parts, new AbortController().signal)) {
    passed.push(Number(value.name));
  }
  return { passed, counts, warnings };
}

async function* video(shots: readonly Shot[]): AsyncGenerator<Sample<Frame>> {
  for (const [i, shot] of shots.entries()) yield sampleOf(i, shot.bytes ?? (await shoot(shot)));
}

function sampleOf(i: number, bytes: Buffer): Sample<Frame> {
  const version = { sizeBytes: bytes.length, mtimeMs: 0 };
  const value = { frameId: `f${i}`, name: String(i), bytes, mediaType: "image/jpeg", version } as const;
  return { capturedAtS: 1_780_000_000 + i / FPS, value };
}

/** Moving on by so many pixels from one picture to the next. */
function moving(count: number, stepPx: number): Shot[] {
  return Array.from({ length: count }, (_, i) => ({ atPx: stepPx * i, noise: i }));
}

/** At most 1000 a second: each picture is judged by itself. */
const EACH = { maxFps: 1000 };

test("of a camera that moves, some pictures a second pass; they add up", async () => {
  const { passed, counts } = await gate(moving(45, 8));
  expect(passed[0]).toBe(0);
  expect(passed.length).toBeGreaterThanOrEqual(6);
  expect(passed.length).toBeLessThanOrEqual(9);
  expect(counts).toMatchObject({
    seen: 45,
    kept: passed.length,
    blurred: 0,
    exposure: 0,
    duplicate: 0,
    damaged: 0,
  });
  expect(counts).toMatchObject({ surplus: 45 - passed.length - (counts?.still ?? 0) });
});

test("blurred, dark, bright and repeated pictures are left out, each counted as what it is", async () => {
  const shots = moving(16, 20);
  shots[5] = { atPx: 100, blurPx: 12, noise: 5 };
  shots[6] = { atPx: 120, blurPx: 20, noise: 6 };
  shots[9] = { atPx: 180, gain: 0.02 };
  shots[11] = { atPx: 220, gain: 6 };
  shots[13] = { ...shots[12] };
  const { passed, counts } = await gate(shots, EACH);
  expect(counts).toMatchObject({ seen: 16, blurred: 2, exposure: 2, duplicate: 1, surplus: 0 });
  for (const bad of [5, 6, 9, 11, 13]) expect(passed).not.toContain(bad);
  expect(passed).toContain(15);
});

test("a camera at rest gives one picture, though its noise is never the same", async () => {
  const { passed, counts } = await gate(moving(20, 0), EACH);
  expect(passed).toEqual([0]);
  expect(counts).toMatchObject({ still: 19, duplicate: 0 });
});

test("before a bare wall the joints tell that the camera moves", async () => {
  const walls = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => ({ bytes: await shootPlain(i) })),
  );
  const resting = await gate(walls, EACH);
  expect(resting.passed).toEqual([0]);
  const travelling = await gate(walls, EACH, (timeS) => {
    const x = (timeS - 1_780_000_000) * 0.15;
    return [1, 0, 0, x, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  });
  expect(travelling.passed).toEqual([0, 2, 4, 6, 8]);
});

test("of a stretch of time the sharpest picture passes, and a sharp one does not wait", async () => {
  const shots = moving(18, 8);
  // In the stretch that begins with the seventh, only the ninth is as sharp as those before.
  for (const i of [6, 7, 9, 10, 11]) shots[i] = { ...shots[i], blurPx: 3 };
  const { passed } = await gate(shots);
  expect(passed.some((i) => [6, 7, 9, 10, 11].includes(i))).toBe(false);
  expect(passed.length).toBeGreaterThanOrEqual(3);
});

test("a clock that is set back does not end a video", async () => {
  const shots = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => shoot({ atPx: 20 * i, noise: i })));
  async function* pictures(): AsyncGenerator<CameraPicture> {
    for (const [i, bytes] of shots.entries()) {
      const capturedAtS = 1_780_000_000 + i - (i < 3 ? 0 : 3600);
      yield { bytes, capturedAtS, arrivedAtS: capturedAtS };
    }
  }
  const parts = { cameraAt: async () => null, onCounts: () => undefined, onWarning: () => undefined };
  const times: number[] = [];
  const frames = asFrames(pictures(), { identity: "cam", delayMs: 0 });
  for await (const { capturedAtS } of gateFrames(frames, {}, parts, new AbortController().signal)) {
    times.push(capturedAtS - 1_780_000_000);
  }
  expect(times).toEqual([0, 1, 2, -3597, -3596, -3595]);
});

test("every and maxFps without the gate: any picture passes, none is decoded", async () => {
  const nothing = moving(30, 0).map(() => ({ bytes: Buffer.from("no picture") }));
  const all = await gate(nothing, { isOff: true });
  expect(all.passed).toHaveLength(30);
  const third = await gate(nothing, { isOff: true, every: 3 });
  expect(third.passed).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
  const slow = await gate(nothing, { isOff: true, maxFps: 10 });
  expect(slow.passed).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
  expect(slow.counts).toMatchObject({ seen: 30, kept: 10, surplus: 20 });
});

test("what does not decode is counted and left out, and said once", async () => {
  const shots: Shot[] = moving(12, 20);
  const whole = await shoot({ atPx: 500 });
  shots[3] = { bytes: whole.subarray(0, whole.length >> 1) };
  shots[4] = { bytes: Buffer.from("not a picture at all") };
  shots[5] = { bytes: Buffer.alloc(0) };
  const { passed, counts, warnings } = await gate(shots, EACH);
  expect(counts).toMatchObject({ seen: 12, damaged: 3 });
  for (const bad of [3, 4, 5]) expect(passed).not.toContain(bad);
  expect(passed).toContain(11);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^the camera sends pictures that do not decode, which are left out: \S/);
});

test("when nothing passes for ten seconds, why is said once, and what to do", async () => {
  const warnings: string[] = [];
  async function* capped(): AsyncGenerator<Sample<Frame>> {
    for (let i = 0; i < 30; i++) {
      const dark = Buffer.alloc(64 * 48, i % 2 === 0 ? 2 : 4);
      const bytes = await sharp(dark, { raw: { width: 64, height: 48, channels: 1 } })
        .jpeg()
        .toBuffer();
      yield { ...sampleOf(i, bytes), capturedAtS: 1_780_000_000 + i };
    }
  }
  const onWarning = (line: string): void => void warnings.push(line);
  const parts = { cameraAt: async () => null, onCounts: () => undefined, onWarning };
  for await (const _ of gateFrames(capped(), {}, parts, new AbortController().signal)) expect.unreachable();
  expect(warnings).toEqual([expect.stringMatching(/has passed for 10 s: they are black .*--no-gate/)]);
});

test("small, upright and changing sizes are taken as they come", async () => {
  const sizes = [
    [64, 48],
    [8, 6],
    [1, 1],
    [480, 640],
    [641, 479],
    [1920, 1080],
  ];
  const shots = await Promise.all(
    sizes.map(async ([width, height]) => ({
      bytes: await sharp(await shoot({}))
        .resize(width, height, { fit: "fill" })
        .jpeg()
        .toBuffer(),
    })),
  );
  const { counts } = await gate(shots, EACH);
  expect(counts).toMatchObject({ seen: 6, damaged: 0 });
});

test("a picture that waits for a sharper one passes when the camera falls silent", async () => {
  const shots = await Promise.all(
    [0, 1, 2, 3].map((i) => shoot({ atPx: 20 * i, noise: i, blurPx: i === 3 ? 2 : 0 })),
  );
  const ending = new AbortController();
  async function* falling(): AsyncGenerator<Sample<Frame>> {
    for (const [i, bytes] of shots.entries()) yield { ...sampleOf(i, bytes), capturedAtS: 1_780_000_000 + i };
    await new Promise((resolve) => ending.signal.addEventListener("abort", resolve));
  }
  const parts = { cameraAt: async () => null, onCounts: () => undefined, onWarning: () => undefined };
  const passed: string[] = [];
  for await (const { value } of gateFrames(falling(), {}, parts, ending.signal)) {
    passed.push(value.name);
    if (value.name === "3") ending.abort();
  }
  expect(passed).toEqual(["0", "1", "2", "3"]);
});

test("it ends with the signal though the camera gives nothing, and throws what the camera throws", async () => {
  const ending = new AbortController();
  const parts = { cameraAt: async () => null, onCounts: () => undefined, onWarning: () => undefined };
  async function* silent(): AsyncGenerator<Sample<Frame>> {
    setImmediate(() => ending.abort());
    await new Promise(() => undefined);
    yield sampleOf(0, Buffer.alloc(0));
  }
  for await (const _ of gateFrames(silent(), {}, parts, ending.signal)) expect.unreachable();
  async function* broken(): AsyncGenerator<Sample<Frame>> {
    yield sampleOf(0, await shoot({}));
    throw new Error("the cable is out");
  }
  const running = gateFrames(broken(), {}, parts, new AbortController().signal);
  await expect(running.next()).resolves.toMatchObject({ value: { value: { name: "0" } } });
  await expect(running.next()).rejects.toThrow("the cable is out");
});
