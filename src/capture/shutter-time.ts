/** When a picture was taken, from its EXIF block. */
import readExif from "exif-reader";

/**
 * Shutter time, Unix seconds, from DateTimeOriginal with SubSecTimeOriginal and OffsetTimeOriginal (EXIF 2.32 §4.6.5).
 * Without an offset the camera's clock is taken to show this machine's local time. Null when EXIF does not say.
 */
export function exifTimeS(exif: Buffer): number | null {
  try {
    const photo = readExif(exif).Photo;
    const taken: unknown = photo?.DateTimeOriginal;
    // exif-reader puts the camera's wall clock into the UTC fields.
    if (!(taken instanceof Date) || !(taken.getTime() > 0)) return null;
    const wallS = Math.floor(taken.getTime() / 1000);
    return wallS - offsetS(photo?.["OffsetTimeOriginal"], taken) + fractionS(photo?.["SubSecTimeOriginal"]);
  } catch {
    return null;
  }
}

/** Seconds that the wall clock was ahead of UTC. */
function offsetS(value: unknown, wall: Date): number {
  const match = typeof value === "string" ? /^([+-])(\d\d):(\d\d)/.exec(value) : null;
  if (match !== null) return (match[1] === "-" ? -60 : 60) * (Number(match[2]) * 60 + Number(match[3]));
  const iso = wall.toISOString().slice(0, -1);
  return (wall.getTime() - new Date(iso).getTime()) / 1000;
}

function fractionS(value: unknown): number {
  const digits = typeof value === "string" ? /^\d+/.exec(value.trim())?.[0] : undefined;
  return digits === undefined ? 0 : Number(`0.${digits}`);
}
