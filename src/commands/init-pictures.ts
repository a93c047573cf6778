/** `splatctl init`: where pictures come from. */
import { constants } from "node:fs";
import { access, readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { isSecretDevice, parseCameraAddress } from "../capture/camera-address.ts";
import { chooseCamera } from "../capture/camera-choice.ts";
import { openCamera } from "../capture/camera.ts";
import { listCameras } from "../capture/camera-list.ts";
import { messageOf, SplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import { settle, tell, tryOut, type InitDesk } from "./init-desk.ts";

/** Where pictures come from, as the project file says it. */
export interface PicturesAnswer {
  readonly folder: string | null;
  /** It is not there, and is to be made. */
  readonly isNew: boolean;
  readonly webcam: string | null;
}

const NONE: PicturesAnswer = { folder: null, isNew: false, webcam: null };
const USUAL_FOLDER = "captures";
/** A camera may take some seconds to wake. */
const PICTURE_MS = 20_000;

/** Ask for it, and try it. */
export async function askPictures(desk: InitDesk): Promise<PicturesAnswer> {
  const { flags, questions, config } = desk;
  const before = config.project.capture;
  if (!flags.pictures) return NONE;
  const given = flags.folder !== undefined ? "folder" : flags.webcam !== undefined ? "webcam" : undefined;
  const usual = before?.folder === undefined && before?.webcam !== undefined ? "webcam" : "folder";
  for (;;) {
    const kind =
      given ??
      (await questions?.choose(
        "Where do pictures come from?",
        [
          { value: "folder", label: "a folder that something writes them into" },
          { value: "webcam", label: "a camera: of this machine, or of the network" },
          { value: "none", label: "nowhere yet" },
        ],
        usual,
      )) ??
      usual;
    if (kind === "none") return NONE;
    const answer = kind === "folder" ? await askFolder(desk) : await askCamera(desk);
    if (answer !== null) return answer;
  }
}

async function askFolder(desk: InitDesk): Promise<PicturesAnswer> {
  const { flags, config } = desk;
  const usual = config.project.capture?.folder ?? USUAL_FOLDER;
  return await settle(
    desk,
    flags.folder,
    usual,
    (questions) => questions.ask("folder", usual),
    async (typed) => {
      const folder = typed === "~" || typed.startsWith("~/") ? join(homedir(), typed.slice(1)) : typed;
      const pictures = await countPictures(folder);
      const shown = printable(folder);
      const says =
        pictures === null
          ? `the folder ${shown} will be made`
          : `the folder ${shown} is there, ${pictures} pictures in it`;
      tell(desk, { name: "folder", state: "ok", says });
      return { ...NONE, folder, isNew: pictures === null };
    },
  );
}

/** Null when there is no such folder, and one can be made. Throws `bad_input` when it cannot be used. */
async function countPictures(folder: string): Promise<number | null> {
  const shown = printable(folder);
  try {
    const found = await stat(folder).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    });
    if (found === null) {
      await access(await parentOf(folder), constants.W_OK);
      return null;
    }
    if (!found.isDirectory()) throw new SplatError("bad_input", `${shown} is a file, not a folder`);
    return (await readdir(folder)).filter((name) => /\.(?:jpe?g|png)$/i.test(name)).length;
  } catch (error) {
    if (error instanceof SplatError) throw error;
    throw new SplatError("bad_input", `the folder ${shown} cannot be used: ${printable(messageOf(error))}`);
  }
}

/** The nearest folder around it that there is. */
async function parentOf(folder: string): Promise<string> {
  const parent = dirname(resolve(folder));
  const found = await stat(parent).catch(() => null);
  return found === null && parent !== dirname(parent) ? await parentOf(parent) : parent;
}

/** Null when another answer is wanted. */
async function askCamera(desk: InitDesk): Promise<PicturesAnswer | null> {
  const { flags, questions, config } = desk;
  const given = flags.webcam === true ? chooseCamera(await listCameras(), "").id : flags.webcam;
  const cameras = given === undefined && questions !== null ? await camerasHere(desk) : [];
  const before = config.project.capture?.webcam;
  const listed = cameras.map(({ id, name, path }) => ({ value: id, label: printable(`${name} (${path})`) }));
  const elsewhere = "elsewhere";
  let device = given;
  if (device === undefined && listed.length > 0 && questions !== null) {
    const usual = listed.find(({ value }) => value === before)?.value ?? listed[0].value;
    const chosen = await questions.choose(
      "Which camera?",
      [...listed, { value: elsewhere, label: "another: rtsp://…, http://…, or a device" }],
      usual,
    );
    device = chosen === elsewhere ? undefined : chosen;
  }
  const webcam = await settle(
    desk,
    device,
    before ?? "",
    (asked) => asked.ask("camera (a device, rtsp://… or http://…)", before),
    checkCamera,
  );
  if (webcam === "") {
    throw new SplatError("usage", "no camera is named", {
      hint: "Add --webcam DEVICE; splatctl cameras lists them.",
    });
  }
  const tried = await tryOut(
    desk,
    "camera",
    () => lookThrough(webcam, desk.signal),
    desk.flags.webcam === undefined,
  );
  return tried === "other" ? null : { ...NONE, webcam };
}

async function camerasHere(desk: InitDesk): ReturnType<typeof listCameras> {
  const cameras = await listCameras().catch((error: unknown) => {
    if (!(error instanceof SplatError)) throw error;
    tell(desk, { name: "camera", state: "no", says: error.message, hint: error.hint });
    return [];
  });
  if (cameras.length === 0) {
    tell(desk, {
      name: "camera",
      state: "note",
      says: "this machine shows no camera; one of the network has an address",
    });
  }
  return cameras;
}

/** Throws `usage` for what cannot be a camera, and for an address that holds a password. */
function checkCamera(device: string): string {
  parseCameraAddress(device, () => false);
  if (!isSecretDevice(device)) return device;
  throw new SplatError("usage", "the address holds a password, and splatctl.json is shared", {
    hint: "Give it without; the whole of it goes into SPLAT_CAMERA_URL.",
  });
}

/** What one picture of it says. Throws what is wrong with it. */
async function lookThrough(device: string, signal: AbortSignal): Promise<string> {
  const stop = new AbortController();
  const limit = AbortSignal.any([signal, stop.signal, AbortSignal.timeout(PICTURE_MS)]);
  const camera = await openCamera({ device }, limit);
  const said: string[] = [];
  const listener = {
    onNote: (line: string) => said.push(line),
    onWarning: (line: string) => said.push(line),
  };
  try {
    for await (const { value } of camera.frames(listener, limit)) {
      return `${printable(camera.name)} gives pictures (the first has ${Math.round(value.bytes.length / 1000)} kB)`;
    }
  } finally {
    stop.abort();
  }
  signal.throwIfAborted();
  throw new SplatError("bad_input", `no picture came from ${printable(camera.name)}`, { hint: said.at(-1) });
}
