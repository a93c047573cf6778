/**
 * The HTTP contract, in one place: what both backends accept and answer.
 * Requests are strict in value and lenient in extra keys; responses are lenient in extra keys, so an old client
 * still works with a newer backend.
 */
import { z } from "zod";
import { LIMITS, SCENE_NAME } from "./limits.ts";

export { LIMITS };

/** Steps that each trainable frame calls for; `progress` is measured against it. */
export const STEPS_PER_FRAME = 30;

/** Machine-readable reasons, with the HTTP status each is sent with. */
export const ERROR_STATUS = {
  bad_request: 400,
  unauthorized: 401,
  forbidden_origin: 403,
  not_found: 404,
  method_not_allowed: 405,
  stopped: 409,
  conflict: 409,
  too_large: 413,
  unsupported_media: 415,
  bad_image: 422,
  busy: 429,
  internal: 500,
  unavailable: 503,
  storage_full: 507,
} as const;

export type ApiErrorCode = keyof typeof ERROR_STATUS;

const finite = z.number();
const jointAngle = finite.refine((value) => Math.abs(value) <= LIMITS.jointAngleRad, {
  message: "joint angle beyond ±2π rad: degrees?",
});

/** [6] rad, in motor order: pan, lift, elbow, wrist flex, wrist roll, gripper. */
export const jointAnglesSchema = z
  .array(jointAngle)
  .length(6, { message: "six angles wanted: pan, lift, elbow, wrist flex, wrist roll, gripper" });

/** A 4×4 row-major matrix, nested as in transforms.json. */
export const matrix4Schema = z
  .array(z.array(finite).length(4))
  .length(4)
  .refine(isRigid, { message: "camera_to_world must be a rigid transform: rotation, translation, 0 0 0 1" });

function isRigid(rows: readonly (readonly number[])[]): boolean {
  // Asked even when the check of the length has failed.
  if (rows.length !== 4) return false;
  const [a, b, c, last] = rows;
  const dot = (i: number, j: number): number => a[i] * a[j] + b[i] * b[j] + c[i] * c[j];
  const near = (value: number, want: number, tolerance: number): boolean =>
    Math.abs(value - want) < tolerance;
  const orthonormal = [0, 1, 2].every((i) => [0, 1, 2].every((j) => near(dot(i, j), i === j ? 1 : 0, 1e-3)));
  const det =
    a[0] * (b[1] * c[2] - b[2] * c[1]) -
    a[1] * (b[0] * c[2] - b[2] * c[0]) +
    a[2] * (b[0] * c[1] - b[1] * c[0]);
  return orthonormal && det > 0 && last.every((value, i) => near(value, i === 3 ? 1 : 0, 1e-6));
}

/** The `meta` form field of POST /upload-frame. */
export const frameMetaSchema = z.object({
  frame_id: z.string().min(1).max(LIMITS.frameIdLength).optional(),
  captured_at: finite.optional(),
  joint_angles: jointAnglesSchema.optional(),
  joint_samples: z
    .array(z.tuple([finite, jointAnglesSchema]))
    .max(10_000)
    .optional(),
  sent_at: finite.optional(),
  camera_to_world: matrix4Schema.optional(),
  holdout: z.boolean().optional(),
});
export type FrameMeta = z.infer<typeof frameMetaSchema>;

/** Where a frame's pose came from, best first; `pending` while a later joint reading is awaited. */
export const poseSourceSchema = z.enum([
  "camera_to_world",
  "samples",
  "meta",
  "pending",
  "interpolated",
  "latest",
  "default",
]);
export type PoseSource = z.infer<typeof poseSourceSchema>;

/** Seconds from a frame's shutter to the nearest joint reading it was placed by; null when there is none. */
const jointsAge = finite.nonnegative().nullable().optional();

/** In every JSON response. */
const identity = { session_id: z.string(), boot_id: z.string() };

export const errorSchema = z.object({
  success: z.literal(false),
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
  session_id: z.string(),
});

export const healthSchema = z.object({ ...identity, status: z.string(), trainer_ready: z.boolean() });
export type Health = z.infer<typeof healthSchema>;

