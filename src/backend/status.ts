/** What a session answers when asked how it stands. */
import {
  STEPS_PER_FRAME,
  type BucketStatus,
  type Calibration,
  type SceneResponse,
  type Status,
} from "../api/schema.ts";
import { nowS } from "../time.ts";
import type { SavedSession } from "./saved-session.ts";
import type { Session } from "./session.ts";

/** Progress of a capture that is not complete stays below 1, however many steps were made. */
const ALMOST_DONE = 0.999;

/** GET /status, without `boot_id`. */
export function statusOf(session: Session): Omit<Status, "boot_id"> {
  const { frames, report, slot, chunks } = session;
  const joints = session.intake.joints.latest();
  return {
    session_id: session.id,
    state: session.state,
    frame_count: frames.count,
    rejected_count: frames.rejectedCount,
    gaussian_count: slot.gaussianCount,
    step: report.step,
    steps_per_second: report.stepsPerSecond,
    progress: progressOf(session),
    psnr_train: report.psnrTrain,
    psnr_holdout: report.psnrHoldout,
    latency_ms: { accepted: session.accepted.percentiles(), trained: report.latency.percentiles() },
    durable_through: frames.lastIndex,
    chunks_uploaded: chunks.uploadedCount,
    chunks: chunks.shown,
    joint_angles: [...(joints?.anglesRad ?? [0, 0, 0, 0, 0, 0])],
    joints_age_s: session.intake.jointsAgeS,
    version: slot.version,
    engine: { name: "splatctl", device: "cpu", threads: session.threads },
    memory_bytes: process.memoryUsage.rss(),
    warnings: [...session.warnings.messages],
    last_error: session.lastError ?? chunks.trouble,
    updated_at: nowS(),
  };
}

/** status.json in the folder; the bucket's names only what is there. */
export function bucketStatus(session: Session): BucketStatus {
  return {
    session_id: session.id,
    updated_at: nowS(),
    state: session.state,
    frame_count: session.frames.count,
    gaussian_count: session.slot.gaussianCount,
    complete: session.state === "complete",
    chunks: [...session.chunks.written],
  };
}

/** session.json: what a restart has to know, apart from frames and training. */
export function recordOf(
  session: Session,
  ending: Pick<SavedSession, "phase" | "finish_seconds">,
  chunkStep: number,
): SavedSession {
  const { id, settings, slot, frames, report, chunks } = session;
  return {
    session_id: id,
    settings,
    ...ending,
    chunk_step: chunkStep,
    version_ceiling: slot.ceiling,
    rejected_count: frames.rejectedCount,
    psnr_train: report.psnrTrain,
    psnr_holdout: report.psnrHoldout,
    chunks: [...chunks.written],
  };
}

/** GET /scene, without `boot_id`. Nothing is refined yet, so only the given values stand. */
export function sceneOf(session: Session): Omit<SceneResponse, "boot_id"> {
  return {
    session_id: session.id,
    success: true,
    ...session.settings,
    refined: { camera: null, camera_mount: null, joint_zero_offsets_rad: null, clock_offset_s: null },
  };
}

/** GET /calibration, without `boot_id`: the given values, none of them determined by data yet. */
export function calibrationOf(session: Session): Omit<Calibration, "boot_id"> {
  const { camera, camera_mount, joint_zero_offsets_rad, clock_offset_s } = session.settings;
  return {
    session_id: session.id,
    joint_zero_offsets_rad: asGiven(joint_zero_offsets_rad),
    camera_mount: asGiven([...camera_mount.translation_m, ...camera_mount.rotation_wxyz]),
    clock_offset_s: asGiven([clock_offset_s]),
    intrinsics:
      camera === null
        ? null
        : asGiven([
            camera.fl_x,
            camera.fl_y,
            camera.cx,
            camera.cy,
            camera.k1,
            camera.k2,
            camera.p1,
            camera.p2,
          ]),
  };
}

function asGiven(values: readonly number[]): Calibration["clock_offset_s"] {
  return { prior: [...values], estimate: [...values], standard_deviation: null, determined: false };
}

function progressOf({ frames, report, state }: Session): number {
  if (frames.count === 0) return 0;
  if (state === "complete") return 1;
  if (frames.trainableCount === 0) return 0;
  return Math.min(ALMOST_DONE, report.step / (STEPS_PER_FRAME * frames.trainableCount));
}
