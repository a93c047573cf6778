/** Where a capture's frames come from, as its run sees it: a folder or a camera. */
import type { Dataset } from "../capture/dataset.ts";
import type { Frame, Sample } from "../capture/sample.ts";
import type { Spool } from "../queue/spool.ts";
import type { CaptureOptions } from "./capture-options.ts";
import type { CaptureListener, Tally } from "./capture-tally.ts";

/** What a pass over a source tells and asks. */
export interface PassParts {
  readonly listener: CaptureListener;
  readonly spool: Pick<Spool, "takenBefore">;
  readonly tally: Tally;
}

/** A source that can be used. */
export interface CaptureSource {
  /** What its spool is kept under: a folder's real path, a camera's lasting name. Holds no secret. */
  readonly identity: string;
  /** Its poses and lens, when it is a data set. */
  readonly dataset: Dataset | null;
  /** What to warn of when nothing else tells poses; null when its frames say themselves where they were taken from. */
  noPoseWarning(): Promise<string | null>;
  /** The scene's settings are known now. */
  onScene?(scene: SceneOfArm): void;
  /** One pass: to the source's end, else until the signal aborts. */
  frames(parts: PassParts, signal: AbortSignal): AsyncIterable<Sample<Frame>>;
}

/** Of a scene's settings, what places a camera on the arm. */
export interface SceneOfArm {
  readonly camera_mount: {
    readonly translation_m: readonly number[];
    readonly rotation_wxyz: readonly number[];
  };
  readonly joint_zero_offsets_rad: readonly number[];
}

/** Open what the options name. Throws `bad_input` when it cannot be used; see `folderSource` and `cameraSource`. */
export async function openSource(options: CaptureOptions, signal: AbortSignal): Promise<CaptureSource> {
  if (options.camera === undefined) {
    const { folderSource } = await import("./capture-folder.ts");
    return await folderSource(options);
  }
  const { cameraSource } = await import("./capture-camera.ts");
  return await cameraSource(options, signal);
}
