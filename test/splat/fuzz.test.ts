import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { SplatError } from "../../src/errors.ts";
import { decodeScene, encodeScene } from "../../src/splat/formats.ts";
import { shCount } from "../../src/splat/gaussians.ts";
import { writtenByOther } from "../helpers/other-reader.ts";
import { randomGaussians, seededRandom } from "../helpers/random.ts";

const scene = randomGaussians(40, 1);
const files = new Map<string, Uint8Array>();

beforeAll(async () => {
  for (const format of ["ply", "splat", "spz"] as const) {
    const pieces: Uint8Array[] = [];
    for await (const piece of encodeScene(scene, format)) pieces.push(piece);
    files.set(`ours.${format}`, Buffer.concat(pieces));
  }
  files.set("v2.spz", await writtenByOther(scene, "a.spz", 2));
  files.set("v4.spz", await writtenByOther(scene, "a.spz", 4));
  files.set("compressed.ply", await writtenByOther(scene, "a.compressed.ply"));
  files.set("plain.spz", gunzipSync(files.get("ours.spz") as Uint8Array));
});

/** Decodes or is refused as bad input; what is decoded is finite and no larger than the bytes can account for. */
async function survive(bytes: Uint8Array, name: string): Promise<boolean> {
  try {
    const { gaussians } = await decodeScene(bytes, name);
    const { count, shDegree, means, logScales, quats, opacities, sh } = gaussians;
    expect(sh.length).toBe(count * 3 * shCount(shDegree));
    expect(sh.byteLength).toBeLessThan(2 ** 28);
    for (const values of [means, logScales, quats, opacities, sh]) {
      if (!values.every(Number.isFinite)) throw new Error(`${name}: not finite`);
    }
    return true;
  } catch (error) {
    if (!(error instanceof SplatError) || error.code !== "bad_input") throw error;
    expect(error.message.length).toBeGreaterThan(10);
    return false;
  }
}

const NAMES = ["ours.ply", "ours.splat", "ours.spz", "v2.spz", "v4.spz", "plain.spz", "compressed.ply"];

describe.each(NAMES)("%s", (name) => {
  test("cut short anywhere is refused", async () => {
    const bytes = files.get(name) as Uint8Array;
    expect(await survive(bytes, name)).toBe(true);
    const step = Math.max(1, Math.floor(bytes.length / 150));
    for (let length = 0; length < bytes.length; length += step) {
      // Any prefix of a .splat in whole Gaussians is a scene.
      const whole = name.endsWith(".splat") && length > 0 && length % 32 === 0;
      expect(await survive(bytes.subarray(0, length), name), `${length} bytes`).toBe(whole);
    }
  });

  test("with flipped bits, or bytes put at random, is decoded or refused", async () => {
    const good = files.get(name) as Uint8Array;
    const random = seededRandom(7);
    for (let run = 0; run < 400; run++) {
      const bytes = Uint8Array.from(good);
      // Headers decide most, so half of the damage is done there.
      const reach = run % 2 === 0 ? Math.min(bytes.length, 200) : bytes.length;
      for (let hits = 0; hits <= run % 4; hits++) {
        const at = Math.floor(random() * reach);
        if (run % 3 === 0) bytes[at] = Math.floor(random() * 256);
        else bytes[at] ^= 1 << Math.floor(random() * 8);
      }
      await survive(bytes, name);
    }
  });
});

test("noise under each name and behind each magic is refused or harmless", async () => {
  const random = seededRandom(3);
  const starts = ["", "ply\n", "ply\nformat ascii 1.0\n", "\x1f\x8b\x08", "NGSP\x03\0\0\0", "NGSP\x04\0\0\0"];
  for (const start of starts) {
    for (let run = 0; run < 30; run++) {
      const noise = Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256));
      await survive(
        Buffer.concat([Buffer.from(start, "latin1"), Buffer.from(noise)]),
        `noise.${run % 2 ? "splat" : "ply"}`,
      );
    }
  }
});
