import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { convertScene, describeConversion, type Conversion } from "../../src/commands/convert-scene.ts";
import { decodeScene } from "../../src/splat/formats.ts";
import { encodePly } from "../../src/splat/ply.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { randomGaussians } from "../helpers/random.ts";
import { runCli } from "../helpers/run-cli.ts";

/** A folder with scene.ply of 200 Gaussians of degree 2. */
async function folderWithScene(): Promise<string> {
  const folder = await tempFolder();
  await writeFile(join(folder, "scene.ply"), Buffer.concat([...encodePly(randomGaussians(200, 2))]));
  return folder;
}

test("says what was written and what is lost, as JSON or in words", async () => {
  const folder = await folderWithScene();
  const ran = await runCli(["convert", "scene.ply", "out/scene.splat", "--json"], { cwd: folder });
  expect([ran.code, ran.stderr]).toEqual([0, ""]);
  const told = JSON.parse(ran.stdout.toString()) as Conversion;
  expect(told).toMatchObject({ from: "ply", to: "splat", gaussians_read: 200, gaussians_written: 200 });
  expect(told).toMatchObject({ sh_degree: 0, bytes_written: 6400 });
  expect(told.lost.join()).toMatch(/view-dependent colour \(degree 2 becomes 0\)/);
  expect(describeConversion(told)).toMatch(/^wrote out\/scene\.splat: 200 Gaussians.*6\.4 kB.*\n {2}lost: /);
  expect(await readdir(join(folder, "out"))).toEqual(["scene.splat"]);
});

test("goes from format to format, and leaves out what it is asked to", async () => {
  const folder = await folderWithScene();
  const path = (name: string): string => join(folder, name);
  const few = await convertScene(path("scene.ply"), path("few.spz"), { maxGaussians: 50, shDegree: "1" });
  expect(few).toMatchObject({ to: "spz", gaussians_written: 50, sh_degree: 1 });
  expect(few.lost.join()).toMatch(/150 least important.*above degree 1.*rounded/);
  expect(await convertScene(path("few.spz"), path("back.ply"), {})).toMatchObject({ from: "spz", lost: [] });
  const { gaussians } = await decodeScene(await readFile(path("back.ply")), "back.ply");
  expect([gaussians.count, gaussians.shDegree]).toEqual([50, 1]);
});

test.each([
  ["missing.ply", "a.spz", {}, "bad_input", /cannot read .*missing\.ply/],
  ["scene.ply", "a.obj", {}, "usage", /a\.obj: the name says no format/],
  ["scene.ply", "scene.ply", {}, "usage", /is the file to be converted/],
  ["scene.ply", "folder.ply", {}, "bad_input", /is a folder/],
  ["points.ply", "a.spz", {}, "bad_input", /points\.ply: .*no f_dc_0/],
  ["cut.ply", "old.spz", {}, "bad_input", /cut\.ply: .*cut short/],
  ["empty.ply", "a.splat", {}, "bad_input", /without Gaussians/],
] as const)("%s to %s is refused, and nothing is written", async (input, output, flags, code, reason) => {
  const folder = await folderWithScene();
  const scene = await readFile(join(folder, "scene.ply"));
  await mkdir(join(folder, "folder.ply"));
  await writeFile(join(folder, "old.spz"), "as it was");
  await writeFile(join(folder, "cut.ply"), scene.subarray(0, -1));
  await writeFile(join(folder, "empty.ply"), [...encodePly(randomGaussians(0, 0))][0]);
  await writeFile(
    join(folder, "points.ply"),
    "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n1 2 3\n",
  );
  const before = await readdir(folder);
  await expect(convertScene(join(folder, input), join(folder, output), flags)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(reason) as string,
  });
  expect(await readdir(folder)).toEqual(before);
  expect(await readFile(join(folder, "old.spz"), "utf8")).toBe("as it was");
});

test("a usage error is exit code 2", async () => {
  const folder = await folderWithScene();
  const ran = await runCli(["convert", "scene.ply", "scene.obj"], { cwd: folder });
  expect([ran.code, ran.stdout.length]).toEqual([2, 0]);
  expect(ran.stderr).toContain(".ply or .splat or .spz");
});

test("train writes the format that its output is called by", async () => {
  const folder = await tempFolder();
  const frames = [0.4, 0.5, 0.6].map((z, i) => ({
    file_path: `${i}.jpg`,
    transform_matrix: [
      [1, 0, 0, i / 10],
      [0, 1, 0, 0],
      [0, 0, 1, z],
      [0, 0, 0, 1],
    ],
  }));
  for (const i of [0, 1, 2]) await writeFile(join(folder, `${i}.jpg`), await jpeg(i * 40));
  const lens = { w: 16, h: 8, fl_x: 20, fl_y: 20, cx: 8, cy: 4 };
  await writeFile(join(folder, "transforms.json"), JSON.stringify({ ...lens, frames }));
  const few = ["--steps", "3", "--max-gaussians", "100", "--threads", "1"];
  const args = ["train", ".", ...few, "--antialiased", "-o", "scene.spz"];
  const ran = await runCli([...args, "--json"], { cwd: folder });
  expect(ran.code, ran.stderr).toBe(0);
  const { gaussians } = JSON.parse(ran.stdout.toString().trim().split("\n").at(-1) as string) as {
    gaussians: number;
  };
  const read = await decodeScene(await readFile(join(folder, "scene.spz")), "scene.spz");
  expect([read.format, read.gaussians.count, read.antialiased]).toEqual(["spz", gaussians, true]);
  // The mark goes along where the format has room for it, and is missed where it has not.
  const path = (name: string): string => join(folder, name);
  expect((await convertScene(path("scene.spz"), path("scene.ply"), {})).lost).toEqual([]);
  const ply = await decodeScene(await readFile(path("scene.ply")), "scene.ply");
  expect(ply.antialiased).toBe(true);
  expect((await convertScene(path("scene.ply"), path("scene.splat"), {})).lost.join()).toContain(
    "antialiasing",
  );
});
