/** What a session keeps about itself on disk, apart from its frames, its mask and its trainer. */
import { z } from "zod";
import { chunkSchema, sceneSettingsSchema } from "../api/schema.ts";

export const savedSessionSchema = z.object({
  session_id: z.string(),
  settings: sceneSettingsSchema,
  /** `stopped` = intake has ended, finishing has not. */
  phase: z.enum(["open", "stopped", "complete"]),
  finish_seconds: z.number(),
  /** Trainer's step at the newest chunk. */
  chunk_step: z.int().nonnegative(),
  version_ceiling: z.int().nonnegative(),
  rejected_count: z.int().nonnegative(),
  psnr_train: z.number().nullable(),
  psnr_holdout: z.number().nullable(),
  chunks: z.array(chunkSchema),
});

export type SavedSession = z.infer<typeof savedSessionSchema>;