export const uploadResponseSchema = z.object({
  ...identity,
  success: z.literal(true),
  frame_count: z.int().nonnegative(),
  chunks_uploaded: z.int().nonnegative(),
  frame_id: z.string(),
  duplicate: z.boolean(),
  pose_source: poseSourceSchema,
  joints_age_s: jointsAge,
});
export type UploadResponse = z.infer<typeof uploadResponseSchema>;

export const jointUpdateSchema = z.object({
  joint_angles: jointAnglesSchema,
  captured_at: finite.optional(),
});
export type JointUpdate = z.infer<typeof jointUpdateSchema>;

export const jointResponseSchema = z.object({
  ...identity,
  success: z.literal(true),
  joint_angles: z.array(finite).length(6),
});

/** A whole scene as it stood after its last frame, written once and never changed. */
export const chunkSchema = z.object({
  name: z.string(),
  index: z.int().positive(),
  first_frame: z.int().nonnegative(),
  last_frame: z.int().nonnegative(),
  gaussian_count: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  sha256: z.string(),
  key: z.string(),
  url: z.string().nullable(),
  created_at: finite,
});
export type Chunk = z.infer<typeof chunkSchema>;

export const stateSchema = z.enum(["idle", "training", "finishing", "complete", "failed"]);
export type SceneState = z.infer<typeof stateSchema>;

const percentiles = z.object({ p50: finite.nullable(), p95: finite.nullable() });

export const statusSchema = z.object({
  ...identity,
  state: stateSchema,
  frame_count: z.int().nonnegative(),
  rejected_count: z.int().nonnegative(),
  gaussian_count: z.int().nonnegative(),
  step: z.int().nonnegative(),
  steps_per_second: finite,
  progress: finite.min(0).max(1),
  psnr_train: finite.nullable(),
  psnr_holdout: finite.nullable(),
  latency_ms: z.object({ accepted: percentiles, trained: percentiles }),
  durable_through: z.int().nonnegative(),
  chunks_uploaded: z.int().nonnegative(),
  chunks: z.array(chunkSchema),
  joint_angles: z.array(finite).length(6),
  joints_age_s: finite.nullable(),
  version: z.int().nonnegative(),
  engine: z.object({ name: z.string(), device: z.string(), threads: z.int().positive() }),
  memory_bytes: finite,
  warnings: z.array(z.string()),
  last_error: z.string().nullable(),
  updated_at: finite,
});
export type Status = z.infer<typeof statusSchema>;

export const stopRequestSchema = z.object({ finish_seconds: finite.min(0).max(3600).optional() });
export const stopResponseSchema = z.object({
  ...identity,
  success: z.literal(true),
  chunks: z.array(chunkSchema),
  complete: z.boolean(),
});
export type StopResponse = z.infer<typeof stopResponseSchema>;

export const resetResponseSchema = z.object({ ...identity, success: z.literal(true) });

export const cameraSchema = z.object({
  model: z.enum(["PINHOLE", "OPENCV"]),
  w: z.int().positive().max(LIMITS.imageSide),
  h: z.int().positive().max(LIMITS.imageSide),
  fl_x: finite.positive(),
  fl_y: finite.positive(),
  cx: finite,
  cy: finite,
  k1: finite.default(0),
  k2: finite.default(0),
  p1: finite.default(0),
  p2: finite.default(0),
});
export type CameraModel = z.infer<typeof cameraSchema>;

/** `gripper_link` → camera, OpenCV optical axes. */
export const cameraMountSchema = z.object({
  parent: z.literal("gripper_link"),
  translation_m: z.array(finite).length(3),
  rotation_wxyz: z
    .array(finite)
    .length(4)
    .refine((q) => Math.hypot(...q) > 1e-6, { message: "rotation_wxyz must not be zero" }),
});

export const boundsSchema = z
  .object({ min_m: z.array(finite).length(3), max_m: z.array(finite).length(3) })
  .refine(({ min_m, max_m }) => min_m.every((low, i) => low < max_m[i]), {
    message: "bounds: each min_m must lie below its max_m",
  });

export const refineSchema = z.object({
  poses: z.boolean(),
  joints: z.boolean(),
  camera_mount: z.boolean(),
  intrinsics: z.boolean(),
  clock: z.boolean(),
  exposure: z.boolean(),
});

