/** A camera as a source of frames: found, opened, dated and named. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { SplatError } from "../errors.ts";
import { holdsSecret, identityOf, parseCameraAddress, type CameraAddress } from "./camera-address.ts";
import { chooseCamera } from "./camera-choice.ts";
import { ffmpegPictures, ffmpegVersion } from "./camera-ffmpeg.ts";
import { ffmpegCall, type FfmpegInput, type FfmpegWishes } from "./camera-ffmpeg-args.ts";
import { httpKind, httpPictures } from "./camera-http.ts";
import { listCameras, unlistedCamera } from "./camera-list.ts";
import { livePictures, type CameraListener } from "./camera-live.ts";
import type { CameraPicture, OpenPictures } from "./camera-picture.ts";
import type { CameraSettings } from "./camera-settings.ts";
import { openRtspDoor } from "./camera-rtsp-door.ts";
import { cameraTrouble, nameOf, silentCamera } from "./camera-trouble.ts";
import type { Frame, Sample } from "./sample.ts";

/** A camera that can be read. */
export interface Camera {
  /** For people; holds no secret. */
  readonly name: string;
  /** The same for the same camera, in every run; holds no secret. */
  readonly identity: string;
  /** It ends by itself, as a file does; then nothing of it is left out. */
  readonly hasEnd: boolean;
  /** Its pictures as frames. Throws what is wrong with it when not one comes; see `livePictures`. */
  frames(listener: CameraListener, signal: AbortSignal): AsyncGenerator<Sample<Frame>>;
}

/** A start may have to switch a sensor on, or wait for the first picture that stands for itself. */
const START_MS = 15_000;
const STALL_MS = 5000;
/** Stamps of two pictures may cross by less; more, and the clock was set back. */
const SET_BACK_US = 1e6;

/**
 * Find a camera. Throws `usage` for an address that cannot be one, `bad_input` when there is none or several, and
 * `not_configured` when ffmpeg is needed and missing, or a network camera asks for a login.
 */
export async function openCamera(settings: CameraSettings, signal: AbortSignal): Promise<Camera> {
  const address = await addressOf(settings.device);
  const { open, identity } = await openerOf(address, settings, signal);
  const hasEnd = address.kind === "file" || address.kind === "lavfi";
  const name = nameOf(address);
  const slowest = settings.fps === undefined ? 0 : 3000 / settings.fps;
  const stallMs = Math.max(STALL_MS, slowest);
  const silent = (silentMs: number): SplatError => silentCamera(address, silentMs);
  return {
    name,
    identity,
    hasEnd,
    frames(listener, ending) {
      const pictures = hasEnd
        ? open(ending)
        : livePictures({ name, open, silent, startMs: START_MS, stallMs }, listener, ending);
      return asFrames(pictures, { identity, delayMs: settings.delayMs ?? 0 });
    },
  };
}

async function addressOf(device: string | null): Promise<CameraAddress> {
  if (device !== null) return parseCameraAddress(device, isFile);
  return { kind: "device", device: "" };
}

async function openerOf(
  address: CameraAddress,
  settings: CameraSettings,
  signal: AbortSignal,
): Promise<{ open: OpenPictures; identity: string }> {
  const { size, fps } = settings;
  const called = async (input: FfmpegInput): Promise<OpenPictures> => {
    const version = await ffmpegVersion();
    const call = ffmpegCall(input, { size, fps, version, silentAfterMs: STALL_MS });
    return (ending) => ffmpegPictures(address, call, ending);
  };
  const identity = identityOf(address);
  if (address.kind === "lavfi") return { open: await called(address), identity };
  if (address.kind === "file") {
    const path = await realpath(address.path).catch(() => {
      throw new SplatError("bad_input", `there is no video ${address.path}`, { hint: "Is the path right?" });
    });
    return { open: await called({ kind: "file", path }), identity: path };
  }
  if (address.kind === "device") {
    const found = (await unlistedCamera(address.device)) ?? chooseCamera(await listCameras(), address.device);
    return { open: await called(found.input), identity: found.id };
  }
  const isHttp = address.url.protocol.startsWith("http");
  if (isHttp && (await httpKind(address, signal)) === "mjpeg") {
    return { open: (ending) => httpPictures(address, ending), identity };
  }
  const { href } = address.url;
  if (!holdsSecret(address))
    return { open: await called({ kind: isHttp ? "http" : "rtsp", url: href }), identity };
  if (isHttp) {
    throw new SplatError("bad_input", `${nameOf(address)} has a login and sends no MJPEG`, {
      hint: "ffmpeg would have to show the password to everybody on this machine. Give its rtsp:// address.",
    });
  }
  const version = await ffmpegVersion();
  return {
    open: (ending) => behindDoor(address, { size, fps, version, silentAfterMs: STALL_MS }, ending),
    identity,
  };
}

/** The pictures of an RTSP camera whose login nobody else is to see. */
async function* behindDoor(
  address: Extract<CameraAddress, { kind: "network" }>,
  wishes: FfmpegWishes,
  signal: AbortSignal,
): AsyncGenerator<CameraPicture> {
  const door = await openRtspDoor(address.url);
  try {
    yield* ffmpegPictures(address, ffmpegCall({ kind: "rtsp", url: door.url }, wishes), signal);
  } catch (thrown) {
    const trouble = door.trouble();
    throw trouble === null ? thrown : cameraTrouble(address, trouble);
  } finally {
    door.close();
  }
}

/**
 * Frames with names and ids of their own: no two of one camera have the same microsecond. `identity` is the camera's;
 * `delayMs` is taken off each time.
 */
export async function* asFrames(
  pictures: AsyncIterable<CameraPicture>,
  { identity, delayMs }: { readonly identity: string; readonly delayMs: number },
): AsyncGenerator<Sample<Frame>> {
  const camera = createHash("sha256").update(identity).digest("hex").slice(0, 12);
  let lastUs = 0;
  for await (const { bytes, capturedAtS } of pictures) {
    const takenUs = Math.round((capturedAtS - delayMs / 1000) * 1e6);
    // A clock that was set back is followed: with the old time frozen nothing would seem to happen any more.
    const us = lastUs - takenUs < SET_BACK_US ? Math.max(lastUs + 1, takenUs) : takenUs;
    lastUs = us;
    yield {
      capturedAtS: us / 1e6,
      value: {
        frameId: `cam-${camera}-${us}`,
        name: `camera-${stampOf(us)}.jpg`,
        bytes,
        mediaType: "image/jpeg",
        version: null,
      },
    };
  }
}

/** `20261123T221000.123456Z`. */
function stampOf(us: number): string {
  const seconds = new Date(Math.floor(us / 1e6) * 1000).toISOString().replaceAll(/[-:]|\.\d+Z$/g, "");
  return `${seconds}.${String(us % 1e6).padStart(6, "0")}Z`;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
