/** How ffmpeg (4.4 to 8) is called for a camera. Pure: what is asked, in words of its command line. */

/** What is opened, resolved to something that ffmpeg knows. */
export type FfmpegInput =
  | { readonly kind: "v4l2" | "avfoundation" | "dshow"; readonly path: string; readonly givesJpeg: boolean }
  | { readonly kind: "rtsp"; readonly url: string }
  | { readonly kind: "http"; readonly url: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "lavfi"; readonly graph: string };

/** Whose clock the time stamps of the packets show. */
export type StampClock =
  /** The kernel's, of the first bytes of a picture: monotonic or Unix, as the driver has it. */
  | "kernel"
  /** Unix time at which ffmpeg took the packet. */
  | "wall"
  /** The file's own, from 0. */
  | "file";

export interface FfmpegCall {
  readonly args: readonly string[];
  readonly clock: StampClock;
}

export interface FfmpegWishes {
  readonly size?: string | undefined;
  readonly fps?: number | undefined;
  /** ffmpeg's version, major and minor. */
  readonly version: readonly [number, number];
  /** A network camera that is silent for so long is given up, milliseconds. */
  readonly silentAfterMs: number;
}

/** JPEG quality of what has to be encoded, ffmpeg's scale of 2 (best) to 31. */
const QUALITY = 2;

/**
 * The arguments behind `ffmpeg`. Pictures come on descriptor 1; on 3, before each, a line with its time and size: the
 * tee muxer hands the same packet to both, so that no count can slip.
 */
export function ffmpegCall(input: FfmpegInput, wishes: FfmpegWishes): FfmpegCall {
  const clock = clockOf(input);
  const isCopied = "givesJpeg" in input && input.givesJpeg;
  const passthrough = isAtLeast(wishes.version, 5, 1) ? "-fps_mode" : "-vsync";
  const scale = "givesJpeg" in input || wishes.size === undefined ? [] : ["-vf", scaleTo(wishes.size)];
  // The encoder counts in frames otherwise, and rounds the times to them.
  const timed = ["-enc_time_base", "1:1000000", passthrough, "passthrough"];
  const encoded = [...scale, ...timed, "-c:v", "mjpeg", "-q:v", String(QUALITY), "-threads", "1"];
  const quiet = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"];
  // Several threads hold back as many pictures.
  const decoding = isCopied ? [] : ["-threads", "1"];
  const dated = clock === "wall" ? ["-use_wallclock_as_timestamps", "1"] : [];
  const both = "[f=framecrc:flush_packets=1]pipe:3|[f=mjpeg:flush_packets=1]pipe:1";
  const coded = isCopied ? ["-c:v", "copy"] : encoded;
  const output = ["-map", "0:v:0", "-copyts", ...coded, "-f", "tee", both];
  return { clock, args: [...quiet, ...decoding, ...dated, ...inputArgs(input, wishes), ...output] };
}

/** Only v4l2's stamps are known to be of a clock that can be read here too. */
function clockOf({ kind }: FfmpegInput): StampClock {
  if (kind === "v4l2") return "kernel";
  return kind === "file" || kind === "lavfi" ? "file" : "wall";
}

function inputArgs(input: FfmpegInput, { size, fps, version, silentAfterMs }: FfmpegWishes): string[] {
  const sized = size === undefined ? [] : ["-video_size", size];
  const paced = fps === undefined ? [] : ["-framerate", String(fps)];
  const silentAfterUs = String(silentAfterMs * 1000);
  if (input.kind === "v4l2") {
    const format = input.givesJpeg ? ["-input_format", "mjpeg"] : [];
    return ["-f", "v4l2", ...format, ...sized, ...paced, "-i", input.path];
  }
  if (input.kind === "avfoundation") {
    // Its own default, 29.97, is refused by most cameras.
    return ["-f", "avfoundation", ...sized, "-framerate", String(fps ?? 30), "-i", `${input.path}:none`];
  }
  if (input.kind === "dshow") {
    const format = input.givesJpeg ? ["-vcodec", "mjpeg"] : [];
    return ["-f", "dshow", "-rtbufsize", "64M", ...format, ...sized, ...paced, "-i", `video=${input.path}`];
  }
  if (input.kind === "rtsp") {
    const timeout = isAtLeast(version, 5, 0) ? "-timeout" : "-stimeout";
    const soon = ["-rtsp_transport", "tcp", "-fflags", "nobuffer", "-flags", "low_delay"];
    return [...soon, timeout, silentAfterUs, "-i", input.url];
  }
  if (input.kind === "http") return ["-rw_timeout", silentAfterUs, "-fflags", "nobuffer", "-i", input.url];
  if (input.kind === "lavfi") return ["-re", "-f", "lavfi", "-i", input.graph];
  return ["-re", "-i", `file:${input.path}`];
}

function scaleTo(size: string): string {
  return `scale=${size.replace("x", ":")}`;
}

function isAtLeast(
  [major, minor]: readonly [number, number],
  wantedMajor: number,
  wantedMinor: number,
): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
