/** Small real pictures, and folders to put them in. */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { onTestFinished } from "vitest";

/** A new empty folder, removed when the test ends. */
export async function tempFolder(): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "splatctl-test-")));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A picture of one colour; each `shade` gives other bytes. */
export function picture(shade: number, alpha = false): Sharp {
  const background = { r: shade % 256, g: (shade >> 8) % 256, b: 90, alpha: 0.5 };
  return sharp({ create: { width: 16, height: 8, channels: alpha ? 4 : 3, background } });
}

export function jpeg(shade = 1): Promise<Buffer> {
  return picture(shade).jpeg().toBuffer();
}

export function png(shade = 1, alpha = false): Promise<Buffer> {
  return picture(shade, alpha).png().toBuffer();
}
