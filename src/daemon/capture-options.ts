/** What a capture is told: where its frames come from, and how they go to the backend. */
import type { CameraSettings } from "../capture/camera-settings.ts";
import type { NameRules } from "../capture/frame-names.ts";
import type { GateOptions } from "../capture/frame-gate.ts";
import type { JointLookup } from "./joint-lookup.ts";
import type { PauseSwitch } from "./pause.ts";

/** What every capture may be told. */
interface CaptureRoad {
  /** Folder of all spools; this capture's is one in it. */
  readonly spoolDir: string;
  /** Disk space that this capture's spool may take; default 10 GB. */
  readonly spoolMaxBytes?: number | undefined;
  /** Send what is there and end; of a camera: one that ends by itself, such as a file. */
  readonly once?: boolean | undefined;
  /** Most uploads started a second; default no cap. */
  readonly fps?: number | undefined;
  /** Uploads under way at once; default 8: each waits for a decoder and a disk at the other end. */
  readonly inFlight?: number | undefined;
  /** How long the backend may go on not answering, seconds; default for ever, with `once` 60, a cloud 600. */
  readonly giveUpAfterS?: number | undefined;
  /** After the signal: how long uploads under way may go on trying, milliseconds. */
  readonly drainMs?: number | undefined;
  /** What the arm's joints were; asked for every frame that does not say itself where it was taken from. */
  readonly joints?: Pick<JointLookup, "around"> | undefined;
  /** The joints come from a relay in this process, which tells by itself when none come. */
  readonly relaysItself?: boolean | undefined;
  /** While it is on, a folder's new files wait where they are, and a camera's pictures are let go. */
  readonly pause?: PauseSwitch | undefined;
}

/** A folder's images, as they appear. */
export interface FolderCapture extends CaptureRoad, NameRules {
  readonly folder: string;
  readonly camera?: undefined;
  /** Look into sub-folders; a data set does so by itself. */
  readonly recursive?: boolean | undefined;
  /** Ignore transforms.json. */
  readonly ignoreDataset?: boolean | undefined;
}

/** A camera's pictures, as they come, those that are worth sending. */
export interface CameraCapture extends CaptureRoad {
  readonly camera: CameraSettings;
  readonly folder?: undefined;
  readonly gate?: GateOptions | undefined;
}

export type CaptureOptions = FolderCapture | CameraCapture;
