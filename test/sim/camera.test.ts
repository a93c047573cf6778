import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_CAMERA_MOUNT } from "../../src/robot/so101.ts";
import { createSimulatedArm } from "../../src/sim/arm.ts";
import { typicalErrors } from "../../src/sim/arm-errors.ts";
import { runSimulatedCamera, type ShotFrame } from "../../src/sim/camera.ts";
import { WEBCAM_DISTORTION } from "../../src/sim/lens.ts";
import { WEBCAM_NOISE } from "../../src/sim/sensor.ts";
import { wristIntrinsics } from "../../src/sim/wrist-camera.ts";
import { createWristView, trueView } from "../../src/sim/wrist-view.ts";
import { nowS } from "../../src/time.ts";

const errors = typicalErrors(11);
const view = { intrinsics: wristIntrinsics(32, 24), mount: DEFAULT_CAMERA_MOUNT, errors };
let dir = "";

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "splatctl-sim-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

function movingArm(): ReturnType<typeof createSimulatedArm> {
  return createSimulatedArm({ motion: "wave", startS: nowS(), errors });
}

describe("runSimulatedCamera", () => {
  it("takes the arm as it really stands at each shutter, and stamps what its own clock shows", async () => {
    const arm = movingArm();
    const frames: ShotFrame[] = [];
    const quirks = {
      ...view,
      distortion: WEBCAM_DISTORTION,
      drift: { swing: 0.2, periodS: 5 },
      noise: WEBCAM_NOISE,
    };
    const counts = await runSimulatedCamera(dir, {
      arm,
      view: quirks,
      everyMs: 100,
      shutters: 4,
      jitterMs: 5,
      threads: 2,
      onFrame: (frame) => frames.push(frame),
    });
    expect(counts.written + counts.dropped).toBe(4);
    expect(counts.written).toBe(frames.length);
    expect(frames.length).toBeGreaterThan(0);
    const take = createWristView(trueView(quirks));
    for (const [i, { path, shutter, shutterS, capturedAtS }] of frames.entries()) {
      expect(path).toBe(join(dir, `frame_000${i + 1}.png`));
      expect(shutterS).toBeGreaterThanOrEqual(arm.startS + shutter * 0.1);
      const sidecar: unknown = JSON.parse(await readFile(path.replace(".png", ".json"), "utf8"));
      expect(sidecar).toEqual({ captured_at: capturedAtS });
      expect(capturedAtS + errors.clockOffsetS).toBeCloseTo(shutterS, 5);
      const { data } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
      expect(new Uint8Array(data)).toEqual(take(arm.trueAnglesAt(shutterS), shutterS, shutter));
    }
  });

  it("drops the shutters it cannot keep up with, and says how many", async () => {
    const large = { ...view, intrinsics: wristIntrinsics(128, 96) };
    const shots = { arm: movingArm(), view: large, everyMs: 1, shutters: 200, format: "jpg" } as const;
    const counts = await runSimulatedCamera(dir, { ...shots, sidecars: false });
    expect(counts.written + counts.dropped).toBe(200);
    expect(counts.dropped).toBeGreaterThan(0);
    const names = (await readdir(dir)).sort();
    expect(names).toEqual(
      Array.from({ length: counts.written }, (_, i) => `frame_${String(i + 1).padStart(4, "0")}.jpg`),
    );
  });

  it("ends when told to, with what it had", async () => {
    const abort = new AbortController();
    const counts = await runSimulatedCamera(dir, {
      arm: movingArm(),
      view,
      everyMs: 20,
      signal: abort.signal,
      onFrame: () => abort.abort(),
    });
    expect(counts.written).toBe(1);
    expect((await readdir(dir)).sort()).toEqual(["frame_0001.json", "frame_0001.png"]);
  });

  it("says when a picture cannot be written", async () => {
    const missing = join(dir, "gone");
    await expect(runSimulatedCamera(missing, { arm: movingArm(), view, everyMs: 10 })).rejects.toThrow(
      "ENOENT",
    );
  });
});
