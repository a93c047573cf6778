/** What is wrong with a camera, and what to do about it, from what ffmpeg says or a network answers. */
import { SplatError, type ErrorCode } from "../errors.ts";
import { shownAddress, withoutSecrets, type CameraAddress } from "./camera-address.ts";

interface Meaning {
  readonly sign: RegExp;
  readonly code?: ErrorCode;
  /** Behind the camera's name. */
  readonly what: string;
  readonly hint: string;
}

const SEE_CAMERAS = "`splatctl cameras` lists those of this machine.";
const LOGIN = "Put user:password@ into the address, best in the environment as SPLAT_CAMERA_URL.";

/** The first sign that is found counts. */
const MEANINGS: readonly Meaning[] = [
  {
    sign: /401 unauthorized|authorization failed|403 forbidden/i,
    code: "not_configured",
    what: "asks for a login, or refuses the one it was given",
    hint: LOGIN,
  },
  {
    sign: /device or resource busy|resource busy|device (?:is )?(?:already )?in use|could not run graph|cannot use .* because it is in use/i,
    what: "is in use by another program",
    hint: "Close the program that shows it (a browser, a video call, another splatctl).",
  },
  {
    sign: /permission denied|not authorized to capture|operation not permitted/i,
    what: "may not be opened by this user",
    hint: permissionHint(),
  },
  {
    sign: /VIDIOC_(?:S_FMT|TRY_FMT)|could not set video options|the driver changed the video|selected (?:video size|framerate|pixel format) .*not supported|VIDIOC_S_PARM/i,
    what: "does not give pictures of this size or rate",
    hint: "`splatctl cameras` shows what it gives; name it with --size and --camera-fps.",
  },
  {
    sign: /not a video capture device|inappropriate ioctl|cannot find a proper format/i,
    what: "gives no pictures: it is the other half of a camera, or no camera",
    hint: SEE_CAMERAS,
  },
  {
    sign: /connection refused/i,
    what: "refuses the connection",
    hint: "Is it switched on, and is the port right?",
  },
  {
    sign: /404 not found|method describe failed: 404|stream not found|400 bad request|454 session/i,
    what: "has no stream at this path",
    hint: "Its manual, or its own web page, names the address of the stream.",
  },
  {
    sign: /name or service not known|failed to resolve|could not resolve|nodename nor servname|temporary failure in name/i,
    what: "has a host name that nobody knows",
    hint: "Try its IP address.",
  },
  {
    sign: /timed out|etimedout|no route to host|network is unreachable|host is down|network is down/i,
    what: "does not answer",
    hint: "Is it switched on, and in the same network?",
  },
  {
    sign: /could not find (?:video )?device|video device not found|no such device|no such file or directory|cannot open video device|i\/o error|input\/output error/i,
    what: "is not there",
    hint: `Is it plugged in? ${SEE_CAMERAS}`,
  },
  {
    sign: /no such filter|error initializing filter|error parsing|option .* not found|matches no streams|invalid data found/i,
    what: "cannot be read as pictures",
    hint: "Try the same with `ffmpeg -i`.",
  },
];

/** Why a camera gave nothing (any more). `words`: what ffmpeg said last; may hold secrets, the result does not. */
export function cameraTrouble(address: CameraAddress, words: string): SplatError {
  const said = lastLine(withoutSecrets(words, address));
  const meaning = MEANINGS.find(({ sign }) => sign.test(words));
  const name = nameOf(address);
  const cause = said === "" ? undefined : new Error(`ffmpeg: ${said}`);
  if (meaning === undefined) {
    return new SplatError("bad_input", `${name} gives no pictures`, { hint: SEE_CAMERAS, cause });
  }
  const { code = "bad_input", what } = meaning;
  const isFile = address.kind === "file" || address.kind === "lavfi";
  const hint = isFile && meaning.hint.includes(SEE_CAMERAS) ? "Is the path right?" : meaning.hint;
  return new SplatError(code, `${name} ${what}`, { hint, cause });
}

/** `bad_input`: it runs, and no picture comes. */
export function silentCamera(address: CameraAddress, silentMs: number): SplatError {
  return new SplatError("bad_input", `${nameOf(address)} has sent no picture for ${silentMs / 1000} s`, {
    hint: address.kind === "network" ? "Is it in reach still?" : "Pull its plug and put it in again.",
  });
}

/** `not_configured`: what reads cameras is missing, and how this system gets it. */
export function ffmpegMissing(platform: NodeJS.Platform = process.platform): SplatError {
  const by: Partial<Record<NodeJS.Platform, string>> = {
    darwin: "`brew install ffmpeg`",
    win32: "`winget install Gyan.FFmpeg`, then a new terminal",
    linux:
      "`sudo apt install ffmpeg` (Debian, Ubuntu, Raspberry Pi OS), `sudo dnf install ffmpeg-free` (Fedora)",
  };
  return new SplatError("not_configured", "cameras are read with ffmpeg, which is not installed here", {
    hint: `Install it: ${by[platform] ?? "see https://ffmpeg.org/download.html"}. MJPEG over http:// needs none.`,
  });
}

/** A camera as a sentence begins with it. */
export function nameOf(address: CameraAddress): string {
  const words = { device: "the camera", network: "the camera", file: "the video", lavfi: "the source" };
  return `${words[address.kind]} ${shownAddress(address)}`;
}

function permissionHint(platform: NodeJS.Platform = process.platform): string {
  if (platform === "darwin") {
    return "Allow your terminal the camera: System Settings > Privacy & Security > Camera.";
  }
  if (platform === "win32") return "Allow desktop apps the camera: Settings > Privacy & security > Camera.";
  return "`sudo usermod -aG video $USER`, then log in again.";
}

function lastLine(words: string): string {
  const lines = words
    .split(/[\r\n]+/)
    .map((line) => line.replaceAll(/ @ 0x[0-9a-f]+|\p{C}/giu, "").trim())
    .filter((line) => line !== "" && !/^(?:conversion failed|last message repeated)/i.test(line));
  return (lines.at(-1) ?? "").slice(0, 300);
}
