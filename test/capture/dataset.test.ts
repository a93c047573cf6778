import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isDataset, readDataset } from "../../src/capture/dataset.ts";
import { jpeg, png, tempFolder } from "../helpers/pictures.ts";

const IDENTITY = [
  [1, 0, 0, 0],
  [0, 1, 0, 0],
  [0, 0, 1, 0],
  [0, 0, 0, 1],
];
const LENS = { camera_model: "OPENCV", w: 16, h: 8, fl_x: 20, fl_y: 21, cx: 8, cy: 4 };
const frame = (name: string, matrix: unknown = IDENTITY, more: object = {}): object => ({
  file_path: name,
  transform_matrix: matrix,
  ...more,
});

/** A data set with images a.png, b.png, c.png and these files. */
async function folderWith(files: Record<string, unknown>): Promise<string> {
  const dir = await tempFolder();
  await mkdir(join(dir, "images"));
  for (const name of ["a", "b", "c"]) await writeFile(join(dir, "images", `${name}.png`), await png());
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return dir;
}

const [a, b, c] = ["images/a.png", "images/b.png", "images/c.png"];

test("nerfstudio: lens, poses, test split, points", async () => {
  const dir = await folderWith({
    "transforms.json": {
      ...LENS,
      k1: 0.1,
      p2: -0.01,
      frames: [frame(a), frame("./images/b.png"), frame("images\\c.png")],
      train_filenames: [a],
      test_filenames: [b],
      applied_transform: IDENTITY.slice(0, 3),
      ply_file_path: "points.ply",
    },
    "points.ply": "ply",
  });
  const data = await readDataset(dir);
  expect(data.camera).toEqual({
    ...LENS,
    camera_model: undefined,
    model: "OPENCV",
    k1: 0.1,
    k2: 0,
    p1: 0,
    p2: -0.01,
  });
  expect(data.frames).toEqual([
    { path: join(dir, a), name: a, cameraToWorld: IDENTITY.flat(), camera: null, holdout: false },
    { path: join(dir, b), name: b, cameraToWorld: IDENTITY.flat(), camera: null, holdout: true },
  ]);
  expect(data.problems).toEqual([{ name: c, reason: "in none of the split lists of transforms.json" }]);
  expect(data.pointsPath).toBe(join(dir, "points.ply"));
  expect(data.hasAlpha).toBe(false);
  expect(data.notes).toEqual([expect.stringContaining("applied_transform")]);
});

test("Blender: field of view alone, names without ending, a train/test pair, alpha", async () => {
  const angle = 2 * Math.atan(0.5);
  const dir = await folderWith({
    "transforms_train.json": { camera_angle_x: angle, frames: [frame("./images/a"), frame("./images/d")] },
    "transforms_test.json": { camera_angle_x: angle, frames: [frame("./images/b")] },
    "transforms_val.json": { camera_angle_x: angle, frames: [frame("./images/c")] },
  });
  await writeFile(join(dir, a), await png(1, true));
  await writeFile(join(dir, "images/d.jpg"), await jpeg());
  const data = await readDataset(dir);
  expect(data.camera).toMatchObject({ model: "PINHOLE", w: 16, h: 8, cx: 8, cy: 4 });
  expect(data.camera.fl_x).toBeCloseTo(16);
  expect(data.camera.fl_y).toBeCloseTo(16);
  expect(data.frames.map(({ name, holdout }) => [name, holdout])).toEqual([
    [a, false],
    ["images/d.jpg", false],
    [b, true],
  ]);
  expect(data.hasAlpha).toBe(true);
});

test("a frame's own lens stands above the file's; with none at the top the first frame's is the scene's", async () => {
  const own = { ...LENS, fl_x: 30 };
  const dir = await folderWith({
    "transforms.json": { ...LENS, frames: [frame(a), frame(b, IDENTITY, { fl_x: 30 })] },
  });
  const { frames } = await readDataset(dir);
  expect(frames[0].camera).toBeNull();
  expect(frames[1].camera).toMatchObject({ fl_x: 30, fl_y: 21 });
  const frameOnly = await folderWith({
    "transforms.json": { frames: [frame(a, IDENTITY, own), frame(b, IDENTITY, own)] },
  });
  const second = await readDataset(frameOnly);
  expect(second.camera.fl_x).toBe(30);
  expect(second.frames.every(({ camera }) => camera === null)).toBe(true);
});

