/** Posed data sets: transforms.json as nerfstudio and instant-ngp write it, and the pairs of NeRF's Blender scenes. */
import { access, readFile } from "node:fs/promises";
import { join, normalize, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { SplatError, toSplatError } from "../errors.ts";
import { readImageHeader, type ImageHeader } from "./image-header.ts";
import { cameraOf, hasFocalLength, lensSchema, type DatasetCamera, type Lens } from "./lens.ts";
import { rigidPose } from "./rigid.ts";

export type { DatasetCamera } from "./lens.ts";

export interface DatasetFrame {
  /** Absolute. */
  readonly path: string;
  /** Relative to the data set's folder, with "/". */
  readonly name: string;
  /** [16] row-major, OpenGL axes (x right, y up, looks along −z); the rotation is orthonormal. */
  readonly cameraToWorld: readonly number[];
  /** Set where this frame's lens differs from the data set's. */
  readonly camera: DatasetCamera | null;
  /** In the test split: scored, never trained. */
  readonly holdout: boolean;
}

export interface Dataset {
  readonly camera: DatasetCamera;
  readonly frames: readonly DatasetFrame[];
  /** PLY of sparse points in the same world, absolute. */
  readonly pointsPath: string | null;
  /** Whether the first image has alpha: such sets are meant to be seen on a background. */
  readonly hasAlpha: boolean;
  /** Frames left out, and why. */
  readonly problems: readonly { readonly name: string; readonly reason: string }[];
  /** What the user should know of how the file was read. */
  readonly notes: readonly string[];
}

export interface DatasetOptions {
  /** Keep frames whose image is not there yet, for a folder that is still being written. */
  readonly allowMissing?: boolean | undefined;
}

const transformsSchema = lensSchema.extend({
  frames: z.array(z.unknown()),
  train_filenames: z.array(z.string()).optional(),
  test_filenames: z.array(z.string()).optional(),
  val_filenames: z.array(z.string()).optional(),
  ply_file_path: z.string().optional(),
  applied_transform: z.unknown().optional(),
});
type Transforms = z.infer<typeof transformsSchema>;

const frameSchema = lensSchema.extend({ file_path: z.string().min(1), transform_matrix: z.unknown() });
type RawFrame = z.infer<typeof frameSchema>;

type Split = "train" | "test" | "none";
/** A frame as listed, before its pose is looked at. */
interface Listed {
  readonly raw: RawFrame;
  readonly path: string;
  readonly name: string;
  readonly top: Transforms;
  readonly split: Split;
}
type Problem = Dataset["problems"][number];

/** Whether a folder says where its images were taken from. */
export async function isDataset(dir: string): Promise<boolean> {
  return (await exists(join(dir, "transforms.json"))) || exists(join(dir, "transforms_train.json"));
}

/**
 * Read a posed data set. Frames that cannot be used are left out and listed in `problems`.
 * Throws `bad_input` when there is no transforms.json, it is not one, its lens is not supported, or no frame is usable.
 */
export async function readDataset(dir: string, options: DatasetOptions = {}): Promise<Dataset> {
  const root = resolve(dir);
  const problems: Problem[] = [];
  const files = await readTransforms(root);
  const listed: Listed[] = [];
  for (const { transforms, split } of files) listed.push(...(await list(root, transforms, split, problems)));
  const usable = await withImages(dropRepeated(listed, problems), options.allowMissing === true, problems);
  const firstImage = await firstHeader(usable);
  const top = files[0].transforms;
  const camera = sceneCamera(top, usable, firstImage);
  const notes: string[] = [];
  const frames = toFrames(usable, camera, firstImage, problems, notes);
  if (frames.length === 0) throw noFrames(root, problems);
  if (top.applied_transform !== undefined) {
    notes.push("applied_transform is ignored: poses and points are taken as they stand");
  }
  const pointsPath = await findPoints(root, top);
  return { camera, frames, pointsPath, hasAlpha: firstImage?.hasAlpha === true, problems, notes };
}

/** transforms.json alone if it is there, else the train/test (or train/val) pair. */
async function readTransforms(root: string): Promise<{ transforms: Transforms; split: Split | null }[]> {
  const whole = join(root, "transforms.json");
  if (await exists(whole)) return [{ transforms: await parseTransforms(whole), split: null }];
  const train = join(root, "transforms_train.json");
  if (!(await exists(train))) {
    throw new SplatError("bad_input", `${root} is not a posed data set: it has no transforms.json`, {
      hint: "Give the folder that holds transforms.json (nerfstudio, instant-ngp) or transforms_train.json (Blender).",
    });
  }
  const files: { transforms: Transforms; split: Split | null }[] = [
    { transforms: await parseTransforms(train), split: "train" },
  ];
  const tests = [join(root, "transforms_test.json"), join(root, "transforms_val.json")];
  for (const path of tests) {
    if (files.length === 1 && (await exists(path))) {
      files.push({ transforms: await parseTransforms(path), split: "test" });
    }
  }
  return files;
}

async function parseTransforms(path: string): Promise<Transforms> {
  const bad = (why: string, cause?: unknown): SplatError =>
    new SplatError("bad_input", `${path} cannot be used: ${why}`, { cause });
  let json: unknown;
  try {
    json = JSON.parse(withoutNaN(await readFile(path, "utf8")));
  } catch (thrown) {
    throw bad("it is not JSON", thrown);
  }
  const parsed = transformsSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw bad(`${issue.path.join(".") || "top level"}: ${issue.message}`);
}

/** Python writes NaN and Infinity, which JSON does not know: null instead, so that only the frame is lost. */
function withoutNaN(text: string): string {
  return text
    .replace(/^\uFEFF/, "")
    .replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (token) =>
      token.startsWith('"') ? token : "null",
    );
}

