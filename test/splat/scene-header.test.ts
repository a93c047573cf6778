import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { SplatError } from "../../src/errors.ts";
import {
  decodeScene,
  encodeScene,
  readSceneHeader,
  SCENE_START_BYTES,
  type SceneFormat,
} from "../../src/splat/formats.ts";
import { randomGaussians, seededRandom } from "../helpers/random.ts";

const FORMATS = ["ply", "splat", "spz"] as const;
/** So many that no file of them ends within what is read of it. */
const MANY = 12_000;

async function encoded(format: SceneFormat, count: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeScene(randomGaussians(count, 0, 3), format)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe.each(FORMATS)("the beginning of a .%s", (format) => {
  it("tells what all of it does", async () => {
    const bytes = await encoded(format, MANY);
    const start = bytes.subarray(0, SCENE_START_BYTES);
    expect(start.length).toBeLessThan(bytes.length);
    const whole = await decodeScene(bytes, `x.${format}`);
    const header = await readSceneHeader(start, bytes.length, `x.${format}`);
    expect(header).toEqual({ format: whole.format, gaussianCount: whole.gaussians.count });
    const given = await readFile(fileURLToPath(new URL(`../fixtures/scene.${format}`, import.meta.url)));
    const { gaussians } = await decodeScene(given, `x.${format}`);
    expect(await readSceneHeader(given, given.length, `x.${format}`)).toMatchObject({
      gaussianCount: gaussians.count,
    });
  });

  it("is refused where it cannot be right, and nothing else is thrown", async () => {
    const bytes = await encoded(format, 40);
    const random = seededRandom(5);
    for (let i = 0; i < 300; i++) {
      const damaged = Buffer.from(bytes.subarray(0, Math.floor(random() * bytes.length)));
      for (let k = 0; k < 3 && damaged.length > 0; k++) {
        damaged[Math.floor(random() * Math.min(200, damaged.length))] = Math.floor(random() * 256);
      }
      const result = await readSceneHeader(damaged, damaged.length, `x.${format}`).catch((e: unknown) => e);
      if (result instanceof Error) expect(result).toBeInstanceOf(SplatError);
      else expect(result).toMatchObject({ gaussianCount: expect.any(Number) as number });
    }
  });
});

it.each([
  ["ply", /cut short/],
  ["splat", /no multiple of 32/],
] as const)("a .%s that ends too early is refused by its size alone", async (format, words) => {
  const bytes = await encoded(format, MANY);
  const start = bytes.subarray(0, SCENE_START_BYTES);
  await expect(readSceneHeader(start, bytes.length - 1, `x.${format}`)).rejects.toThrow(words);
});

it("knows a compressed PLY, and one that is no scene", async () => {
  const packed = ["position", "rotation", "scale", "color"].map((name) => `property uint packed_${name}`);
  const header = [
    "ply",
    "format binary_little_endian 1.0",
    "element vertex 100",
    ...packed,
    "end_header",
    "",
  ];
  const start = Buffer.from(header.join("\n"));
  expect(await readSceneHeader(start, start.length + 1600, "x.ply")).toEqual({
    format: "compressed ply",
    gaussianCount: 100,
  });
  await expect(readSceneHeader(start, start.length + 1599, "x.ply")).rejects.toThrow(/cut short/);
  const points = Buffer.from("ply\nformat ascii 1.0\nelement vertex 9\nproperty float x\nend_header\n");
  await expect(readSceneHeader(points, 1000, "x.ply")).rejects.toThrow(/have no y/);
  await expect(readSceneHeader(Buffer.from("hello"), 5, "x.ply")).rejects.toThrow(/is no scene/);
});