test("frames with bad poses, missing files or broken entries are left out with their reason", async () => {
  const nan = JSON.stringify({ ...LENS, frames: [frame(a), frame(b, "POSE"), frame(c, [[1, 2], [3]])] });
  const dir = await folderWith({
    "transforms.json": nan.replace('"POSE"', "[[NaN,0,0,0],[0,1,0,-Infinity],[0,0,1,0],[0,0,0,1]]"),
  });
  const { frames, problems } = await readDataset(dir);
  expect(frames.map(({ name }) => name)).toEqual([a]);
  expect(problems).toEqual([
    { name: b, reason: "its pose holds NaN or something that is not a number" },
    { name: c, reason: "its pose is not a 4×4 matrix" },
  ]);
  const mirrored = [[-1, 0, 0, 0], ...IDENTITY.slice(1)];
  const sheared = [[1, 0.9, 0, 0], ...IDENTITY.slice(1)];
  const other = await folderWith({
    "transforms.json": {
      ...LENS,
      frames: [
        frame(a),
        frame(a),
        frame(b, mirrored),
        frame(c, sheared),
        frame("images/none.png"),
        frame(b, [...IDENTITY.slice(0, 3), [0, 0, 1, 1]]),
        { file_path: 7 },
        frame(c, IDENTITY, { fl_x: -1 }),
      ],
    },
  });
  const bad = await readDataset(other);
  expect(bad.frames).toHaveLength(1);
  expect(bad.problems).toHaveLength(7);
});

test("scaled and slightly skewed poses are made rigid, and that is said", async () => {
  const scaled = IDENTITY.map((row, i) =>
    i < 3 ? row.map((value, j) => (j < 3 ? value * 2.5 : i + 1)) : row,
  );
  const skewed = [[1, 0.02, 0, 0], ...IDENTITY.slice(1)];
  const rounded = IDENTITY.map((row) => row.map((value) => value * (1 + 1e-7)));
  rounded[3] = [0, 0, 0, 1];
  const dir = await folderWith({
    "transforms.json": { ...LENS, frames: [frame(a, scaled), frame(b, skewed), frame(c, rounded)] },
  });
  const { frames, notes } = await readDataset(dir);
  expect(frames).toHaveLength(3);
  for (const { cameraToWorld: m } of frames) {
    const row = (i: number): number[] => m.slice(i * 4, i * 4 + 3);
    const dot = (i: number, j: number): number =>
      row(i).reduce((sum, value, k) => sum + value * row(j)[k], 0);
    for (const [i, j] of [
      [0, 0],
      [1, 1],
      [2, 2],
      [0, 1],
      [0, 2],
      [1, 2],
    ]) {
      expect(dot(i, j)).toBeCloseTo(i === j ? 1 : 0, 12);
    }
  }
  expect([3, 7, 11].map((i) => frames[0].cameraToWorld[i])).toEqual([1, 2, 3]);
  expect(notes).toEqual(["2 poses were scaled or skewed and have been made rigid"]);
});

test("images that are still to come are kept when asked for", async () => {
  const dir = await folderWith({
    "transforms.json": { ...LENS, frames: [frame(a), frame("images/later.png")] },
  });
  expect((await readDataset(dir)).frames).toHaveLength(1);
  expect((await readDataset(dir, { allowMissing: true })).frames).toHaveLength(2);
});

test("what cannot be a data set is a clear error", async () => {
  const failure = async (transforms: unknown): Promise<string> => {
    const dir = await folderWith({ "transforms.json": transforms });
    return readDataset(dir).then(
      () => "no error",
      (error: Error) => error.message,
    );
  };
  const frames = [frame(a)];
  expect(await failure("{")).toContain("it is not JSON");
  expect(await failure([])).toContain("top level");
  expect(await failure({ ...LENS })).toContain("frames");
  expect(await failure({ ...LENS, frames: [] })).toContain("no usable frame");
  expect(await failure({ ...LENS, frames: [frame("images/none.png")] })).toContain("missing");
  expect(await failure({ ...LENS, camera_model: "OPENCV_FISHEYE", frames })).toContain(
    "OPENCV_FISHEYE is not supported",
  );
  expect(await failure({ ...LENS, is_fisheye: true, frames })).toContain("fisheye is not supported");
  expect(await failure({ ...LENS, k3: 0.1, frames })).toContain("k3");
  expect(await failure({ ...LENS, fl_x: 0, frames })).toContain("cannot be a lens");
  expect(await failure({ ...LENS, w: 16.5, frames })).toContain("cannot be a lens");
  expect(await failure({ w: 16, h: 8, frames })).toContain("no focal length");
  expect(await failure(JSON.stringify({ ...LENS, frames }).replace("20", "NaN"))).toContain("fl_x");
});

test("a folder without transforms is no data set", async () => {
  const dir = await folderWith({});
  expect(await isDataset(dir)).toBe(false);
  await expect(readDataset(dir)).rejects.toMatchObject({ code: "bad_input" });
  await writeFile(join(dir, "transforms_train.json"), JSON.stringify({ ...LENS, frames: [frame(a)] }));
  expect(await isDataset(dir)).toBe(true);
  await rm(join(dir, a));
  await expect(readDataset(dir)).rejects.toMatchObject({ message: expect.stringContaining("missing") });
});