/** Every setting of a scene. `camera` and `bounds` are null while nobody gave them. */
export const sceneSettingsSchema = z.object({
  camera: cameraSchema.nullable(),
  camera_mount: cameraMountSchema,
  joint_zero_offsets_rad: z.array(finite).length(5),
  clock_offset_s: finite,
  refine: refineSchema,
  bounds: boundsSchema.nullable(),
  finish_seconds: finite.min(0).max(3600),
  max_joint_speed_deg_s: finite.positive().nullable(),
  max_gaussians: z.int().min(100).max(LIMITS.gaussians),
  sh_degree: z.int().min(0).max(3),
  background: z.enum(["black", "white", "random"]),
  chunk_every: z.int().positive(),
  holdout_every: z.int().nonnegative(),
});
export type SceneSettings = z.infer<typeof sceneSettingsSchema>;

/** PUT /scene: any part of the settings; unknown keys are refused so a typo is not silently lost. */
export const scenePatchSchema = sceneSettingsSchema
  .extend({ refine: refineSchema.partial() })
  .partial()
  .strict();
export type ScenePatch = z.infer<typeof scenePatchSchema>;

export const sceneResponseSchema = z.object({
  ...identity,
  success: z.literal(true),
  ...sceneSettingsSchema.shape,
  /** What was solved from the images, beside what was given; null until solved. */
  refined: z.object({
    camera: cameraSchema.nullable(),
    camera_mount: cameraMountSchema.nullable(),
    joint_zero_offsets_rad: z.array(finite).length(5).nullable(),
    clock_offset_s: finite.nullable(),
  }),
});
export type SceneResponse = z.infer<typeof sceneResponseSchema>;

export const frameRecordSchema = z.object({
  frame_id: z.string(),
  index: z.int().nonnegative(),
  captured_at: finite,
  pose_source: poseSourceSchema,
  joints_age_s: jointsAge,
  camera_to_world: z.array(z.array(finite).length(4)).length(4).nullable(),
  psnr: finite.nullable(),
  holdout: z.boolean(),
  accepted: z.boolean(),
  /** Why it was refused; null when accepted. */
  reason: z.string().nullable(),
});
export type FrameRecord = z.infer<typeof frameRecordSchema>;

export const framesResponseSchema = z.object({ ...identity, frames: z.array(frameRecordSchema) });

const estimateSchema = z.object({
  prior: z.array(finite),
  estimate: z.array(finite),
  standard_deviation: z.array(finite).nullable(),
  /** Whether the data determine it. */
  determined: z.boolean(),
});
export const calibrationSchema = z.object({
  ...identity,
  joint_zero_offsets_rad: estimateSchema,
  camera_mount: estimateSchema,
  clock_offset_s: estimateSchema,
  intrinsics: estimateSchema.nullable(),
});
export type Calibration = z.infer<typeof calibrationSchema>;

/** `status.json` beside the chunks. */
export const bucketStatusSchema = z.object({
  session_id: z.string(),
  updated_at: finite,
  state: stateSchema,
  frame_count: z.int().nonnegative(),
  gaussian_count: z.int().nonnegative(),
  complete: z.boolean(),
  chunks: z.array(chunkSchema),
});
export type BucketStatus = z.infer<typeof bucketStatusSchema>;

export const plyQuerySchema = z.object({
  format: z.enum(["ply", "splat", "spz"]).default("ply"),
  max_gaussians: z.coerce.number().int().positive().optional(),
});

export const sceneNameSchema = z.string().regex(SCENE_NAME);

/** What GET /events sends: the name of the event and its data. */
export const eventSchemas = {
  status: statusSchema,
  frame: frameRecordSchema,
  chunk: chunkSchema,
  splat: z.object({ version: z.int(), gaussian_count: z.int() }),
  warning: z.object({ message: z.string() }),
} as const;
export type EventName = keyof typeof eventSchemas;
export type SceneEvent = {
  [Name in EventName]: { readonly event: Name; readonly data: z.infer<(typeof eventSchemas)[Name]> };
}[EventName];
