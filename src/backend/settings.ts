/** A scene's settings: what they are before anyone says anything, and what a change to them means. */
import type { SceneSettings, ScenePatch } from "../api/schema.ts";
import { DEFAULT_CAMERA_MOUNT } from "../robot/so101.ts";
import type { ShDegree } from "../splat/gaussians.ts";
import type { TrainingSettings } from "./training.ts";

/** Settings of a scene that nobody configured. */
export const DEFAULT_SETTINGS: SceneSettings = {
  camera: null,
  camera_mount: {
    parent: DEFAULT_CAMERA_MOUNT.parent,
    translation_m: [...DEFAULT_CAMERA_MOUNT.translation_m],
    rotation_wxyz: [...DEFAULT_CAMERA_MOUNT.rotation_wxyz],
  },
  joint_zero_offsets_rad: [0, 0, 0, 0, 0],
  clock_offset_s: 0,
  refine: {
    poses: false,
    joints: false,
    camera_mount: false,
    intrinsics: false,
    clock: false,
    exposure: false,
  },
  bounds: null,
  finish_seconds: 60,
  max_joint_speed_deg_s: null,
  max_gaussians: 40_000,
  sh_degree: 3,
  background: "black",
  chunk_every: 50,
  holdout_every: 0,
};

/** The settings with a patch applied; keys that the patch does not name stay. */
export function applyPatch(settings: SceneSettings, patch: ScenePatch): SceneSettings {
  const { refine, ...rest } = patch;
  return { ...settings, ...defined(rest), refine: { ...settings.refine, ...defined(refine ?? {}) } };
}

/** The part of the settings that the trainer knows. */
export function trainingSettings(
  settings: SceneSettings,
): Omit<TrainingSettings, "threads" | "seed" | "live"> {
  const { bounds } = settings;
  return {
    maxGaussians: settings.max_gaussians,
    shDegree: settings.sh_degree as ShDegree,
    background: settings.background,
    bounds: bounds === null ? null : { min: bounds.min_m, max: bounds.max_m },
    exposure: settings.refine.exposure,
    antialiased: false,
  };
}

function defined<T extends object>(patch: T): { [K in keyof T]-?: Exclude<T[K], undefined> } {
  const entries = Object.entries(patch).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]-?: Exclude<T[K], undefined> };
}
