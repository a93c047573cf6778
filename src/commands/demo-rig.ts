/** What the demo looks at, and with what: a camera that is carried around a table, on an arm that is there or not. */
import type { FrameRecord, ScenePatch } from "../api/schema.ts";
import type { JointLookup } from "../daemon/joint-lookup.ts";
import { DEFAULT_CAMERA_MOUNT } from "../robot/so101.ts";
import { writeSimulatedCapture } from "../sim/capture.ts";
import { renderTabletop } from "../sim/raytrace.ts";
import { TABLETOP_BOUNDS } from "../sim/tabletop.ts";
import { wristIntrinsics } from "../sim/wrist-camera.ts";
import { cameraFromPose } from "../trainer/camera.ts";

/** The demo's lens: as many pixels as two cores get through often enough in a minute. */
export const DEMO_INTRINSICS = wristIntrinsics(320, 240);

/** What the demo's backend is told before the first frame. */
export const DEMO_SCENE: ScenePatch = {
  camera: {
    model: "PINHOLE",
    w: DEMO_INTRINSICS.width,
    h: DEMO_INTRINSICS.height,
    fl_x: DEMO_INTRINSICS.fx,
    fl_y: DEMO_INTRINSICS.fy,
    cx: DEMO_INTRINSICS.cx,
    cy: DEMO_INTRINSICS.cy,
    k1: 0,
    k2: 0,
    p1: 0,
    p2: 0,
  },
  camera_mount: DEFAULT_CAMERA_MOUNT,
  bounds: TABLETOP_BOUNDS,
  holdout_every: 8,
  background: "black",
  // Far more than a minute grows: the first Gaussians are placed as a share of it.
  max_gaussians: 50_000,
  sh_degree: 1,
};

/** How the pictures are to be taken. */
export interface Shooting {
  readonly frames: number;
  readonly everyMs: number;
  readonly signal: AbortSignal;
  /** Called when another picture lies in the folder. */
  readonly onFrame: () => void;
}

/** A camera and what carries it. */
export interface DemoRig {
  /** PNG of what moves with the camera; null when nothing does. */
  readonly mask: Uint8Array | null;
  /** Where frames find their joints; undefined when they bring them along. */
  readonly joints: Pick<JointLookup, "around"> | undefined;
  /** Fill an existing folder; resolves with how many pictures there are in the end. */
  readonly shoot: (folder: string, shooting: Shooting) => Promise<number>;
  /** [height, width, 3] what the camera saw when it took a frame. */
  readonly seen: (frame: FrameRecord) => Uint8Array;
  readonly close: () => Promise<void>;
}

/** The camera alone: joints are written beside each picture, as if somebody had measured them. */
export function cameraAlone(): DemoRig {
  return {
    mask: null,
    joints: undefined,
    shoot: async (folder, shooting) => {
      await writeSimulatedCapture(folder, {
        ...shooting,
        intrinsics: DEMO_INTRINSICS,
        mount: DEFAULT_CAMERA_MOUNT,
      });
      return shooting.frames;
    },
    seen: (frame) => renderTabletop(cameraFromPose(DEMO_INTRINSICS, frame.camera_to_world?.flat() ?? [])),
    close: () => Promise.resolve(),
  };
}
