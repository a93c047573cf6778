/** The cameras: which there are, whether this user may open them, who has them. */
import { statSync } from "node:fs";
import { parseCameraAddress, shownAddress } from "../capture/camera-address.ts";
import { chooseCamera, type CameraInfo } from "../capture/camera-choice.ts";
import { messageOf, SplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import { describeHolders } from "../robot/port-holders.ts";
import type { Check, Finding } from "./check.ts";
import type { DoctorContext } from "./context.ts";
import { runningHere } from "./daemon-look.ts";
import { accessFix } from "./device-access.ts";
import { failure } from "./run-checks.ts";

/** The checks, in order. A camera may take some seconds to wake. */
export const cameraChecks: readonly Check[] = [
  { id: "cameras", group: "camera", limitMs: 20_000, run: checkCameras },
  { id: "project-camera", group: "camera", limitMs: 20_000, run: checkProjectCamera },
];

type Listed = Pick<CameraInfo, "name" | "path" | "id">;

async function checkCameras(context: DoctorContext, signal: AbortSignal): Promise<Finding[]> {
  const { system } = context;
  let cameras: readonly Listed[];
  try {
    cameras = await system.cameras.list();
  } catch (error) {
    // Without ffmpeg nobody can tell on macOS and Windows, and its own group says so.
    if (!(error instanceof SplatError) || error.code !== "not_configured") throw error;
    return [{ state: "absent", message: "the cameras cannot be listed without ffmpeg", fix: error.hint }];
  }
  const found = await Promise.all(cameras.map((camera) => lookAt(camera, context, signal)));
  const there = found.filter((finding) => finding !== null);
  if (there.length > 0) return there;
  const fix =
    system.platform === "linux"
      ? "Plug one in (in WSL attach it with usbipd, in a container pass /dev/video0 in); a folder of pictures does without"
      : "Plug one in; a folder of pictures does without";
  return [{ state: "absent", message: "no camera is there", fix }];
}

/** Null for one whose device is not there: a container sees its host's list. */
async function lookAt(camera: Listed, context: DoctorContext, signal: AbortSignal): Promise<Finding | null> {
  const { system, asked } = context;
  const { path, name } = camera;
  const id = `camera:${path}`;
  const what = name === path ? printable(name) : `${printable(name)} (${path})`;
  const facts = { device: path, name };
  if (path.startsWith("/")) {
    const access = await system.deviceAccess(path);
    if (access === null) return null;
    if (!access.mayOpen) {
      const fix = accessFix(access, "video");
      return { id, state: "failed", message: `${what} may not be opened by you`, fix, facts };
    }
    const held = await holderFinding(what, { id, facts }, path, context);
    if (held !== null) return held;
  }
  if (!asked.tryCameras) return { id, state: "ok", message: what, facts };
  return { id, ...(await tryOne(what, path, context, signal)) };
}

async function holderFinding(
  what: string,
  known: { readonly id: string; readonly facts: object },
  path: string,
  context: DoctorContext,
): Promise<Finding | null> {
  const holders = (await context.system.ports.holders(path)) ?? [];
  if (holders.length === 0) return null;
  const { id } = known;
  const facts = { ...known.facts, holders };
  const daemons = await runningHere(context);
  const ours = daemons.find(({ pid }) => holders.some((holder) => holder.pid === pid));
  if (ours !== undefined) {
    return { id, state: "ok", message: `${what} is in use by the daemon "${ours.name}"`, facts };
  }
  const message = `${what} is in use by ${describeHolders(holders)}`;
  const fix = "End that program before a capture from this camera";
  return { id, state: "warning", message, fix, facts };
}

async function tryOne(
  what: string,
  device: string,
  { system }: DoctorContext,
  signal: AbortSignal,
): Promise<Finding> {
  try {
    const sizeBytes = await system.cameras.grab(device, signal);
    const message = `${what} gave a picture of ${Math.ceil(sizeBytes / 1000)} kB`;
    return { state: "ok", message, facts: { device: what, picture_bytes: sizeBytes } };
  } catch (error) {
    signal.throwIfAborted();
    const hint = error instanceof SplatError ? error.hint : undefined;
    const fix = hint ?? "Plug it in anew, and look again with `splatctl doctor camera --try`";
    return { state: "failed", message: `${what} gives no picture: ${messageOf(error)}`, fix };
  }
}

/** The camera that the settings name: one of those above, or one in the network. */
async function checkProjectCamera(context: DoctorContext, signal: AbortSignal): Promise<Finding[]> {
  const { cameraUrl, project } = context.config ?? {};
  const wanted = cameraUrl ?? project?.capture?.webcam;
  if (wanted === undefined) return [];
  const whose = cameraUrl === undefined ? "this folder's project" : "SPLAT_CAMERA_URL";
  const address = parseCameraAddress(wanted, isFile);
  if (address.kind === "device") {
    try {
      chooseCamera((await context.system.cameras.list()) as readonly CameraInfo[], wanted);
      return [{ state: "ok", message: `${whose} names ${printable(wanted)}, which is there` }];
    } catch (error) {
      return [failure(error)];
    }
  }
  const what = `the camera of ${whose}, ${shownAddress(address)}`;
  const { tryCameras, offline } = context.asked;
  if (!tryCameras || (offline && address.kind === "network")) {
    const how =
      offline && address.kind === "network" ? "not asked with --offline" : "not asked without --try";
    return [{ state: "skipped", message: `${what}: ${how}` }];
  }
  return [await tryOne(what, wanted, context, signal)];
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
