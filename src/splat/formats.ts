/** Every scene format in one place: what is read, what is written, and what a format cannot hold. */
import { SplatError } from "../errors.ts";
import type { Gaussians } from "./gaussians.ts";
import { ANTIALIASED_COMMENT, encodePly, plySize } from "./ply.ts";
import { readPlyHeader, readPlyScene } from "./ply-read.ts";
import { finiteGaussians } from "./select.ts";
import { decodeSplat, encodeSplat, readSplatCount, SPLAT_BYTES } from "./splat-file.ts";
import { encodeSpz, spzClamped, spzFractionalBits } from "./spz.ts";
import { decodeSpz, readSpzCount } from "./spz-read.ts";

/** The formats that are written. */
export const SCENE_FORMATS = ["ply", "splat", "spz"] as const;
export type SceneFormat = (typeof SCENE_FORMATS)[number];

/** A scene from a file. */
export interface DecodedScene {
  readonly gaussians: Gaussians;
  /** What the bytes turned out to be. */
  readonly format: SceneFormat | "compressed ply";
  /** Whether it says that it was trained with an antialiasing filter. */
  readonly antialiased: boolean;
  /** What of the file is not in the scene, a phrase each. */
  readonly lost: readonly string[];
}

/** The format that a file's name asks for; undefined when it is none that is written. */
export function formatOfName(name: string): SceneFormat | undefined {
  const extension = /\.([a-z]+)$/i.exec(name)?.[1].toLowerCase();
  if (/\.compressed\.ply$/i.test(name)) return undefined;
  return SCENE_FORMATS.find((format) => format === extension);
}

/**
 * The scene in `bytes`: a PLY (plain or compressed) or an SPZ by how it begins, otherwise a `.splat` if it is called
 * so, there being no other way to tell. Gaussians that are not finite are left out. Throws `bad_input`, with the
 * reason, for everything that cannot be read; memory use is bounded by the size of `bytes`.
 */
export async function decodeScene(bytes: Uint8Array, name: string): Promise<DecodedScene> {
  const kind = kindOf(bytes, name);
  if (kind === "ply") {
    const { gaussians, compressed, antialiased } = readPlyScene(bytes);
    const format = compressed ? "compressed ply" : "ply";
    return { ...soundScene(gaussians, format, gaussians.count, []), antialiased };
  }
  if (kind === "spz") {
    const { gaussians, notes, antialiased } = await decodeSpz(bytes);
    return { ...soundScene(gaussians, "spz", gaussians.count, notes), antialiased };
  }
  return soundScene(decodeSplat(bytes), "splat", bytes.length / SPLAT_BYTES, []);
}

/** A scene as far as the beginning of its file tells. */
export interface SceneHeader {
  readonly format: DecodedScene["format"];
  /** As the header promises. */
  readonly gaussianCount: number;
}

/** So much of a file's beginning `readSceneHeader` wants, bytes. */
export const SCENE_START_BYTES = 128 * 1024;

/**
 * What the beginning of a file of `fileBytes` says of the scene in it: for files too large to be decoded just to be
 * looked at. Throws `bad_input` like `decodeScene`, as far as that can be told.
 */
export async function readSceneHeader(
  start: Uint8Array,
  fileBytes: number,
  name: string,
): Promise<SceneHeader> {
  const kind = kindOf(start, name);
  if (kind === "ply") {
    const { count, compressed } = readPlyHeader(start, fileBytes);
    return { format: compressed ? "compressed ply" : "ply", gaussianCount: count };
  }
  if (kind === "spz") return { format: "spz", gaussianCount: await readSpzCount(start, fileBytes) };
  return { format: "splat", gaussianCount: readSplatCount(start, fileBytes) };
}

/** What a file is, by how it begins, else by its name. */
function kindOf(start: Uint8Array, name: string): SceneFormat {
  if (start.length === 0) throw new SplatError("bad_input", `${name} is empty`);
  const begins = (...magic: number[]): boolean => magic.every((byte, i) => start[i] === byte);
  if (begins(0x70, 0x6c, 0x79)) return "ply";
  if (begins(0x1f, 0x8b) || begins(0x4e, 0x47, 0x53, 0x50)) return "spz";
  if (/\.splat$/i.test(name)) return "splat";
  throw new SplatError("bad_input", `${name} is no scene that can be read`, {
    hint: "Read are PLY (plain or compressed), SPZ (versions 2 to 4) and .splat.",
  });
}

function soundScene(
  read: Gaussians,
  format: DecodedScene["format"],
  inFile: number,
  notes: readonly string[],
): DecodedScene {
  const gaussians = finiteGaussians(read);
  const broken = inFile - gaussians.count;
  return {
    gaussians,
    format,
    antialiased: false,
    lost: broken === 0 ? notes : [...notes, `${broken} Gaussians with values that are no numbers`],
  };
}

/**
 * A scene as a file, in pieces; pulled piece by piece, other work can go on in between. Every value must be finite
 * (see `finiteGaussians`). A scene trained `antialiased` says so where the format can.
 */
export function encodeScene(
  gaussians: Gaussians,
  format: SceneFormat,
  antialiased = false,
): Generator<Uint8Array> | AsyncGenerator<Uint8Array, void, undefined> {
  if (format === "spz") return encodeSpz(gaussians, antialiased);
  return format === "ply"
    ? encodePly(gaussians, antialiased ? [ANTIALIASED_COMMENT] : [])
    : encodeSplat(gaussians);
}

/** Length of what `encodeScene` yields, bytes; undefined where only compressing it tells. */
export function encodedSize(gaussians: Gaussians, format: SceneFormat): number | undefined {
  if (format === "spz") return undefined;
  return format === "ply" ? plySize(gaussians) : gaussians.count * SPLAT_BYTES;
}

/** What a scene loses in a format, a phrase each; none for PLY. */
export function lossesOf(gaussians: Gaussians, format: SceneFormat, antialiased = false): string[] {
  if (format === "ply") return [];
  if (antialiased && format === "splat") {
    return [...lossesOf(gaussians, format), "the mark that it was trained with an antialiasing filter"];
  }
  if (format === "splat") {
    const rounded = "colour, opacity and rotation are rounded to 8 bits";
    return gaussians.shDegree === 0
      ? [rounded]
      : [`view-dependent colour (degree ${gaussians.shDegree} becomes 0)`, rounded];
  }
  const unit = 2 ** spzFractionalBits(gaussians);
  const losses = [
    `positions are rounded to 1/${unit}, rotation to 10 bits, colour, opacity and size to 8 bits`,
  ];
  const { count } = gaussians;
  const clamped = spzClamped(gaussians);
  if (clamped.far > 0) losses.push(`${clamped.far} of ${count} Gaussians are too far away and come nearer`);
  if (clamped.large > 0) losses.push(`${clamped.large} of ${count} Gaussians are too large and shrink`);
  if (clamped.thin > 0) {
    losses.push(
      `${clamped.thin} of ${count} Gaussians are flatter than 1/22000 of a unit and become that thick`,
    );
  }
  return losses;
}
