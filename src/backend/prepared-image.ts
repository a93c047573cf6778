/** An uploaded image on its way to a place among the frames: hashed, decoded and on disk. */
import { createHash } from "node:crypto";
import type { SceneSettings } from "../api/schema.ts";
import { decodeImage, type DecodedImage } from "./image.ts";
import type { PictureMemory } from "./picture-memory.ts";
import type { SessionStore, StagedImage } from "./store.ts";

/** All that can be done for a frame before its turn. */
export interface PreparedImage {
  readonly image: DecodedImage;
  /** The lens it was decoded with. */
  readonly camera: SceneSettings["camera"];
  readonly staged: StagedImage;
}

export interface PreparationDeps {
  readonly store: SessionStore;
  readonly maxPixels: number;
  /** Where pictures are decoded to. */
  readonly memory: PictureMemory;
}

/** Takes a quarter of a millisecond. */
const HASHED_HERE_BYTES = 256 * 1024;

/**
 * Decode an image and put it on disk, both at once: what is left for its turn is quick. When one fails the other is
 * undone. Throws what `decodeImage` and `SessionStore.stageImage` throw.
 */
export async function prepareImage(
  bytes: Uint8Array,
  camera: SceneSettings["camera"],
  { store, maxPixels, memory }: PreparationDeps,
): Promise<PreparedImage> {
  const [decoding, staging] = await Promise.allSettled([
    decodeImage(bytes, camera, maxPixels, memory),
    store.stageImage(bytes),
  ]);
  if (staging.status === "rejected") throw staging.reason;
  if (decoding.status === "fulfilled") return { image: decoding.value, camera, staged: staging.value };
  await staging.value.discard();
  throw decoding.reason;
}

/** Hex. Large images are hashed off the main thread; for the others the way there and back would take longer. */
export async function sha256Of(bytes: Uint8Array): Promise<string> {
  if (bytes.length <= HASHED_HERE_BYTES) return createHash("sha256").update(bytes).digest("hex");
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Buffer.from(digest).toString("hex");
}
