import { execFileSync } from "node:child_process";
import { mkdir, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { lookAtImage, type FileLook } from "../../src/capture/image-file.ts";
import { readImageHeader } from "../../src/capture/image-header.ts";
import { jpeg, picture, png, tempFolder } from "../helpers/pictures.ts";

/** Write a file and look at it as one that has not changed since the look before. */
async function look(name: string, bytes: Buffer | string): Promise<FileLook> {
  const path = join(await tempFolder(), name);
  await writeFile(path, bytes);
  return lookAtImage(path, await versionOf(path));
}

async function versionOf(path: string): Promise<{ sizeBytes: number; mtimeMs: number }> {
  const { size, mtimeMs } = await stat(path);
  return { sizeBytes: size, mtimeMs };
}

test("a JPEG and a PNG are ready, whatever they are called", async () => {
  const asPng = await look("a.png", await jpeg());
  expect(asPng).toMatchObject({ kind: "ready", header: { mediaType: "image/jpeg", width: 16, height: 8 } });
  const asJpeg = await look("a.jpg", await png(1, true));
  expect(asJpeg).toMatchObject({ kind: "ready", header: { mediaType: "image/png", hasAlpha: true } });
});

test("progressive, grayscale, CMYK, 16-bit, palette and animated pictures are complete with their size", async () => {
  const kinds = [
    await picture(1).jpeg({ progressive: true }).toBuffer(),
    await picture(1).grayscale().jpeg().toBuffer(),
    await picture(1).toColourspace("cmyk").jpeg().toBuffer(),
    await picture(1).toColourspace("rgb16").png().toBuffer(),
    await picture(1).png({ palette: true }).toBuffer(),
  ];
  for (const bytes of kinds) {
    expect(readImageHeader(bytes)).toMatchObject({ width: 16, height: 8, complete: true });
  }
});

test("a picture cut anywhere is growing", async () => {
  for (const whole of [await jpeg(), await png()]) {
    for (let length = 8; length < whole.length - 1; length += 7) {
      expect((await look("a.jpg", whole.subarray(0, length))).kind, `${length} bytes`).toBe("growing");
    }
  }
});

test("bytes after the end of a JPEG are tolerated, the end of its thumbnail is not taken for it", async () => {
  const whole = await jpeg();
  expect((await look("a.jpg", Buffer.concat([whole, Buffer.alloc(5000)]))).kind).toBe("ready");
  const thumbnail = Buffer.concat([Buffer.from("Exif\0\0"), whole]);
  const app1 = Buffer.from([0xff, 0xe1, 0, 0]);
  app1.writeUInt16BE(thumbnail.length + 2, 2);
  const nested = Buffer.concat([whole.subarray(0, 2), app1, thumbnail, whole.subarray(2)]);
  expect((await look("a.jpg", nested)).kind).toBe("ready");
  expect((await look("a.jpg", nested.subarray(0, -10))).kind).toBe("growing");
});

test("what is no picture is rejected with its reason", async () => {
  expect(await look("notes.jpg", "this is a text file, not a picture")).toMatchObject({
    kind: "rejected",
    reason: "neither JPEG nor PNG by its bytes",
  });
  expect(await look("a.jpg", Buffer.alloc(0))).toMatchObject({
    kind: "growing",
    reason: "empty: zero bytes",
  });
  expect((await look("laid-out.png", Buffer.alloc(4096))).kind).toBe("growing");
  expect(await look("gif.png", await picture(1).gif().toBuffer())).toMatchObject({ kind: "rejected" });
});

test("0×0, over 64 Mpx and too long a side are rejected from the header", async () => {
  const sized = async (width: number, height: number): Promise<string> => {
    const bytes = await png();
    bytes.writeUInt32BE(width, 16);
    bytes.writeUInt32BE(height, 20);
    const seen = await look("a.png", bytes);
    return seen.kind === "rejected" ? seen.reason : seen.kind;
  };
  expect(await sized(0, 0)).toBe("0×0 pixels");
  expect(await sized(10_000, 10_000)).toBe("10000×10000 pixels: over 64 Mpx");
  expect(await sized(16_385, 10)).toBe("16385×10 pixels: a side over 16 384");
  expect(await sized(8000, 8000)).toBe("ready");
});

test("a file over 32 MiB is rejected without being read", async () => {
  const path = join(await tempFolder(), "big.jpg");
  await writeFile(path, await jpeg());
  await truncate(path, 32 * 1024 * 1024 + 1);
  expect(await lookAtImage(path, await versionOf(path))).toMatchObject({
    kind: "rejected",
    reason: "over 32 MiB",
  });
});

test("a file that changed since the look before is growing", async () => {
  const path = join(await tempFolder(), "a.jpg");
  const whole = await jpeg();
  await writeFile(path, whole.subarray(0, 100));
  const before = await versionOf(path);
  await writeFile(path, whole);
  const seen = await lookAtImage(path, before);
  expect(seen).toMatchObject({ kind: "growing", version: { sizeBytes: whole.length } });
});

test("deleted files are gone; folders, pipes and loops are rejected without hanging", async () => {
  const dir = await tempFolder();
  const path = join(dir, "a.jpg");
  await writeFile(path, await jpeg());
  const before = await versionOf(path);
  await rm(path);
  expect(await lookAtImage(path, before)).toEqual({ kind: "gone" });
  await mkdir(path);
  expect(await lookAtImage(path, before)).toMatchObject({ kind: "rejected", reason: "not a regular file" });
  if (process.platform === "win32") return;
  execFileSync("mkfifo", [join(dir, "pipe.jpg")]);
  expect(await lookAtImage(join(dir, "pipe.jpg"), before)).toMatchObject({ kind: "rejected" });
  await symlink("loop.jpg", join(dir, "loop.jpg"));
  expect(await lookAtImage(join(dir, "loop.jpg"), before)).toMatchObject({ reason: "cannot be read: ELOOP" });
});

test("headers of random bytes never throw", async () => {
  let seed = 7;
  const random = (): number => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
  const starts = [(await jpeg()).subarray(0, 30), (await png()).subarray(0, 40), Buffer.alloc(0)];
  for (let i = 0; i < 600; i++) {
    const noise = Buffer.from(
      Array.from({ length: Math.floor(random() * 80) }, () => Math.floor(random() * 256)),
    );
    expect(() => readImageHeader(Buffer.concat([starts[i % 3], noise]))).not.toThrow();
  }
});

test("sharp agrees about what is cut", async () => {
  const whole = await jpeg();
  await expect(sharp(whole.subarray(0, -10), { failOn: "truncated" }).raw().toBuffer()).rejects.toThrow();
  expect(readImageHeader(whole.subarray(0, -10))?.complete).toBe(false);
});
