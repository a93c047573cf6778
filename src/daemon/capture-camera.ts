/** A camera as the source of a capture: what it shows goes through the gate, and what passes is sent. */
import { openCamera } from "../capture/camera.ts";
import { gateFrames } from "../capture/frame-gate.ts";
import type { Frame, Sample } from "../capture/sample.ts";
import { SplatError } from "../errors.ts";
import { jointsFromSamples } from "../robot/joint-history.ts";
import { cameraToWorld } from "../robot/kinematics.ts";
import { DEFAULT_CAMERA_MOUNT } from "../robot/so101.ts";
import type { CameraCapture } from "./capture-options.ts";
import type { CaptureSource, PassParts, SceneOfArm } from "./capture-source.ts";
import { noPoseWarningOfCamera } from "./posing.ts";

/** Throws what `openCamera` throws, and `usage` for `once` of a camera that has no end. */
export async function cameraSource(
  { camera: settings, gate = {}, once = false, joints, pause }: CameraCapture,
  signal: AbortSignal,
): Promise<CaptureSource> {
  const camera = await openCamera(settings, signal);
  if (once && !camera.hasEnd) {
    throw new SplatError("usage", `${camera.name} has no end that --once or --stop could wait for`, {
      hint: "Leave them out and end the capture with Ctrl-C; `splatctl stop` finishes the scene.",
    });
  }
  let arm: SceneOfArm = { camera_mount: DEFAULT_CAMERA_MOUNT, joint_zero_offsets_rad: [] };

  async function* frames({ listener, tally }: PassParts, ending: AbortSignal): AsyncGenerator<Sample<Frame>> {
    const shown = { ...listener, onCounts: tally.camera.bind(tally) };
    const taken = whileRunning(camera.frames(shown, ending), ending);
    yield* gateFrames(
      taken,
      gate,
      { cameraAt, onCounts: (counts) => tally.gate(counts), onWarning: (line) => listener.onWarning(line) },
      ending,
    );
  }

  /** While paused pictures go by; those of a file wait. */
  async function* whileRunning(
    all: AsyncIterable<Sample<Frame>>,
    ending: AbortSignal,
  ): AsyncGenerator<Sample<Frame>> {
    for await (const sample of all) {
      if (pause?.isPaused === true && !camera.hasEnd) continue;
      if (joints !== undefined) void joints.around(sample.capturedAtS, ending);
      await pause?.whenRunning(ending);
      yield sample;
    }
  }

  async function cameraAt(timeS: number): Promise<readonly number[] | null> {
    if (joints === undefined) return null;
    const at = jointsFromSamples(await joints.around(timeS), timeS);
    return at && cameraToWorld(at.anglesRad, arm.camera_mount, arm.joint_zero_offsets_rad);
  }

  return {
    identity: camera.identity,
    dataset: null,
    noPoseWarning: () => Promise.resolve(noPoseWarningOfCamera(camera.name)),
    onScene: (scene) => (arm = scene),
    frames,
  };
}
