import { describe, expect, test } from "vitest";
import {
  decodeScene,
  encodedSize,
  encodeScene,
  formatOfName,
  lossesOf,
  SCENE_FORMATS,
  type SceneFormat,
} from "../../src/splat/formats.ts";
import { allocateGaussians, type Gaussians, type ShDegree } from "../../src/splat/gaussians.ts";
import { limitShDegree } from "../../src/splat/select.ts";
import { differences, type Differences } from "../helpers/compare-scenes.ts";
import { readByOther, writtenByOther } from "../helpers/other-reader.ts";
import { randomGaussians, seededRandom } from "../helpers/random.ts";

const DEGREES: readonly ShDegree[] = [0, 1, 2, 3];

async function encode(scene: Gaussians, format: SceneFormat): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeScene(scene, format)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function roundTrip(scene: Gaussians, format: SceneFormat): Promise<Gaussians> {
  return (await decodeScene(await encode(scene, format), `scene.${format}`)).gaussians;
}

/** What each format rounds to: half a step, and a little for 32-bit floats. */
const STEPS: Readonly<Record<SceneFormat, Differences>> = {
  ply: { means: 0, logScales: 0, rotation: 1e-7, opacity: 0, dc: 0, rest: 0 },
  splat: {
    means: 0,
    logScales: 1e-6,
    rotation: 0.012,
    opacity: 0.5 / 255 + 1e-6,
    dc: 0.5 / 255 / 0.2821 + 1e-5,
    rest: 0,
  },
  // View-dependent colour is rounded to 8, then 16 of 128, and cannot be 1.
  spz: {
    means: 0.5 / 2 ** 16 + 1e-6,
    logScales: 0.5 / 16 + 1e-6,
    rotation: 0.0016,
    opacity: 0.5 / 255 + 1e-6,
    dc: 0.5 / 255 / 0.15 + 1e-5,
    rest: (8.5 + 1) / 128,
  },
};

function expectWithin(found: Differences, most: Differences): void {
  for (const [name, limit] of Object.entries(most)) {
    expect(found[name as keyof Differences], name).toBeLessThanOrEqual(limit as number);
  }
}

/** `.splat` has an order of its own: pairs by position, which it keeps exactly. */
function orderOf(from: Gaussians, to: Gaussians): (i: number) => number {
  const places = new Map<string, number>();
  const key = (g: Gaussians, i: number): string => g.means.subarray(i * 3, i * 3 + 3).join();
  for (let i = 0; i < to.count; i++) places.set(key(to, i), i);
  return (i) => places.get(key(from, i)) as number;
}

describe("every format", () => {
  test.each(SCENE_FORMATS.flatMap((format) => DEGREES.map((degree) => [format, degree] as const)))(
    "%s gives back a scene of degree %i, to its rounding",
    async (format, degree) => {
      const scene = randomGaussians(300, degree);
      const back = await roundTrip(scene, format);
      expect([back.count, back.shDegree]).toEqual([300, format === "splat" ? 0 : degree]);
      const order = format === "splat" ? orderOf(scene, back) : undefined;
      expectWithin(differences(scene, back, order), STEPS[format]);
    },
  );

  test.each(SCENE_FORMATS)("%s holds one Gaussian, and says its own length", async (format) => {
    const one = randomGaussians(1, 1);
    const bytes = await encode(one, format);
    expect(encodedSize(one, format) ?? bytes.length).toBe(bytes.length);
    expect((await decodeScene(bytes, `a.${format}`)).gaussians.count).toBe(1);
  });

  test("an empty scene is a file of PLY and SPZ; an empty file is none of any format", async () => {
    for (const format of ["ply", "spz"] as const) {
      expect((await roundTrip(randomGaussians(0, 2), format)).count).toBe(0);
    }
    expect(await encode(randomGaussians(0, 2), "splat")).toHaveLength(0);
    for (const format of SCENE_FORMATS) {
      await expect(decodeScene(new Uint8Array(), `a.${format}`)).rejects.toMatchObject({ code: "bad_input" });
    }
  });

  test.each(SCENE_FORMATS)("%s stays finite and complete for values of any size", async (format) => {
    const random = seededRandom(5);
    const scene = allocateGaussians(500, 3);
    const { means, logScales, quats, opacities, sh } = scene;
    for (const values of [means, logScales, quats, opacities, sh]) {
      for (let i = 0; i < values.length; i++) values[i] = (random() - 0.5) * 10 ** (random() * 76 - 38);
    }
    quats.fill(0, 0, 40);
    const back = await roundTrip(scene, format);
    expect(back.count).toBe(500);
    for (const values of [back.means, back.logScales, back.quats, back.opacities, back.sh]) {
      expect(values.every(Number.isFinite)).toBe(true);
    }
  });

  test("is told by how it begins, and a .splat by its name alone", async () => {
    const scene = randomGaussians(5, 0);
    for (const format of ["ply", "spz"] as const) {
      expect((await decodeScene(await encode(scene, format), "scene.splat")).format).toBe(format);
    }
    const splat = await encode(scene, "splat");
    expect((await decodeScene(splat, "A.SPLAT")).format).toBe("splat");
    await expect(decodeScene(splat, "scene.ksplat")).rejects.toThrow(/scene\.ksplat is no scene/);
  });

  test("of a name is what its last letters say; compressed PLY is not written", () => {
    expect(["a.ply", "b.SPZ", "c.d.splat"].map(formatOfName)).toEqual(["ply", "spz", "splat"]);
    expect(["a", "ply", "a.compressed.ply", "a.ksplat", "a.splat/"].map(formatOfName)).toEqual(
      Array.from({ length: 5 }, () => undefined),
    );
  });
});

