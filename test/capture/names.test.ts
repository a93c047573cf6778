import { expect, test } from "vitest";
import { compareNames, frameNameFilter } from "../../src/capture/frame-names.ts";

test("names are ordered as people number them", () => {
  const names = ["frame10.jpg", "frame2.jpg", "b/1.png", "a/10.png", "a/9.png", "frame1.jpg", "Frame3.jpg"];
  expect(names.toSorted(compareNames)).toEqual([
    "a/9.png",
    "a/10.png",
    "b/1.png",
    "frame1.jpg",
    "frame2.jpg",
    "Frame3.jpg",
    "frame10.jpg",
  ]);
});

test("images are taken, hidden and unfinished files are not", () => {
  const accepts = frameNameFilter();
  for (const name of ["a.jpg", "a.JPEG", "sub/b.Png", "with space.jpg"])
    expect(accepts(name), name).toBe(true);
  for (const name of [
    ".a.jpg",
    ".cache/a.jpg",
    "~a.jpg",
    "a.jpg~",
    "a.jpg.part",
    "a.jpg.tmp",
    "a.jpg.crdownload",
    "a.json",
    "transforms.json",
    "points3D.ply",
    "a.txt",
  ]) {
    expect(accepts(name), name).toBe(false);
  }
});

test("globs without a slash look at the last part, with one at the whole name", () => {
  const accepts = frameNameFilter({ include: ["left_*", "raw/**"], exclude: ["*_mask.png"] });
  expect(accepts("cam/left_1.png")).toBe(true);
  expect(accepts("raw/deep/1.bin")).toBe(true);
  expect(accepts("cam/right_1.png")).toBe(false);
  expect(accepts("left_1_mask.png")).toBe(false);
  expect(accepts("raw/1.bin.part")).toBe(false);
});
