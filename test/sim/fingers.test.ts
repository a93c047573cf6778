import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { gripperPose } from "../../src/robot/kinematics.ts";
import { DEFAULT_CAMERA_MOUNT } from "../../src/robot/so101.ts";
import { dilated, fingerMask } from "../../src/sim/finger-mask.ts";
import { gripperSolids, withGripper } from "../../src/sim/fingers.ts";
import { renderTabletop, silhouette } from "../../src/sim/raytrace.ts";
import { placeSolid } from "../../src/sim/solids.ts";
import { TABLETOP } from "../../src/sim/tabletop.ts";
import { gripperCamera, wristCamera, wristIntrinsics } from "../../src/sim/wrist-camera.ts";
import { cameraFromPose } from "../../src/trainer/camera.ts";

const intrinsics = wristIntrinsics(64, 48);
const { width, height } = intrinsics;
const JOINTS = [0.1, -0.6, 0.7, 1.2, 0.4, 0.3];
const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

function seenFromMount(jawRad: number): Uint8Array {
  return silhouette(gripperCamera(intrinsics, DEFAULT_CAMERA_MOUNT), gripperSolids(IDENTITY, jawRad));
}

function count(mask: Uint8Array, where: (x: number, y: number) => boolean = () => true): number {
  return mask.reduce((sum, value, i) => sum + (where(i % width, Math.floor(i / width)) ? value : 0), 0);
}

describe("the gripper in its camera's picture", () => {
  it("covers a plausible part of it, at the bottom", () => {
    for (const jawRad of [-0.17, 0.3, 1.7]) {
      const share = count(seenFromMount(jawRad)) / (width * height);
      expect(share).toBeGreaterThan(0.05);
      expect(share).toBeLessThan(0.25);
    }
    const seen = seenFromMount(0.3);
    expect(count(seen, (_, y) => y < height / 2)).toBe(0);
    expect(count(seen, (x, y) => y === height - 1 && x < width / 2)).toBeGreaterThan(5);
    expect(count(seen, (x, y) => y === height - 1 && x > width / 2)).toBeGreaterThan(5);
  });

  it("opens to the left, and closes onto the fixed finger", () => {
    const leftOf = (jawRad: number): number => count(seenFromMount(jawRad), (x) => x < width * 0.3);
    const between = (jawRad: number): number =>
      count(seenFromMount(jawRad), (x, y) => x > width * 0.45 && x < width * 0.56 && y < height * 0.75);
    expect(leftOf(0.6)).toBeGreaterThan(leftOf(0));
    expect(between(0.3)).toBe(0);
    expect(between(-0.17)).toBeGreaterThan(0);
    expect(count(seenFromMount(1.7), (x) => x < width * 0.4)).toBe(0);
  });

  it("is at the same place wherever the arm is", () => {
    const there = silhouette(
      wristCamera(JOINTS, intrinsics, DEFAULT_CAMERA_MOUNT),
      gripperSolids(gripperPose(JOINTS), JOINTS[5]),
    );
    const home = seenFromMount(JOINTS[5]);
    const differing = there.filter((value, i) => value !== home[i]).length;
    expect(differing).toBeLessThanOrEqual(2);
  });

  it("is what the tracer draws, dark and in front of all else", () => {
    const camera = wristCamera(JOINTS, intrinsics, DEFAULT_CAMERA_MOUNT);
    const picture = renderTabletop(camera, { tabletop: withGripper(JOINTS) });
    const plain = renderTabletop(camera);
    const inner = Array.from(seenFromMount(JOINTS[5]), (value) => 1 - value);
    const core = dilated(Uint8Array.from(inner), width, height, 1.5).map((value) => 1 - value);
    let bright = 0;
    for (const [pixel, value] of core.entries()) {
      if (value === 1) bright = Math.max(bright, ...picture.subarray(pixel * 3, pixel * 3 + 3));
    }
    expect(count(core)).toBeGreaterThan(150);
    expect(bright).toBeLessThan(90);
    expect(Math.max(...plain)).toBeGreaterThan(200);
  });

  it("throws its shadow on the table", () => {
    // From above, with all but the table and the gripper away.
    const [table] = TABLETOP.solids;
    const scene = { ...TABLETOP, solids: [placeSolid(table.shape, [0.3, 0, -0.015], () => [0.6, 0.6, 0.6])] };
    const above = cameraFromPose(intrinsics, [0, 1, 0, 0.3, -1, 0, 0, 0, 0, 0, 1, 0.5, 0, 0, 0, 1]);
    const solids = gripperSolids(gripperPose(JOINTS), JOINTS[5]);
    const hidden = dilated(silhouette(above, solids), width, height, 1);
    const empty = renderTabletop(above, { tabletop: scene });
    const shaded = renderTabletop(above, { tabletop: { ...scene, solids: [...scene.solids, ...solids] } });
    const darker = hidden.filter((value, i) => value === 0 && shaded[i * 3] < empty[i * 3] * 0.75);
    expect(darker.length).toBeGreaterThan(10);
  });
});

describe("fingerMask", () => {
  it("is a PNG of the camera's size: black where the gripper is seen, white elsewhere", async () => {
    const png = await fingerMask(intrinsics, DEFAULT_CAMERA_MOUNT, 0.3, 0);
    const { data, info } = await sharp(png).toColourspace("b-w").raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width, height, channels: 1 });
    expect([...data]).toEqual(Array.from(seenFromMount(0.3), (value) => (value === 1 ? 0 : 255)));
  });

  it("hides as many pixels more around it as asked for, around what is just out of sight too", async () => {
    const radius = 4;
    const png = await fingerMask(intrinsics, DEFAULT_CAMERA_MOUNT, 0.3, radius);
    const hidden = (await sharp(png).toColourspace("b-w").raw().toBuffer()).map((value) => 255 - value);
    const wide = { ...intrinsics, width: width + 2 * radius, height: height + 2 * radius };
    const beyond = { ...wide, cx: intrinsics.cx + radius, cy: intrinsics.cy + radius };
    const seen = silhouette(gripperCamera(beyond, DEFAULT_CAMERA_MOUNT), gripperSolids(IDENTITY, 0.3));
    for (let at = 0; at < hidden.length; at++) {
      const [x, y] = [(at % width) + radius, Math.floor(at / width) + radius];
      const near = seen.some(
        (value, i) =>
          value === 1 && Math.hypot((i % wide.width) - x, Math.floor(i / wide.width) - y) <= radius,
      );
      expect(hidden[at] === 255).toBe(near);
    }
  });
});