describe("what is lost", () => {
  test("is said of each format, with how many Gaussians it touches", () => {
    const scene = randomGaussians(2000, 2);
    expect(lossesOf(scene, "ply")).toEqual([]);
    expect(lossesOf(scene, "splat").join()).toMatch(/degree 2 becomes 0/);
    expect(lossesOf(scene, "spz")).toEqual([expect.stringContaining("1/65536")]);
    scene.means[0] = 1e6;
    scene.logScales[7] = -12;
    scene.logScales[9] = 7;
    const losses = lossesOf(scene, "spz").join();
    expect(losses).toMatch(/1 of 2000 Gaussians are too far/);
    expect(losses).toMatch(/1 of 2000 Gaussians are too large.*1 of 2000 Gaussians are flatter/);
  });

  test("a stray Gaussian is drawn nearer rather than coarsening the rest; a large scene gets a larger step", async () => {
    const scene = randomGaussians(2000, 0);
    scene.means[0] = 1e9;
    const back = await roundTrip(scene, "spz");
    scene.means[0] = back.means[0];
    expect(differences(scene, back).means).toBeLessThan(1e-5);
    const large = randomGaussians(50, 0);
    large.means.forEach((value, i) => (large.means[i] = value * 100_000));
    expect(differences(large, await roundTrip(large, "spz")).means).toBeLessThan(1 / 64);
  });

  test("Gaussians that are no numbers are left out, and counted", async () => {
    const scene = randomGaussians(10, 1);
    scene.means[3] = Number.NaN;
    scene.opacities[4] = Number.POSITIVE_INFINITY;
    const read = await decodeScene(await encode(scene, "ply"), "a.ply");
    expect(read.gaussians.count).toBe(9);
    expect(read.lost).toEqual([expect.stringContaining("1 Gaussians with values that are no numbers")]);
    // Opaque through and through is a logit of infinity.
    expect(read.gaussians.opacities[3]).toBeCloseTo(13.8, 1);
  });
});

test("a .splat begins with what matters most", async () => {
  const scene = randomGaussians(1000, 0);
  const back = await roundTrip(scene, "splat");
  const importance = Array.from({ length: back.count }, (_, i) => {
    const size = back.logScales.subarray(i * 3, i * 3 + 3).reduce((sum, value) => sum + value, 0);
    return Math.exp(size) / (1 + Math.exp(-back.opacities[i]));
  });
  importance.slice(1).forEach((value, i) => expect(value).toBeLessThan(importance[i] * 1.03));
});

describe("another reader", () => {
  test.each(DEGREES)("takes our SPZ of degree %i as we read it ourselves", async (degree) => {
    const scene = randomGaussians(300, degree);
    const bytes = await encode(scene, "spz");
    const theirs = await readByOther("scene.spz", bytes);
    expect([theirs.count, theirs.shDegree]).toEqual([300, degree]);
    expectWithin(differences(theirs, (await decodeScene(bytes, "a.spz")).gaussians), EQUAL);
    expectWithin(differences(scene, theirs), STEPS.spz);
  });

  test("takes our .splat", async () => {
    const scene = randomGaussians(300, 3);
    const bytes = await encode(scene, "splat");
    const theirs = await readByOther("scene.splat", bytes);
    expectWithin(differences(scene, theirs, orderOf(scene, theirs)), STEPS.splat);
  });
});

/** Two readers of the same bytes differ by the last bits of floats. */
const EQUAL: Differences = {
  means: 1e-6,
  logScales: 1e-6,
  rotation: 1e-6,
  opacity: 2e-6,
  dc: 1e-6,
  rest: 1e-6,
};

describe("another writer's file", () => {
  test.each(([2, 3, 4] as const).flatMap((version) => DEGREES.map((degree) => [version, degree] as const)))(
    "SPZ version %i of degree %i is read as its maker reads it",
    async (version, degree) => {
      const scene = randomGaussians(300, degree);
      const bytes = await writtenByOther(scene, "scene.spz", version);
      const { gaussians, format } = await decodeScene(bytes, "scene.spz");
      expect([format, gaussians.count, gaussians.shDegree]).toEqual(["spz", 300, degree]);
      // Version 2 leaves w to be the root of what is left of 1, which may be nothing but rounding.
      const equal = version === 2 ? { ...EQUAL, rotation: 1e-4 } : EQUAL;
      expectWithin(differences(await readByOther("scene.spz", bytes), gaussians), equal);
      const rough = { ...STEPS.spz, means: 1 / 8192 + 1e-6, rotation: version === 2 ? 0.2 : 0.0016 };
      expectWithin(differences(scene, gaussians), rough);
    },
  );

  test.each(DEGREES)("compressed PLY of degree %i is read as its maker reads it", async (degree) => {
    const bytes = await writtenByOther(randomGaussians(700, degree), "scene.compressed.ply");
    const { gaussians, format } = await decodeScene(bytes, "scene.ply");
    expect([format, gaussians.count, gaussians.shDegree]).toEqual(["compressed ply", 700, degree]);
    expectWithin(differences(await readByOther("scene.ply", bytes), gaussians), EQUAL);
  });
});

test("limiting the degree keeps the lower coefficients of each channel", () => {
  const scene = randomGaussians(4, 3);
  expect(limitShDegree(scene, 3)).toBe(scene);
  const limited = limitShDegree(scene, 1);
  expect([limited.shDegree, limited.sh.length]).toEqual([1, 4 * 3 * 4]);
  expect(differences(scene, limited)).toMatchObject({ means: 0, dc: 0, rest: 0 });
});
