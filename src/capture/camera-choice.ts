/** Which of a machine's cameras is meant. */
import { SplatError } from "../errors.ts";
import type { FfmpegInput } from "./camera-ffmpeg-args.ts";

/** A camera of this machine. */
export interface CameraInfo {
  readonly name: string;
  /** What `--webcam` takes, and ffmpeg. */
  readonly path: string;
  /** The same after it was unplugged, or another one was plugged in, where the system has such a name. */
  readonly id: string;
  /** Picture formats, `mjpeg`, `yuyv422`, with their sizes; empty when the system does not tell. */
  readonly formats: readonly CameraFormat[];
  readonly input: FfmpegInput;
}

export interface CameraFormat {
  readonly name: string;
  readonly sizes: readonly string[];
}

/** The camera that a user names by path, id, number or (part of) its name; the only one when `wanted` is empty. Throws `bad_input`. */
export function chooseCamera(cameras: readonly CameraInfo[], wanted: string): CameraInfo {
  if (cameras.length === 0) {
    throw new SplatError("bad_input", "this machine has no camera", {
      hint: "Plug one in, or give the address of a network camera.",
    });
  }
  if (wanted === "") {
    if (cameras.length === 1) return cameras[0];
    throw new SplatError("bad_input", `this machine has ${cameras.length} cameras: ${named(cameras)}`, {
      hint: `Say which: --webcam ${quoted(cameras[0].path)}`,
    });
  }
  const word = wanted.toLowerCase();
  const tests: ((camera: CameraInfo) => boolean)[] = [
    ({ path, id }) => path === wanted || id === wanted,
    ({ path }) => /^\d+$/.test(wanted) && (path === `/dev/video${wanted}` || path === wanted),
    ({ name }) => name.toLowerCase() === word,
    ({ name, id }) => name.toLowerCase().includes(word) || id.toLowerCase().includes(word),
  ];
  for (const test of tests) {
    const found = cameras.filter(test);
    if (found.length === 1) return found[0];
    if (found.length > 1) {
      throw new SplatError("bad_input", `several cameras are called "${wanted}": ${named(found)}`, {
        hint: `Say which by its path: --webcam ${quoted(found[0].path)}`,
      });
    }
  }
  throw new SplatError("bad_input", `there is no camera "${wanted}"; there is ${named(cameras)}`, {
    hint: "Is it plugged in? A file of this name is not there either.",
  });
}

function named(cameras: readonly CameraInfo[]): string {
  return cameras.map(({ name, path }) => (name === path ? path : `${path} (${name})`)).join(", ");
}

function quoted(path: string): string {
  return /^[\w./:@-]+$/.test(path) ? path : JSON.stringify(path);
}
