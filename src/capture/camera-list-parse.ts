/** What ffmpeg prints of a machine's cameras, read. Pure. */
import type { CameraFormat } from "./camera-choice.ts";

/** A line of ffmpeg's without its `[name @ 0x…]`. */
function bare(line: string): string {
  return line.replace(/^(?:\[[^\]]* @ [^\]]*\]\s?)+/, "").replace(/\r$/, "");
}

/** Of `-f avfoundation -list_devices true`: index and name of each camera; screens are none. */
export function parseAvfoundation(text: string): { index: string; name: string }[] {
  const found: { index: string; name: string }[] = [];
  let isVideo = false;
  for (const line of text.split("\n").map(bare)) {
    if (/^AVFoundation \w+ devices:/.test(line)) isVideo = line.includes("video");
    const device = /^\[(\d+)\] (.+)$/.exec(line);
    if (isVideo && device !== null && !/^Capture screen \d+$/.test(device[2])) {
      found.push({ index: device[1], name: device[2].trim() });
    }
  }
  return found;
}

/** Of `-f dshow -list_devices true`: each camera's name and lasting name; before ffmpeg 5 kinds were headings. */
export function parseDshow(text: string): { name: string; id: string | null }[] {
  const found: { name: string; id: string | null }[] = [];
  let heading: "video" | "other" = "other";
  let last: { name: string; id: string | null } | null = null;
  for (const line of text.split("\n").map(bare)) {
    if (/^DirectShow \w+ devices/.test(line)) heading = line.includes("video") ? "video" : "other";
    const device = /^\s*"(.+)"(?: \(([\w, ]+)\))?\s*$/.exec(line);
    const alternative = /^\s*Alternative name "(.+)"\s*$/.exec(line);
    if (alternative !== null) {
      if (last !== null) last.id = alternative[1];
    } else if (device !== null) {
      const isVideo = device[2] === undefined ? heading === "video" : device[2].includes("video");
      last = isVideo ? { name: device[1], id: null } : null;
      if (last !== null) found.push(last);
    }
  }
  return found;
}

/** Of `-f v4l2 -list_formats all`: formats and sizes. */
export function parseV4l2Formats(text: string): CameraFormat[] {
  const formats = new Map<string, Set<string>>();
  for (const line of text.split("\n").map(bare)) {
    const found = /^(?:Raw|Compressed|R|C)\s*:\s*(\S+) :.*? :\s*(.*)$/.exec(line);
    if (found === null) continue;
    const sizes = formats.get(found[1]) ?? new Set();
    for (const size of found[2].match(/\d+x\d+/g) ?? []) sizes.add(size);
    formats.set(found[1], sizes);
  }
  return asFormats(formats);
}

/** Of `-f dshow -list_options true`: formats and sizes. */
export function parseDshowOptions(text: string): CameraFormat[] {
  const formats = new Map<string, Set<string>>();
  for (const line of text.split("\n").map(bare)) {
    const found = /^\s*(?:pixel_format|vcodec)=(\S+)\s.*\bmax s=(\d+x\d+)/.exec(line);
    if (found === null) continue;
    const sizes = formats.get(found[1]) ?? new Set();
    formats.set(found[1], sizes.add(found[2]));
  }
  return asFormats(formats);
}

function asFormats(formats: ReadonlyMap<string, ReadonlySet<string>>): CameraFormat[] {
  return [...formats].map(([name, sizes]) => ({ name, sizes: [...sizes] }));
}
