import { getInputFormat, MemoryReadFileSystem, readFile } from "@playcanvas/splat-transform";
import { describe, expect, test } from "vitest";
import { shCount, type ShDegree } from "../../src/splat/gaussians.ts";
import { decodePly } from "../../src/splat/ply-read.ts";
import { ANTIALIASED_COMMENT, encodePly, plySize } from "../../src/splat/ply.ts";
import { randomGaussians } from "../helpers/random.ts";

const DEGREES: readonly ShDegree[] = [0, 1, 2, 3];

function headerOf(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes).toString("latin1");
  return text.slice(0, text.indexOf("end_header")).trimEnd().split("\n");
}

describe("encodePly", () => {
  test.each(DEGREES)("gives back the same scene at degree %i", (degree) => {
    const scene = randomGaussians(37, degree);
    const bytes = Buffer.concat([...encodePly(scene)]);
    expect(bytes.length).toBe(plySize(scene));
    expect(decodePly(bytes)).toEqual(scene);
  });

  test("has Inria's properties in Inria's order, 248 bytes each at degree 3", () => {
    const [header, ...rows] = encodePly(randomGaussians(2, 3));
    const properties = headerOf(header).filter((line) => line.startsWith("property"));
    const rest = Array.from({ length: 45 }, (_, i) => `f_rest_${i}`).join(" ");
    const names = `x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 ${rest} opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3`;
    expect(properties).toEqual(names.split(" ").map((name) => `property float ${name}`));
    expect(Buffer.concat(rows).length).toBe(2 * 248);
  });

  test("says who wrote it, in which axes and unit", () => {
    const header = headerOf([...encodePly(randomGaussians(1, 0))][0]);
    expect(header).toContain("comment splatctl");
    expect(header.join("\n")).toMatch(/comment .*right-handed, metres/);
  });

  test("carries comments where readers look for them, and is read as without", () => {
    const scene = randomGaussians(3, 1);
    const bytes = Buffer.concat([...encodePly(scene, [ANTIALIASED_COMMENT])]);
    expect(headerOf(bytes)).toContain("comment SplatRenderMode: mip");
    expect(decodePly(bytes)).toEqual(scene);
  });

  test("comes in slices whatever the size, and an empty scene is only a header", () => {
    const scene = randomGaussians(10_000, 0);
    const slices = [...encodePly(scene)];
    expect(slices.length).toBeGreaterThan(2);
    expect(decodePly(Buffer.concat(slices))).toEqual(scene);
    const empty = randomGaussians(0, 2);
    expect([...encodePly(empty)].map((slice) => slice.length)).toEqual([plySize(empty)]);
    expect(decodePly([...encodePly(empty)][0]).count).toBe(0);
  });

  test.each(DEGREES)("is read the same by an independent reader at degree %i", async (degree) => {
    const scene = randomGaussians(50, degree);
    const fileSystem = new MemoryReadFileSystem();
    fileSystem.set("scene.ply", Buffer.concat([...encodePly(scene)]));
    const [table] = await readFile({
      filename: "scene.ply",
      inputFormat: getInputFormat("scene.ply"),
      options: { iterations: 1 } as never,
      params: [],
      fileSystem,
    });
    expect(table.numRows).toBe(50);
    const value = (name: string): number => table.getColumnByName(name)?.data[17] as number;
    const k = shCount(degree);
    expect([value("x"), value("y"), value("z")]).toEqual([...scene.means.subarray(51, 54)]);
    expect([value("rot_0"), value("rot_3")]).toEqual([scene.quats[68], scene.quats[71]]);
    expect([value("opacity"), value("scale_2")]).toEqual([scene.opacities[17], scene.logScales[53]]);
    // Green: its DC term, and the first and last of its view-dependent ones.
    expect(value("f_dc_1")).toBe(scene.sh[(17 * 3 + 1) * k]);
    if (degree === 0) return;
    expect(value(`f_rest_${k - 1}`)).toBe(scene.sh[(17 * 3 + 1) * k + 1]);
    expect(value(`f_rest_${2 * (k - 1) - 1}`)).toBe(scene.sh[(17 * 3 + 1) * k + k - 1]);
  });
});
