import { gunzipSync, gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { sceneCheck, type SplatFormat } from "../../src/api/scene-check.ts";

const PLY = Buffer.from(
  "ply\nformat binary_little_endian 1.0\nelement vertex 2\nproperty float x\nend_header\n00000000",
);

/** Version 3, degree 1: a header and 29 bytes for each Gaussian. */
function spz(count: number): Buffer {
  const bytes = Buffer.alloc(16 + count * 29);
  bytes.write("NGSP");
  bytes.set([3, 0, 0, 0, count, 0, 0, 0, 1], 4);
  return gzipSync(bytes);
}

/** Version 4, degree 0: a header, a table of five streams of seven bytes each, and these. */
function spz4(count: number): Buffer {
  const bytes = Buffer.alloc(32 + 5 * 16 + 5 * 7);
  bytes.write("NGSP");
  bytes.set([4, 0, 0, 0, count], 4);
  bytes[15] = 5;
  bytes[16] = 32;
  for (let stream = 0; stream < 5; stream++) bytes[32 + stream * 16] = 7;
  return bytes;
}

/** What the check of two Gaussians says to these bytes, arriving in pieces. */
async function verdict(format: SplatFormat, bytes: Uint8Array, pieceBytes: number): Promise<string> {
  const check = sceneCheck(format, 2);
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      await check.take(bytes.subarray(at, at + pieceBytes));
    }
    await check.end();
    return "sound";
  } catch (error) {
    expect(error).toMatchObject({ code: "internal", hint: expect.any(String) });
    return (error as Error).message.replace("the backend announced 2 Gaussians, but ", "");
  }
}

it.each<[string, SplatFormat, Uint8Array, string]>([
  ["a PLY", "ply", PLY, "sound"],
  ["a .splat", "splat", Buffer.alloc(64), "sound"],
  ["an SPZ", "spz", spz(2), "sound"],
  ["an SPZ of version 4", "spz", spz4(2), "sound"],
  ["a .splat of another count", "splat", Buffer.alloc(96), "its .splat holds 3"],
  ["an SPZ of another count", "spz", spz(3), "its SPZ holds 3"],
  [
    "an SPZ without its last Gaussian",
    "spz",
    gzipSync(gunzipSync(spz(2)).subarray(0, 70)),
    "its SPZ ends before them",
  ],
  ["an SPZ whose gzip is cut short", "spz", spz(2).subarray(0, -4), "its SPZ is damaged"],
  ["an SPZ with damage", "spz", Buffer.from(spz(2)).fill(0xff, 12, 20), "its SPZ is damaged"],
  ["no SPZ within gzip", "spz", gzipSync(Buffer.alloc(99)), "it is no SPZ"],
  ["a PLY for an SPZ", "spz", PLY, "it is no SPZ"],
  ["an SPZ of version 4 of another count", "spz", spz4(5), "its SPZ holds 5"],
  ["an SPZ of version 4 cut short", "spz", spz4(2).subarray(0, -1), "its SPZ is not as long as it says"],
  ["nothing", "spz", Buffer.alloc(0), "nothing came"],
  ["an SPZ for a PLY", "ply", spz(2), "it is no PLY"],
])("%s", async (_what, format, bytes, expected) => {
  for (const pieceBytes of [1, 17, 100_000]) expect(await verdict(format, bytes, pieceBytes)).toBe(expected);
});
