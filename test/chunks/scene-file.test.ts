import { execFileSync } from "node:child_process";
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { readSceneFile } from "../../src/chunks/scene-file.ts";
import { tempFolder } from "../helpers/pictures.ts";

const SIGNAL = new AbortController().signal;
const FIXTURE = fileURLToPath(new URL("../fixtures/scene", import.meta.url));

it.each(["ply", "splat", "spz"])("sees what a %s holds", async (format) => {
  const scene = await readSceneFile(`${FIXTURE}.${format}`, SIGNAL);
  expect(scene).toMatchObject({
    extension: `.${format}`,
    sizeBytes: (await readFile(scene.path)).length,
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    md5: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
  });
  expect(scene.gaussianCount).toBeGreaterThan(0);
});

it("refuses what is no scene, and says which file and why", async () => {
  const folder = await tempFolder();
  const points = "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n";
  const spz = await readFile(`${FIXTURE}.spz`);
  const nothing = (await readFile(`${FIXTURE}.ply`))
    .toString("latin1")
    .replace(/vertex \d+/, "vertex 0")
    .replace(/(?<=end_header\n)[^]*/, "");
  const files: readonly (readonly [string, Uint8Array | string, RegExp])[] = [
    ["empty.ply", "", /empty\.ply is empty/],
    ["text.txt", "hello", /text\.txt is no scene/],
    ["points.ply", points, /points\.ply: .*have no y/],
    ["nothing.ply", nothing, /nothing\.ply has no Gaussians/],
    ["odd.splat", new Uint8Array(33), /odd\.splat: .*no multiple of 32/],
    ["torn.spz", spz.subarray(0, spz.length - 20), /torn\.spz: .*(cut short|damaged)/],
  ];
  for (const [name, content, words] of files) {
    await writeFile(join(folder, name), content);
    await expect(readSceneFile(join(folder, name), SIGNAL)).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringMatching(words) as string,
    });
  }
  await mkdir(join(folder, "folder.ply"));
  execFileSync("mkfifo", [join(folder, "pipe.ply")]);
  await expect(readSceneFile(join(folder, "folder.ply"), SIGNAL)).rejects.toThrow(/is no file/);
  await expect(readSceneFile(join(folder, "pipe.ply"), SIGNAL)).rejects.toThrow(/is no file/);
  await expect(readSceneFile(join(folder, "absent.ply"), SIGNAL)).rejects.toThrow(/cannot read .*ENOENT/);
});

it("refuses a huge file before it reads any of it, and stops when it is interrupted", async () => {
  const path = join(await tempFolder(), "huge.ply");
  await writeFile(path, "ply\n");
  await truncate(path, 5 * 2 ** 30);
  const read = (): never => {
    throw new Error("it was read");
  };
  await expect(readSceneFile(path, SIGNAL, read)).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining("is too large: one request stores less than 5 GiB") as string,
  });
  await truncate(path, 2 ** 30);
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort(new Error("stopped"));
  await expect(readSceneFile(path, interrupted.signal, stop)).rejects.toThrow("stopped");
});

it.runIf(process.platform === "linux")("says which file cannot be read to its end", async () => {
  await expect(readSceneFile("/proc/self/mem", SIGNAL)).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringMatching(/cannot read \/proc\/self\/mem: EIO/) as string,
  });
});
