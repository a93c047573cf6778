/** What a project file may say. `config-keys.ts` has the same keys in words. */
import { z } from "zod";

const text = z.string().min(1);

const captureSchema = z.strictObject({
  folder: text.optional(),
  recursive: z.boolean().optional(),
  include: z.array(text).optional(),
  exclude: z.array(text).optional(),
  fps: z.number().positive().optional(),
  webcam: text.optional(),
  size: z
    .string()
    .regex(/^[1-9]\d{0,4}x[1-9]\d{0,4}$/, { message: "It must be width and height, such as 640x480" })
    .optional(),
  camera_fps: z.number().positive().optional(),
  every: z.int().positive().optional(),
  max_fps: z.number().positive().optional(),
  gate: z.boolean().optional(),
});

const relaySchema = z.strictObject({
  source: z.enum(["serial", "http", "lerobot"]),
  path: text.optional(),
  url: text.optional(),
  hz: z.number().positive().max(1000).optional(),
  units: z.enum(["rad", "deg", "norm"]).optional(),
  port: z.int().min(0).max(65_535).optional(),
  robot_id: text.optional(),
  calibration: text.optional(),
});

export const projectSchema = z.strictObject({
  url: text.optional(),
  scene: text.optional(),
  spool: text.optional(),
  capture: captureSchema.optional(),
  /** An empty one, in which all is commented out, says nothing. */
  relay: z.preprocess((value) => (isEmpty(value) ? undefined : value), relaySchema.optional()).optional(),
});

function isEmpty(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
  );
}

/** What a project file says. */
export type Project = z.infer<typeof projectSchema>;

/** The names there are in an object of the file; `path` leads to it. */
export function namesAt(path: readonly PropertyKey[]): readonly string[] {
  if (path[0] === "capture") return Object.keys(captureSchema.shape);
  return Object.keys(path[0] === "relay" ? relaySchema.shape : projectSchema.shape);
}
