/** Where a frame was taken from: the first of the contract's sources that exists. */
import type { FrameMeta, PoseSource, SceneSettings } from "../api/schema.ts";
import { cameraToWorld } from "../robot/kinematics.ts";
import {
  jointsFromSamples,
  type JointHistory,
  type JointReading,
  type JointsAtShutter,
} from "../robot/joint-history.ts";
import { refuse } from "../http/refuse.ts";

/** A frame's pose, and what it was made from so that it can be made again. */
export interface Placement {
  readonly source: PoseSource;
  /** [16] row-major, OpenGL axes. */
  readonly cameraToWorld: readonly number[];
  /** [6] rad at the shutter; null when the pose was given. */
  readonly anglesRad: readonly number[] | null;
  /** Fastest arm joint at the shutter, deg/s; null when unknown. */
  readonly speedDegS: number | null;
  /** From the shutter to the nearest joint reading used, seconds ≥ 0; null when there was none. */
  readonly jointsAgeS: number | null;
}

/** The settings a pose from joints depends on. */
export type ArmSettings = Pick<SceneSettings, "camera_mount" | "joint_zero_offsets_rad" | "clock_offset_s">;

const ZEROS: readonly number[] = [0, 0, 0, 0, 0, 0];

/**
 * Place a frame. `pending` means that the joint reading after the shutter is still awaited: the pose given with it
 * is the one to use if it does not come (call again with `patient: false`).
 * `latestAgeS`: how old the newest reading is now, for frames that do not say when they were taken.
 * Throws `bad_request` when readings are sent without the shutter time they belong to.
 */
export function placeFrame(
  meta: FrameMeta,
  history: JointHistory,
  settings: ArmSettings,
  patient: boolean,
  latestAgeS: number | null,
): Placement {
  const given = meta.camera_to_world?.flat();
  if (given !== undefined) {
    return {
      source: "camera_to_world",
      cameraToWorld: given,
      anglesRad: null,
      speedDegS: null,
      jointsAgeS: null,
    };
  }
  const [source, joints] = findJoints(meta, history, settings, { patient, latestAgeS });
  return {
    source,
    cameraToWorld: poseFromJoints(joints.anglesRad, settings),
    anglesRad: joints.anglesRad,
    speedDegS: joints.speedDegS,
    jointsAgeS: joints.ageS,
  };
}

/** [16] camera-to-world, OpenGL axes, of the camera on an arm with these joints. */
export function poseFromJoints(anglesRad: readonly number[], settings: ArmSettings): number[] {
  return cameraToWorld(anglesRad, settings.camera_mount, settings.joint_zero_offsets_rad);
}

/** Joints at the shutter of a frame that brought its readings along, by the clock offset in force; null when none is near. */
export function jointsAgain(
  samples: readonly JointReading[],
  capturedAtS: number,
  settings: ArmSettings,
): JointsAtShutter | null {
  return jointsFromSamples(samples, capturedAtS + settings.clock_offset_s);
}

/** The readings a frame brought along, in the form they are kept in. */
export function samplesOf(meta: FrameMeta): JointReading[] {
  return (meta.joint_samples ?? []).map(([timeS, anglesRad]) => ({ timeS, anglesRad }));
}

function findJoints(
  meta: FrameMeta,
  history: JointHistory,
  settings: ArmSettings,
  { patient, latestAgeS }: { readonly patient: boolean; readonly latestAgeS: number | null },
): [PoseSource, JointsAtShutter] {
  const fromMeta = jointsInMeta(meta, settings);
  if (fromMeta !== null) return fromMeta;
  const latest = history.latest();
  if (latest === null) return ["default", { anglesRad: ZEROS, speedDegS: null, ageS: null }];
  const { anglesRad } = latest;
  if (meta.captured_at === undefined) return ["latest", { anglesRad, speedDegS: null, ageS: latestAgeS }];
  const shutterS = meta.captured_at + settings.clock_offset_s;
  const fallback = { anglesRad, speedDegS: null, ageS: Math.abs(shutterS - latest.timeS) };
  const atShutter = history.at(shutterS);
  if (atShutter === "awaited") return [patient ? "pending" : "latest", fallback];
  return atShutter === null ? ["latest", fallback] : ["interpolated", atShutter];
}

function jointsInMeta(meta: FrameMeta, settings: ArmSettings): [PoseSource, JointsAtShutter] | null {
  const samples = samplesOf(meta);
  if (samples.length > 0) {
    if (meta.captured_at === undefined) {
      throw refuse(
        "bad_request",
        "meta.joint_samples needs meta.captured_at: the shutter time they lie around",
      );
    }
    const joints = jointsFromSamples(samples, meta.captured_at + settings.clock_offset_s);
    if (joints !== null) return ["samples", joints];
  }
  if (meta.joint_angles === undefined) return null;
  return ["meta", { anglesRad: meta.joint_angles, speedDegS: null, ageS: 0 }];
}
