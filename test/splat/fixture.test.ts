/** What the Python backend's encoders are held to as well: templates/modal/tests/test_formats.py reads the same files. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { encodeScene, type SceneFormat } from "../../src/splat/formats.ts";
import { decodePly } from "../../src/splat/ply-read.ts";

function fixture(format: SceneFormat): Buffer {
  return readFileSync(new URL(`../fixtures/scene.${format}`, import.meta.url));
}

async function encode(format: SceneFormat): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeScene(decodePly(fixture("ply")), format)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe("the scene that both backends write alike", () => {
  it.each(["ply", "splat"] as const)("is the fixture, byte for byte: %s", async (format) => {
    expect(await encode(format)).toEqual(fixture(format));
  });

  it("is the fixture, byte for byte once unpacked: spz", async () => {
    expect(gunzipSync(await encode("spz"))).toEqual(gunzipSync(fixture("spz")));
  });
});
