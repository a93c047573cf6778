import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { folderIdentity, isFolderGone, listFiles } from "../../src/capture/folder-watch.ts";
import { tempFolder } from "../helpers/pictures.ts";

async function namesOf(dir: string, recursive: boolean, isWanted = (_name: string) => true) {
  return (await listFiles(dir, recursive, isWanted)).map(({ name }) => name);
}

test("listing a large folder lets other work come in between", async () => {
  const dir = await tempFolder();
  const count = 4000;
  for (let i = 0; i < count; i++) await writeFile(join(dir, `${i}.jpg`), "");
  let [atOnce, most, isOver] = [0, 0, false];
  const turn = (): void => {
    atOnce = 0;
    if (!isOver) setImmediate(turn);
  };
  turn();
  const names = await namesOf(dir, false, (name) => {
    most = Math.max(most, ++atOnce);
    return name.startsWith("39");
  });
  isOver = true;
  expect(names.slice(0, 3)).toEqual(["39.jpg", "390.jpg", "391.jpg"]);
  expect(names).toHaveLength(111);
  expect(most).toBeLessThan(count / 2);
});

test("links are followed, but not in a circle", async (context) => {
  context.skip(process.platform === "win32", "on Windows links need a privilege");
  const dir = await tempFolder();
  const far = await tempFolder();
  await mkdir(join(dir, "sub", "deep"), { recursive: true });
  await mkdir(join(dir, ".hidden"));
  for (const path of ["b10.jpg", "b9.jpg", "sub/deep/c.jpg", ".hidden/d.jpg"])
    await writeFile(join(dir, path), "");
  await writeFile(join(far, "e.jpg"), "");
  await symlink(dir, join(dir, "sub", "back"));
  await symlink(far, join(dir, "far"));
  await symlink(join(far, "e.jpg"), join(dir, "z.jpg"));
  await symlink(join(far, "none"), join(dir, "broken.jpg"));
  const all = ["b9.jpg", "b10.jpg", "far/e.jpg", "sub/deep/c.jpg", "z.jpg"];
  expect(await namesOf(dir, true)).toEqual(all);
  expect(await namesOf(dir, false)).toEqual(["b9.jpg", "b10.jpg", "z.jpg"]);
  expect(await namesOf(join(dir, "none"), true)).toEqual([]);
});

test("a listing ends when it is not wanted any more", async () => {
  const dir = await tempFolder();
  for (const name of ["1.jpg", "2.jpg"]) await writeFile(join(dir, name), "");
  expect(await listFiles(dir, false, () => true, AbortSignal.abort())).toEqual([]);
});

test("a folder is gone when none stands there, or another", async () => {
  const parent = await tempFolder();
  const dir = join(parent, "frames");
  await mkdir(dir);
  const identity = await folderIdentity(dir);
  expect(await isFolderGone(dir, identity)).toBe(false);
  await rename(dir, join(parent, "away"));
  expect(await isFolderGone(dir, identity)).toBe(true);
  await mkdir(dir);
  expect(await isFolderGone(dir, identity)).toBe(true);
});
