import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_CAMERA_MOUNT } from "../../src/robot/so101.ts";
import { writeSimulatedCapture } from "../../src/sim/capture.ts";
import { renderTabletop } from "../../src/sim/raytrace.ts";
import { wristCamera, wristIntrinsics } from "../../src/sim/wrist-camera.ts";

const intrinsics = wristIntrinsics(40, 30);
const scan = { frames: 3, intrinsics, mount: DEFAULT_CAMERA_MOUNT, everyMs: 0 };
let dir = "";

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "splatctl-sim-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

describe("writeSimulatedCapture", () => {
  it("writes each frame with the joints it was taken at", async () => {
    const beforeS = Date.now() / 1000;
    await writeSimulatedCapture(dir, scan);
    expect((await readdir(dir)).sort()).toEqual(
      ["0001", "0002", "0003"].flatMap((n) => [`frame_${n}.json`, `frame_${n}.png`]),
    );
    const sidecar = JSON.parse(await readFile(join(dir, "frame_0002.json"), "utf8")) as {
      captured_at: number;
      joint_angles: number[];
    };
    expect(sidecar.captured_at).toBeGreaterThanOrEqual(beforeS);
    const { data } = await sharp(join(dir, "frame_0002.png")).raw().toBuffer({ resolveWithObject: true });
    const seen = renderTabletop(wristCamera(sidecar.joint_angles, intrinsics, DEFAULT_CAMERA_MOUNT));
    expect(new Uint8Array(data)).toEqual(seen);
  });

  it("ends when told to", async () => {
    const abort = new AbortController();
    const writing = writeSimulatedCapture(dir, { ...scan, everyMs: 60_000, signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(writing).rejects.toThrow("enough");
  });
});
