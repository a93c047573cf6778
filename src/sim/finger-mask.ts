/** The mask that hides the gripper from training: it is in every picture at the same place, whatever the arm does. */
import sharp from "sharp";
import type { Mount } from "../robot/kinematics.ts";
import type { Intrinsics } from "../trainer/camera.ts";
import { gripperSolids } from "./fingers.ts";
import { silhouette } from "./raytrace.ts";
import { gripperCamera } from "./wrist-camera.ts";

/** `gripper_link` where the world is: it does not matter where the arm holds it. */
const AT_HOME = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/**
 * PNG of the camera's size for `PUT /scene/mask`: white = trained, black = gripper, as a camera without distortion on
 * this mount sees it with the jaw at `jawRad`, and `dilatePx` further. A mount that is only roughly known needs more:
 * a millimetre beside the truth is about 5 pixels of 640, a degree 9. Who has pictures to look at gives the mount that
 * they show instead.
 */
export async function fingerMask(
  intrinsics: Intrinsics,
  mount: Mount,
  jawRad: number,
  dilatePx: number,
): Promise<Uint8Array> {
  const { width, height } = intrinsics;
  // A little more than the picture is traced: what lies just beyond its edge is dilated into it.
  const edge = Math.ceil(dilatePx);
  const wider = {
    ...intrinsics,
    width: width + 2 * edge,
    height: height + 2 * edge,
    cx: intrinsics.cx + edge,
    cy: intrinsics.cy + edge,
  };
  const seen = silhouette(gripperCamera(wider, mount), gripperSolids(AT_HOME, jawRad));
  const hidden = dilated(seen, wider.width, wider.height, dilatePx);
  const grey = hidden.map((value) => (value === 1 ? 0 : 255));
  return sharp(grey, { raw: { width: wider.width, height: wider.height, channels: 1 } })
    .extract({ left: edge, top: edge, width, height })
    .toColourspace("b-w")
    .png()
    .toBuffer();
}

/** [height, width] 1 within `radius` pixels of a 1: for each row of the disc, runs of its width. */
export function dilated(mask: Uint8Array, width: number, height: number, radius: number): Uint8Array {
  const grown = new Uint8Array(mask.length);
  for (let dy = -Math.floor(radius); dy <= radius; dy++) {
    const reach = Math.floor(Math.sqrt(radius * radius - dy * dy));
    for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
      growRow(mask.subarray(y * width, (y + 1) * width), grown, (y + dy) * width, reach);
    }
  }
  return grown;
}

function growRow(row: Uint8Array, grown: Uint8Array, start: number, reach: number): void {
  let last = -Infinity;
  for (let x = 0; x < row.length; x++) {
    if (row[x] === 1) last = x;
    if (x - last <= reach) grown[start + x] = 1;
  }
  last = Infinity;
  for (let x = row.length - 1; x >= 0; x--) {
    if (row[x] === 1) last = x;
    if (last - x <= reach) grown[start + x] = 1;
  }
}
