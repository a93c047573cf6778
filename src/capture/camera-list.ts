/** The cameras of this machine. */
import { execFile } from "node:child_process";
import { readdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { CameraFormat, CameraInfo } from "./camera-choice.ts";
import { parseAvfoundation, parseDshow, parseDshowOptions, parseV4l2Formats } from "./camera-list-parse.ts";
import { ffmpegMissing } from "./camera-trouble.ts";

/** Where a machine says what it has; others in tests. */
export interface ListPlaces {
  readonly platform?: NodeJS.Platform;
  readonly sys?: string;
  readonly dev?: string;
}

const LIST_MS = 10_000;
/** Nodes of a board's own codecs and image processors: they show pictures to programs, and take none. */
const NO_CAMERA = /codec|\bisp\b|-isp|pispbe|rpivid|hevc|encoder|decoder|scaler|jpeg-dec/i;
const MJPEG = "mjpeg";

/**
 * All of them, in a lasting order. On Linux this needs no ffmpeg (which then tells formats); elsewhere it throws
 * `not_configured` without.
 */
export async function listCameras({
  platform = process.platform,
  sys = "/sys/class/video4linux",
  dev = "/dev",
}: ListPlaces = {}): Promise<CameraInfo[]> {
  if (platform === "linux") return await linuxCameras(sys, dev);
  if (platform === "darwin") return await macCameras();
  return platform === "win32" ? await windowsCameras() : [];
}

async function linuxCameras(sys: string, dev: string): Promise<CameraInfo[]> {
  const nodes = (await readdir(sys).catch(() => [])).filter((name) => /^video\d+$/.test(name));
  const lasting = await lastingNames(join(dev, "v4l", "by-id"));
  const cameras: CameraInfo[] = [];
  for (const node of nodes.toSorted((a, b) => Number(a.slice(5)) - Number(b.slice(5)))) {
    const read = (file: string): Promise<string> =>
      readFile(join(sys, node, file), "utf8").then(
        (text) => text.trim(),
        () => "",
      );
    const name = tidyName(await read("name")) || node;
    const index = await read("index");
    // A camera's second node has its metadata.
    if (NO_CAMERA.test(name) || (index !== "" && index !== "0")) continue;
    const path = join(dev, node);
    cameras.push(await v4l2Camera(name, path, lasting.get(path) ?? path));
  }
  return cameras;
}

/** `path`: for people; `id`: lasting. Without ffmpeg nothing is known of its formats. */
async function v4l2Camera(name: string, path: string, id: string): Promise<CameraInfo> {
  const text = await printed(["-f", "v4l2", "-list_formats", "all", "-i", id]).catch(() => "");
  const formats = parseV4l2Formats(text);
  const givesJpeg = formats.some((format) => format.name === MJPEG);
  return { name, path, id, formats, input: { kind: "v4l2", path: id, givesJpeg } };
}

/** A path of Linux that is there, listed or not: a container may have the device alone. Null for any other name. */
export async function unlistedCamera(device: string): Promise<CameraInfo | null> {
  if (process.platform !== "linux" || !device.startsWith("/dev/")) return null;
  const path = await realpath(device).catch(() => null);
  if (path === null) return null;
  const lasting = await lastingNames("/dev/v4l/by-id");
  return await v4l2Camera(device, device, lasting.get(path) ?? device);
}

/** Device paths by what udev calls them for good. */
async function lastingNames(folder: string): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  for (const name of await readdir(folder).catch(() => [])) {
    const path = await realpath(join(folder, name)).catch(() => null);
    if (path !== null && !names.has(path)) names.set(path, join(folder, name));
  }
  return names;
}

/** Drivers cut names at 31 bytes, often in their second half, which says the first again. */
function tidyName(name: string): string {
  const [first, second] = name.split(": ");
  return second !== undefined && first.startsWith(second.trim()) ? first : name;
}

async function macCameras(): Promise<CameraInfo[]> {
  const text = await printed(["-f", "avfoundation", "-list_devices", "true", "-i", ""]);
  return parseAvfoundation(text).map(({ name }) => ({
    name,
    path: name,
    id: `avfoundation:${name}`,
    formats: [],
    // By its name: numbers change with what is plugged in.
    input: { kind: "avfoundation", path: name, givesJpeg: false },
  }));
}

async function windowsCameras(): Promise<CameraInfo[]> {
  const listed = parseDshow(await printed(["-f", "dshow", "-list_devices", "true", "-i", "dummy"]));
  const cameras: CameraInfo[] = [];
  for (const { name, id } of listed) {
    // Two of one make have one name: the other one is their own. ffmpeg takes a colon for the end of it.
    const isAlone = listed.filter((other) => other.name === name).length === 1;
    const path = (isAlone ? name : (id ?? name)).replaceAll(":", "_");
    const formats: CameraFormat[] = parseDshowOptions(
      await printed(["-f", "dshow", "-list_options", "true", "-i", `video=${path}`]),
    );
    const givesJpeg = formats.some((format) => format.name === MJPEG);
    cameras.push({ name, path, id: id ?? path, formats, input: { kind: "dshow", path, givesJpeg } });
  }
  return cameras;
}

/** What ffmpeg says to a question; it always ends with an error. Throws `not_configured` when there is none. */
function printed(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: LIST_MS, windowsHide: true };
    execFile("ffmpeg", ["-hide_banner", "-nostdin", ...args], options, (error, stdout, stderr) => {
      if (error !== null && (error as NodeJS.ErrnoException).code === "ENOENT") reject(ffmpegMissing());
      else resolve(`${stderr}\n${stdout}`);
    });
  });
}
