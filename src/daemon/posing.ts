/** Where frames were taken from: a data set's poses, sidecars, or the joints that the backend receives. */
import { join } from "node:path";
import type { Client } from "../api/client.ts";
import type { Dataset, DatasetCamera, DatasetFrame } from "../capture/dataset.ts";
import type { Frame, Sample } from "../capture/sample.ts";
import type { SpoolFrame } from "../queue/frame-file.ts";
import type { JointLookup } from "./joint-lookup.ts";

/** Relative difference up to which a frame's own lens passes for the scene's, which is all that the contract keeps. */
const SAME_LENS = 0.01;

/** A data set's frames by name, as far as they can be sent; the others are told through `onRejected`. */
export function sendableFrames(
  dataset: Dataset,
  onRejected: (name: string, reason: string) => void,
): ReadonlyMap<string, DatasetFrame> {
  const frames = new Map<string, DatasetFrame>();
  for (const { name, reason } of dataset.problems) onRejected(name, reason);
  for (const frame of dataset.frames) {
    if (frame.name.startsWith("../")) onRejected(frame.name, "lies outside the folder");
    else if (frame.camera !== null && !isSameLens(frame.camera, dataset.camera)) {
      onRejected(frame.name, "has another lens than the data set (a live scene keeps one)");
    } else frames.set(frame.name, frame);
  }
  return frames;
}

function isSameLens(a: DatasetCamera, b: DatasetCamera): boolean {
  const near = (x: number, y: number, unit: number): boolean => Math.abs(x - y) <= SAME_LENS * unit;
  const isSamePinhole =
    a.w === b.w &&
    a.h === b.h &&
    near(a.fl_x, b.fl_x, b.fl_x) &&
    near(a.fl_y, b.fl_y, b.fl_y) &&
    near(a.cx, b.cx, b.w) &&
    near(a.cy, b.cy, b.h);
  return isSamePinhole && (["k1", "k2", "p1", "p2"] as const).every((key) => near(a[key], b[key], 1));
}

/** Tell the backend about a data set's lens and background. Returns what to tell the user. */
export async function putDatasetScene(
  client: Pick<Client, "putScene">,
  dataset: Dataset,
  signal: AbortSignal,
): Promise<string> {
  const { camera, hasAlpha } = dataset;
  await client.putScene({ camera, ...(hasAlpha ? { background: "white" as const } : {}) }, signal);
  const background = hasAlpha ? ", white background (the images have alpha)" : "";
  return `the scene now uses the data set's camera: ${camera.w}×${camera.h}, ${camera.model}${background}`;
}

/** A frame with what a data set says of it, which stands above its sidecar. */
export function posedBy(sample: Sample<Frame>, posed: DatasetFrame | undefined): Sample<Frame> {
  if (posed === undefined) return sample;
  const { cameraToWorld, holdout } = posed;
  return { ...sample, value: { ...sample.value, cameraToWorld, holdout } };
}

/** A frame in the contract's words. */
export function toUpload({ capturedAtS, value }: Sample<Frame>): SpoolFrame {
  const { frameId, name, bytes, mediaType, jointAngles, jointSamples, holdout } = value;
  const pose = value.cameraToWorld;
  return {
    frame: { bytes, mediaType, name },
    meta: {
      frame_id: frameId,
      captured_at: capturedAtS,
      ...(pose === undefined ? {} : { camera_to_world: [0, 4, 8, 12].map((i) => pose.slice(i, i + 4)) }),
      ...(jointAngles === undefined ? {} : { joint_angles: [...jointAngles] }),
      ...(jointSamples === undefined ? {} : { joint_samples: jointSamples.map(([t, rad]) => [t, [...rad]]) }),
      ...(holdout === undefined ? {} : { holdout }),
    },
  };
}

/** A frame with the joints around its shutter, where it does not say itself where it was taken from. Never rejects. */
export async function withJoints(
  sample: Sample<Frame>,
  joints: Pick<JointLookup, "around"> | undefined,
  signal: AbortSignal,
): Promise<Sample<Frame>> {
  const { value, capturedAtS } = sample;
  const isPosed = [value.cameraToWorld, value.jointAngles, value.jointSamples].some(
    (one) => one !== undefined,
  );
  if (joints === undefined || isPosed) return sample;
  const readings = await joints.around(capturedAtS, signal);
  if (readings.length === 0) return sample;
  const jointSamples = readings.map(({ timeS, anglesRad }) => [timeS, anglesRad] as const);
  return { capturedAtS, value: { ...value, jointSamples } };
}

/** The lens that a scene was given before, by whomever: it may not be this folder's. */
export function lensNote({ w, h, fl_x }: DatasetCamera): string {
  return `lens in use: ${w}×${h}, focal length ${Math.round(fl_x)} px, as the scene was given it before`;
}

/** The warning for a folder that says nothing of poses while no joints arrive. */
export function noPoseWarning(folder: string): string {
  return (
    `nothing says where these images were taken from: no ${join(folder, "transforms.json")}, no sidecar files, ` +
    "no relay runs here, and the backend receives no joint angles. Every frame would be placed at the same spot.\n" +
    "  Run `splatctl relay` beside this for the arm's joints, or put a transforms.json, " +
    "or NAME.json with camera_to_world or joint_angles beside each NAME.jpg, into the folder."
  );
}

/** The warning for a camera while no joints arrive. */
export function noPoseWarningOfCamera(name: string): string {
  return (
    `nothing says where ${name} is: no relay runs here, and the backend receives no joint angles. ` +
    "Every frame would be placed at the same spot.\n" +
    "  Run `splatctl relay` beside this, or `splatctl up --webcam --relay serial` for both in one."
  );
}