async function list(
  root: string,
  top: Transforms,
  split: Split | null,
  problems: Problem[],
): Promise<Listed[]> {
  const splitOf = splitRule(top, split);
  const listed: Listed[] = [];
  for (const [i, value] of top.frames.entries()) {
    const parsed = frameSchema.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      problems.push({ name: `frames[${i}]`, reason: `${issue.path.join(".")}: ${issue.message}` });
      continue;
    }
    const filePath = cleanPath(parsed.data.file_path);
    const path = await imagePath(root, filePath);
    const name = relative(root, path).split(sep).join("/");
    listed.push({ raw: parsed.data, path, name, top, split: splitOf(filePath) });
  }
  return listed;
}

/** Which split a file belongs to: what its file says, else the lists in it, else training. */
function splitRule(top: Transforms, split: Split | null): (filePath: string) => Split {
  if (split !== null) return () => split;
  const setOf = (names: readonly string[] | undefined): Set<string> => new Set(names?.map(cleanPath));
  const train = setOf(top.train_filenames);
  const test = new Set([...setOf(top.test_filenames), ...setOf(top.val_filenames)]);
  return (filePath) => {
    if (train.has(filePath)) return "train";
    if (test.has(filePath)) return "test";
    return train.size > 0 ? "none" : "train";
  };
}

function cleanPath(path: string): string {
  return normalize(path.replaceAll("\\", "/")).split(sep).join("/");
}

/** Blender names images without their ending: .png, unless only a JPEG is there. */
async function imagePath(root: string, filePath: string): Promise<string> {
  const path = resolve(root, filePath);
  if (/\.[a-z]{3,4}$/i.test(filePath)) return path;
  for (const ending of [".jpg", ".jpeg"]) {
    if (!(await exists(`${path}.png`)) && (await exists(path + ending))) return path + ending;
  }
  return `${path}.png`;
}

function dropRepeated(listed: readonly Listed[], problems: Problem[]): Listed[] {
  const seen = new Set<string>();
  return listed.filter(({ path, name, split }) => {
    if (split === "none") problems.push({ name, reason: "in none of the split lists of transforms.json" });
    else if (seen.has(path)) problems.push({ name, reason: "listed more than once in transforms.json" });
    else return Boolean(seen.add(path));
    return false;
  });
}

async function withImages(listed: Listed[], allowMissing: boolean, problems: Problem[]): Promise<Listed[]> {
  if (allowMissing) return listed;
  const present: Listed[] = [];
  for (const item of listed) {
    if (await exists(item.path)) present.push(item);
    else
      problems.push({
        name: item.name,
        reason: "missing: transforms.json names it, but there is no such file",
      });
  }
  return present;
}

/** Header of the first image that is there and is one. */
async function firstHeader(listed: readonly Listed[]): Promise<ImageHeader | null> {
  for (const { path } of listed) {
    const bytes = await readFile(path).catch(() => null);
    const header = bytes === null ? null : readImageHeader(bytes);
    if (header !== null && header.width > 0) return header;
  }
  return null;
}

/** The data set's lens: what the top of the file says, completed by its first frame where the top says nothing. */
function sceneCamera(top: Transforms, listed: readonly Listed[], size: ImageHeader | null): DatasetCamera {
  const [first] = listed;
  return cameraOf(hasFocalLength(top) || first === undefined ? top : { ...top, ...ownLens(first.raw) }, size);
}

/** The lens keys that a frame gives itself. */
function ownLens(raw: RawFrame): Lens {
  return lensSchema.parse(raw);
}

function toFrames(
  listed: readonly Listed[],
  camera: DatasetCamera,
  size: ImageHeader | null,
  problems: Problem[],
  notes: string[],
): DatasetFrame[] {
  const frames: DatasetFrame[] = [];
  let repaired = 0;
  for (const { raw, path, name, top, split } of listed) {
    const check = rigidPose(raw.transform_matrix);
    if (check.kind === "unusable") {
      problems.push({ name, reason: check.reason });
      continue;
    }
    const own = tryCameraOf({ ...top, ...ownLens(raw) }, size);
    if (own instanceof SplatError) {
      problems.push({ name, reason: own.message });
      continue;
    }
    if (check.repaired) repaired++;
    const isSame = Object.entries(camera).every(([key, value]) => own[key as keyof DatasetCamera] === value);
    frames.push({
      path,
      name,
      cameraToWorld: check.pose,
      camera: isSame ? null : own,
      holdout: split === "test",
    });
  }
  if (repaired > 0) notes.push(`${repaired} poses were scaled or skewed and have been made rigid`);
  return frames;
}

function tryCameraOf(lens: Lens, size: ImageHeader | null): DatasetCamera | SplatError {
  try {
    return cameraOf(lens, size);
  } catch (thrown) {
    return toSplatError(thrown);
  }
}

async function findPoints(root: string, top: Transforms): Promise<string | null> {
  const names = top.ply_file_path === undefined ? ["points3D.ply", "sparse_pc.ply"] : [top.ply_file_path];
  for (const name of names) {
    const path = resolve(root, cleanPath(name));
    if (await exists(path)) return path;
  }
  return null;
}

function noFrames(root: string, problems: readonly Problem[]): SplatError {
  const [first] = problems;
  const why = first === undefined ? "it lists none" : `${first.name}: ${first.reason}`;
  return new SplatError("bad_input", `${root} has no usable frame (${problems.length} left out; ${why})`, {
    hint: "Check file_path and transform_matrix in transforms.json.",
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
