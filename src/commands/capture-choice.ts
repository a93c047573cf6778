/** What is captured: a folder or a camera, from arguments, flags, environment and project file. */
import { InvalidArgumentError, type Command } from "commander";
import { PROJECT_FILE, type Config } from "../config.ts";
import type { CameraSettings } from "../capture/camera-settings.ts";
import type { GateOptions } from "../capture/frame-gate.ts";
import { SplatError } from "../errors.ts";
import { nonNegativeNumber, positiveNumber, wholeNumber } from "./flags.ts";

/** Flags of what is captured. */
export interface CaptureFlags {
  /** True: the only camera, or the one of the settings. */
  readonly webcam?: true | string;
  readonly size?: string;
  readonly cameraFps?: number;
  readonly cameraDelayMs?: number;
  readonly every?: number;
  readonly maxFps?: number;
  readonly gate?: boolean;
  readonly recursive?: boolean;
  readonly include?: string[];
  readonly exclude?: string[];
  readonly fps?: number;
  /** False: its transforms.json is ignored. */
  readonly dataset?: boolean;
}

interface FolderChoice {
  readonly folder: string;
  readonly recursive?: boolean | undefined;
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly ignoreDataset?: boolean | undefined;
}

interface CameraChoice {
  readonly camera: CameraSettings;
  readonly gate: GateOptions;
}

/** A folder with its rules, or a camera with its gate. */
export type CaptureChoice = (FolderChoice | CameraChoice) & { readonly fps?: number | undefined };

/** Add the flags of a camera. */
export function withCamera(command: Command): Command {
  return command
    .optionsGroup("Camera:")
    .option(
      "--webcam [device]",
      "a camera instead of a folder: a device of `splatctl cameras`, rtsp://, http:// (MJPEG) or a video file",
    )
    .option("--size <WxH>", "pixels of the camera's pictures, such as 640x480", pictureSize)
    .option("--camera-fps <n>", "pictures a second that the camera is asked for", positiveNumber)
    .option(
      "--camera-delay-ms <n>",
      "how much later than the shutter its pictures are dated",
      nonNegativeNumber,
    )
    .option("--every <n>", "look at each n-th picture of the camera only", wholeNumber(1))
    .option("--max-fps <n>", "at most so many pictures of the camera a second pass", positiveNumber)
    .option("--no-gate", "let blurred, dark and still pictures of the camera pass too")
    .optionsGroup("Options:");
}

/**
 * What is to be captured; null when nobody says. What is typed wins over SPLAT_CAMERA_URL, that over the project file.
 * Throws `usage` when a folder and a camera are named together, `bad_input` when the project file names both.
 */
export function chooseCapture(
  folder: string | undefined,
  flags: CaptureFlags,
  { project, cameraUrl }: Pick<Config, "project" | "cameraUrl">,
): CaptureChoice | null {
  const { capture: said = {} } = project;
  if (folder !== undefined && flags.webcam !== undefined) {
    throw new SplatError("usage", "a folder and --webcam cannot be captured together", {
      hint: "Leave one out, or run two captures.",
    });
  }
  const isTyped = folder !== undefined || flags.webcam !== undefined;
  if (!isTyped && said.folder !== undefined && said.webcam !== undefined) {
    throw new SplatError("bad_input", `${PROJECT_FILE} names both capture.folder and capture.webcam`, {
      hint: "Say which: a folder, or --webcam.",
    });
  }
  const isCamera = flags.webcam !== undefined || (folder === undefined && said.webcam !== undefined);
  if (!isCamera) requireNoCameraFlags(flags);
  const fps = flags.fps ?? said.fps;
  if (isCamera) return { ...cameraChoice(flags, said, cameraUrl), fps };
  const images = folder ?? said.folder;
  return images === undefined ? null : { ...folderChoice(images, flags, said), fps };
}

type Said = NonNullable<Config["project"]["capture"]>;

function folderChoice(folder: string, flags: CaptureFlags, said: Said): FolderChoice {
  return {
    folder,
    recursive: flags.recursive ?? said.recursive,
    include: flags.include ?? said.include,
    exclude: flags.exclude ?? said.exclude,
    ignoreDataset: flags.dataset === false,
  };
}

function cameraChoice(flags: CaptureFlags, said: Said, cameraUrl: string | undefined): CameraChoice {
  const named = typeof flags.webcam === "string" ? flags.webcam : undefined;
  return {
    camera: {
      device: named ?? cameraUrl ?? said.webcam ?? null,
      size: flags.size ?? said.size,
      fps: flags.cameraFps ?? said.camera_fps,
      delayMs: flags.cameraDelayMs,
    },
    gate: {
      // The flag is true unless it is typed.
      isOff: flags.gate === false || said.gate === false,
      every: flags.every ?? said.every,
      maxFps: flags.maxFps ?? said.max_fps,
    },
  };
}

/** What to say once about an address with a password on the command line; null when there is none. */
export async function visibleSecretWarning({ webcam }: CaptureFlags): Promise<string | null> {
  if (typeof webcam !== "string") return null;
  const { isSecretDevice } = await import("../capture/camera-address.ts");
  if (!isSecretDevice(webcam)) return null;
  return "the camera's password is on the command line, which everybody on this machine can read: put the address into SPLAT_CAMERA_URL and say --webcam alone";
}

/** A camera's flags without a camera would do nothing, silently. */
function requireNoCameraFlags(flags: CaptureFlags): void {
  const typed = [
    [flags.size, "--size"],
    [flags.cameraFps, "--camera-fps"],
    [flags.cameraDelayMs, "--camera-delay-ms"],
    [flags.every, "--every"],
    [flags.maxFps, "--max-fps"],
    // True unless it is typed.
    [flags.gate === false ? false : undefined, "--no-gate"],
  ] as const;
  const stray = typed.find(([value]) => value !== undefined);
  if (stray === undefined) return;
  throw new SplatError("usage", `${stray[1]} is for a camera`, {
    hint: "Say --webcam too, or leave it out.",
  });
}

function pictureSize(text: string): string {
  if (/^[1-9]\d{0,4}x[1-9]\d{0,4}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be like 640x480.");
}
