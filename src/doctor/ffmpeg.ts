/** ffmpeg, through which cameras are read. */
import type { Check, Finding } from "./check.ts";
import type { DoctorContext } from "./context.ts";

/** The checks. */
export const ffmpegChecks: readonly Check[] = [{ id: "ffmpeg", group: "ffmpeg", run: checkFfmpeg }];

/** By platform: what ffmpeg calls its way to cameras. */
const CAMERA_INPUT: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "v4l2",
  darwin: "avfoundation",
  win32: "dshow",
};

async function checkFfmpeg(context: DoctorContext, signal: AbortSignal): Promise<Finding[]> {
  const { system, config } = context;
  const ask = (...args: string[]) => system.run(["ffmpeg", "-hide_banner", ...args], signal);
  const [version, devices, decoders, encoders] = await Promise.all([
    ask("-version"),
    ask("-devices"),
    ask("-decoders"),
    ask("-encoders"),
  ]);
  const install = await installFix(context);
  if (version === null) {
    const isNeeded = config?.project.capture?.webcam !== undefined;
    const why = isNeeded
      ? "and the camera of this folder's project is read with it"
      : "cameras are read with it";
    return [
      { state: isNeeded ? "failed" : "absent", message: `ffmpeg is not installed: ${why}`, fix: install },
    ];
  }
  const [, name] = /^ffmpeg version (\S+)/m.exec(version.output) ?? [];
  if (version.code !== 0 || name === undefined) {
    const message = `the program ffmpeg does not run: ${firstLine(version.output) || `it ended with ${version.code}`}`;
    return [{ state: "failed", message, fix: `Install it anew. ${install}` }];
  }
  const input = CAMERA_INPUT[system.platform];
  const missing = [
    ...(input !== undefined && !lists(devices?.output, input) ? [`its way to cameras (${input})`] : []),
    ...(lists(decoders?.output, "mjpeg") ? [] : ["the decoder of cameras' pictures (mjpeg)"]),
    ...(lists(encoders?.output, "mjpeg") ? [] : ["the encoder of JPEG pictures (mjpeg)"]),
  ];
  const facts = { version: name, missing };
  if (missing.length > 0) {
    const message = `ffmpeg ${name} was built without ${missing.join(" and ")}`;
    return [{ state: "failed", message, fix: `Install a full one. ${install}`, facts }];
  }
  const what = input === undefined ? "mjpeg" : `${input} and mjpeg`;
  return [{ state: "ok", message: `ffmpeg ${name}, with ${what}`, facts }];
}

/** Lines such as ` D  v4l2   Video4Linux2` and ` V....D mjpeg   MJPEG`; names may be joined by commas. */
function lists(output: string | undefined, name: string): boolean {
  return (output ?? "").split("\n").some((line) => {
    const [flags = "", names = ""] = line.trim().split(/\s+/);
    return /^[A-Z.]+$/.test(flags) && names.split(",").includes(name);
  });
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0].slice(0, 200);
}

/** By the family of a Linux system. */
const PACKAGE_MANAGERS: readonly (readonly [family: RegExp, command: string])[] = [
  [/debian|ubuntu|raspbian/, "sudo apt install ffmpeg"],
  [/fedora/, "sudo dnf install ffmpeg-free"],
  [/rhel|centos/, "sudo dnf install ffmpeg"],
  [/arch/, "sudo pacman -S ffmpeg"],
  [/suse/, "sudo zypper install ffmpeg"],
  [/alpine/, "sudo apk add ffmpeg"],
  [/nixos/, "nix profile install nixpkgs#ffmpeg"],
];

/** How it is installed on this system. */
async function installFix({ system }: DoctorContext): Promise<string> {
  if (system.platform === "darwin") return "Install it: `brew install ffmpeg`";
  if (system.platform === "win32") return "Install it: `winget install Gyan.FFmpeg`";
  const { ID = "", ID_LIKE = "" } = system.platform === "linux" ? await system.osRelease() : {};
  const families = [ID, ...ID_LIKE.split(" ")];
  for (const family of families) {
    const known = PACKAGE_MANAGERS.find(([pattern]) => family !== "" && pattern.test(family));
    if (known !== undefined) return `Install it: \`${known[1]}\``;
  }
  return "Install it from your system's packages, or from https://ffmpeg.org/download.html";
}
