/** Cameras in words, for a terminal and for scripts. */
import type { CameraFormat, CameraInfo } from "../capture/camera-choice.ts";
import { alignTable } from "./table.ts";

/** Sizes that are named for each format; the rest is counted. */
const NAMED = 4;

/** A line for each camera, and what to type. */
export function describeCameras(cameras: readonly CameraInfo[]): string {
  if (cameras.length === 0) {
    return "this machine has no camera; --webcam also takes rtsp://…, http://… (MJPEG) and a video file";
  }
  const columns = [{ title: "CAMERA" }, { title: "NAME" }, { title: "FORMATS" }];
  const rows = cameras.map(({ path, name, formats }) => [
    path,
    name,
    formats.length === 0 ? "not known" : formats.map(describeFormat).join("; "),
  ]);
  return alignTable(columns, rows).join("\n");
}

/** A camera as `--json` prints it. */
export function cameraJson({ path, name, id, formats }: CameraInfo): object {
  return { path, name, id, formats };
}

function describeFormat({ name, sizes }: CameraFormat): string {
  const largest = sizes.toSorted((a, b) => pixels(b) - pixels(a));
  const more = largest.length > NAMED ? ` and ${largest.length - NAMED} more` : "";
  return `${name} ${largest.slice(0, NAMED).join(" ")}${more}`.trim();
}

function pixels(size: string): number {
  const [width, height] = size.split("x").map(Number);
  return width * height;
}
