/** What a camera is called: devices, network addresses, files; and what of it may be shown. */
import { createHash } from "node:crypto";
import { SplatError } from "../errors.ts";
import { keepSecret } from "../redact.ts";

/** Where pictures come from. */
export type CameraAddress =
  /** A name, path or number, as the system's own list has them. */
  | { readonly kind: "device"; readonly device: string }
  | { readonly kind: "network"; readonly url: URL }
  | { readonly kind: "file"; readonly path: string }
  /** A graph of ffmpeg's filters that makes pictures. */
  | { readonly kind: "lavfi"; readonly graph: string };

const LAVFI = "lavfi:";
const SCHEMES = ["rtsp:", "rtsps:", "http:", "https:"];

/** Keys of a query whose values are no secret, */
const PLAIN_KEYS =
  /^(?:res|resolution|size|width|height|w|h|fps|framerate|quality|compression|channel|subtype|stream|profile|camera|cam|id|action|type|codec|rotation)$/i;
/** as long as they are words or numbers: a camera's `id` may be all that it asks for. */
const PLAIN_VALUE = /^(?:[^%]{0,8}|[\d.x]{1,12})$/;
/** Parts of a path that hold a login, as some recorders have them. */
const LOGIN_IN_PATH = /((?:user|username|usr|pass|password|passwd|pwd|token|key)=)[^_&/;]*/gi;

/**
 * What an address means. `isFile` says whether a file lies there.
 * What it holds of secrets is never printed from now on. Throws `usage` for an address that cannot be one of a camera.
 */
export function parseCameraAddress(text: string, isFile: (path: string) => boolean): CameraAddress {
  if (text.startsWith(LAVFI)) return { kind: "lavfi", graph: text.slice(LAVFI.length) };
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const looksLikeFile = /\.(?:mp4|mkv|mov|avi|webm|m4v|mjpe?g|ts|y4m)$/i.test(text);
    if (!text.startsWith("/dev/") && (looksLikeFile || isFile(text))) return { kind: "file", path: text };
    return { kind: "device", device: text };
  }
  // What is wrong with it is not quoted: it may hold a password.
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && SCHEMES.includes(url.protocol) && url.hostname !== "") {
    keepSecrets(url);
    return { kind: "network", url };
  }
  const what = url === null ? "the address" : `an address that begins with ${url.protocol}//`;
  throw new SplatError("usage", `${what} is none of a camera`, {
    hint: "Give rtsp://…, http://… or https://… (MJPEG), a device, or a video file.",
  });
}

/** Whether an address holds what nobody should see. */
export function holdsSecret(address: CameraAddress): boolean {
  if (address.kind !== "network") return false;
  const { username, password, pathname, search, hash } = address.url;
  const isBare = username === "" && password === "" && hash === "";
  return !isBare || shownPath(pathname) !== pathname || shownQuery(search) !== search;
}

/**
 * An address without user, password and whatever else may be a secret: what is shown, logged and kept. Nothing in it is
 * decoded: what is written as %1b would be a terminal's escape.
 */
export function shownAddress(address: CameraAddress): string {
  if (address.kind === "device") return address.device;
  if (address.kind === "file") return address.path;
  if (address.kind === "lavfi") return `${LAVFI}${address.graph}`;
  const shown = new URL(address.url);
  shown.username = "";
  shown.password = "";
  shown.hash = "";
  shown.search = "";
  // Last in what is left; a URL would write the dots as %E2%80%A6.
  const { pathname } = shown;
  const front = shown.href.slice(0, shown.href.length - pathname.length);
  return front + shownPath(pathname) + shownQuery(address.url.search);
}

/** What tells two cameras apart in every run: the shown address, and a sum of what is not shown. */
export function identityOf(address: CameraAddress): string {
  const shown = shownAddress(address);
  if (address.kind !== "network" || !holdsSecret(address)) return shown;
  return `${shown} #${createHash("sha256").update(address.url.href).digest("hex").slice(0, 8)}`;
}

function shownPath(pathname: string): string {
  return pathname.replace(LOGIN_IN_PATH, "$1…");
}

/** With its "?", as it was written but for the secrets. */
function shownQuery(search: string): string {
  const parts = search.slice(1).split("&");
  const shown = parts.map((part) => (isPlain(part) ? part : `${keyOf(part)}=…`));
  return search === "" ? "" : `?${shown.join("&")}`;
}

/** Whether a part of a query, `key=value`, may be shown. */
function isPlain(part: string): boolean {
  const key = keyOf(part);
  return part === "" || (PLAIN_KEYS.test(key) && PLAIN_VALUE.test(part.slice(key.length + 1)));
}

function keyOf(part: string): string {
  return part.includes("=") ? part.slice(0, part.indexOf("=")) : "";
}

/** What a user calls a camera, as it may be shown. Never throws. */
export function shownDevice(device: string): string {
  try {
    return shownAddress(parseCameraAddress(device, () => false));
  } catch {
    return "of an address that cannot be read";
  }
}

/** Whether what a user calls a camera holds a password, or another secret. */
export function isSecretDevice(device: string): boolean {
  try {
    return holdsSecret(parseCameraAddress(device, () => false));
  } catch {
    return false;
  }
}

/** What must not appear in anything that is printed about an address. */
export function secretsOf(address: CameraAddress): string[] {
  if (address.kind !== "network") return [];
  const { url } = address;
  const secretQuery = shownQuery(url.search) === url.search ? "" : url.search.slice(1);
  const raw = [url.username, url.password, ...valuesOf(url)];
  return [url.href, secretQuery, ...raw, ...raw.map(decoded)].filter((secret) => secret.length > 1);
}

/** Values of the query and of the path that are secret, as they are written. */
function valuesOf({ search, pathname }: URL): string[] {
  const parts = search
    .slice(1)
    .split("&")
    .filter((part) => !isPlain(part));
  const inQuery = parts.map((part) => (part.includes("=") ? part.slice(keyOf(part).length + 1) : part));
  const inPath = [...pathname.matchAll(LOGIN_IN_PATH)].map(([found, key]) => found.slice(key.length));
  return [...inQuery, ...inPath];
}

/** From now on nothing prints its secrets; a user's name alone may be any word. */
function keepSecrets(url: URL): void {
  const { username, password } = url;
  const login = username === "" && password === "" ? [] : [`${username}:${password}`, password];
  keepSecret(...[...login, ...valuesOf(url)].flatMap((secret) => [secret, decoded(secret)]));
}

/** Others' words about an address, without its secrets and on one line. */
export function withoutSecrets(text: string, address: CameraAddress): string {
  const longestFirst = secretsOf(address).toSorted((a, b) => b.length - a.length);
  const shown = shownAddress(address);
  return longestFirst
    .reduce((line, secret) => line.replaceAll(secret, secret === hrefOf(address) ? shown : "…"), text)
    .replaceAll(/rtsp:\/\/127\.0\.0\.1:\d+\/splatctl-camera/g, shown)
    .replaceAll(/(\w+:\/\/)[^/@\s]*@/g, "$1");
}

function hrefOf(address: CameraAddress): string | null {
  return address.kind === "network" ? address.url.href : null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
