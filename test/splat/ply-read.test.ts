import { describe, expect, test } from "vitest";
import { SplatError } from "../../src/errors.ts";
import type { Gaussians } from "../../src/splat/gaussians.ts";
import { decodePly, decodePoints } from "../../src/splat/ply-read.ts";
import { encodePly, propertyNames } from "../../src/splat/ply.ts";
import { randomGaussians, seededRandom } from "../helpers/random.ts";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const encode = (scene: Gaussians): Buffer => Buffer.concat([...encodePly(scene)]);

/** The bytes are refused as bad input, for the reason given. */
function expectRefused(decode: () => unknown, reason: RegExp): void {
  let thrown: unknown;
  try {
    decode();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(SplatError);
  expect(thrown).toMatchObject({ code: "bad_input", message: expect.stringMatching(reason) });
}

/** Rewrite a scene's PLY: its rows as numbers, its header lines free to change. */
function rewrite(
  scene: Gaussians,
  format: string,
  names: readonly string[],
  row: (values: ReadonlyMap<string, number>) => Uint8Array,
  type = "float",
): Uint8Array {
  const bytes = encode(scene);
  const all = propertyNames(scene.shDegree);
  let at = bytes.indexOf("end_header\n") + "end_header\n".length;
  const properties = names.map((name) => `property ${type} ${name}\n`).join("");
  const parts: Uint8Array[] = [
    ascii(`ply\nformat ${format} 1.0\nelement vertex ${scene.count}\n${properties}end_header\n`),
  ];
  for (let i = 0; i < scene.count; i++) {
    parts.push(row(new Map(all.map((name, c) => [name, bytes.readFloatLE(at + c * 4)]))));
    at += all.length * 4;
  }
  return Buffer.concat(parts);
}

function bigEndianRow(names: readonly string[], sizeBytes: 4 | 8) {
  return (values: ReadonlyMap<string, number>): Uint8Array => {
    const out = Buffer.alloc(names.length * sizeBytes);
    names.forEach((name, i) =>
      sizeBytes === 4
        ? out.writeFloatBE(values.get(name) as number, i * 4)
        : out.writeDoubleBE(values.get(name) as number, i * 8),
    );
    return out;
  };
}

describe("decodePly", () => {
  const scene = randomGaussians(6, 1);
  const reversed = propertyNames(1)
    .filter((name) => !name.startsWith("n"))
    .toReversed();

  test("finds big-endian properties by name, in any order, without normals", () => {
    const bytes = rewrite(scene, "binary_big_endian", reversed, bigEndianRow(reversed, 4));
    expect(decodePly(bytes)).toEqual(scene);
  });

  test("refuses chunks that take no room, however many there are said to be", () => {
    const packed = ["position", "rotation", "scale", "color"].map((name) => `property uint packed_${name}`);
    const lines = [
      "ply",
      "format binary_little_endian 1.0",
      "element chunk 9000000000000",
      "element vertex 1",
    ];
    const header = [...lines, ...packed, "end_header", ""].join("\n");
    const bytes = Buffer.concat([Buffer.from(header), Buffer.alloc(16)]);
    expect(() => decodePly(bytes)).toThrow(expect.objectContaining({ code: "bad_input" }));
  });

  test("reads doubles", () => {
    const bytes = rewrite(scene, "binary_big_endian", reversed, bigEndianRow(reversed, 8), "float64");
    expect(decodePly(bytes)).toEqual(scene);
  });

  test("reads ascii with Windows line ends", () => {
    const bytes = rewrite(scene, "ascii", reversed, (values) =>
      ascii(`${reversed.map((name) => values.get(name)).join(" ")}\n`),
    );
    const windows = Buffer.from(bytes).toString().replaceAll("\n", "\r\n");
    expect(decodePly(ascii(windows))).toEqual(scene);
  });

  test("passes over elements before and after the vertices, comments and a view into a larger buffer", () => {
    const bytes = encode(scene);
    const text = bytes.toString("latin1");
    const withOthers = Buffer.from(
      text
        .replace(
          "element vertex",
          "obj_info x\ncomment end_header\nelement box 2\nproperty uchar a\nelement vertex",
        )
        .replace("\nend_header\n", "\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n")
        .replace(/(?<=\nend_header\n)/, "ab"),
      "latin1",
    );
    const padded = Buffer.concat([Buffer.alloc(3), withOthers, Buffer.alloc(5)]);
    expect(decodePly(padded.subarray(3, 3 + withOthers.length))).toEqual(scene);
  });

  test("leaves out Gaussians that are not finite", () => {
    const broken = randomGaussians(6, 0);
    broken.quats[4] = NaN;
    broken.means[9] = Infinity;
    const read = decodePly(encode(broken));
    expect(read.count).toBe(4);
    expect([...read.opacities]).toEqual([0, 2, 4, 5].map((i) => broken.opacities[i]));
    expect(read.sh).toHaveLength(12);
  });

  test("refuses every file cut short, wherever the cut", () => {
    const bytes = encode(randomGaussians(3, 0));
    for (let length = 0; length < bytes.length; length++) {
      expectRefused(() => decodePly(bytes.subarray(0, length)), /not a PLY|header|cut short|begin/);
    }
  });

  test.each<[string, string, string, RegExp]>([
    ["another kind of file", "ply\n", "PNG\n", /begin with "ply"/],
    ["a missing property", "property float opacity\n", "", /no opacity/],
    ["a gap in f_rest", "f_rest_4\n", "f_rest_99\n", /no f_rest_4/],
    ["an odd number of f_rest", "property float f_rest_8\n", "", /8 f_rest/],
    ["lists among the vertices", "property float nx", "property list uchar float nx", /lists/],
    ["an unknown type", "property float nx", "property half nx", /type "half"/],
    [
      "a type that is a word of the language",
      "property float nx",
      "property constructor nx",
      /"constructor"/,
    ],
    ["a property declared twice", "property float nx", "property float x", /twice/],
    ["no vertices", "element vertex", "element face", /no vertices/],
    ["an absurd count", "vertex 3", "vertex 9007199254740991", /cut short/],
    ["a count beyond counting", "vertex 3", "vertex 99999999999999999999", /count/],
    ["a negative count", "vertex 3", "vertex -3", /count/],
    ["an unknown format", "binary_little_endian", "binary_pdp_endian", /format/],
    ["a later version", "endian 1.0", "endian 2.0", /version/],
    ["no format", "format binary_little_endian 1.0\n", "", /format/],
    ["a line of something else", "comment splatctl", "coment splatctl", /unknown header line/],
    ["a header without an end", "end_header", "the_header", /header/],
  ])("refuses %s", (_, find, replacement, reason) => {
    const text = encode(randomGaussians(3, 1)).toString("latin1");
    expect(text).toContain(find);
    expectRefused(() => decodePly(Buffer.from(text.replace(find, replacement), "latin1")), reason);
  });

  test("refuses or reads whatever a damaged header says, and never fails otherwise", () => {
    const bytes = encode(randomGaussians(3, 1));
    const headerLength = bytes.indexOf("end_header");
    const random = seededRandom(7);
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      const damaged = Buffer.from(bytes);
      for (let hit = 0; hit < 1 + random() * 4; hit++) {
        damaged[Math.floor(random() * headerLength)] = Math.floor(random() * 256);
      }
      try {
        decodePly(damaged);
      } catch (error) {
        expect(error).toMatchObject({ name: "SplatError", code: "bad_input" });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });

  test("refuses ascii that is short or holds words", () => {
    const header = `ply\nformat ascii 1.0\nelement vertex 2\n${["x", "y", "z"].map((n) => `property float ${n}\n`).join("")}end_header\n`;
    expectRefused(() => decodePoints(ascii(`${header}1 2 3\n4 5\n`)), /cut short/);
    expectRefused(() => decodePoints(ascii(`${header}1 2 3.000000\n4 5 \n`)), /cut short/);
    expectRefused(() => decodePoints(ascii(`${header}1 2 3\n4 5 six\n`)), /"six"/);
  });
});

describe("decodePoints", () => {
  const header = (properties: string): string =>
    `ply\nformat ascii 1.0\nelement vertex 3\n${properties.replaceAll(";", "\n")}\nend_header\n`;
  const xyz = "property float x;property double y;property float32 z";

  test("scales 8-bit colour and leaves out points that are nowhere", () => {
    const colour = "property uchar red;property uint8 green;property uchar blue";
    const points = decodePoints(
      ascii(`${header(`${xyz};${colour}`)}1 2 3 255 0 51\nnan 0 0 9 9 9\n-4 5 6 0 255 102\n`),
    );
    expect([...points.positions]).toEqual([1, 2, 3, -4, 5, 6]);
    expect([...points.colors]).toEqual([1, 0, 51 / 255, 0, 1, 102 / 255].map(Math.fround));
  });

  test("takes points without colour as mid-grey", () => {
    const points = decodePoints(ascii(`${header(xyz)}1 2 3 4 5 6 7 8 9`));
    expect([...points.colors]).toEqual(Array(9).fill(0.5));
  });

  test("takes float colour as it is, within 0…1", () => {
    const colour = "property float red;property float green;property float blue";
    const points = decodePoints(
      ascii(`${header(`${xyz};${colour}`)}0 0 0 0.25 -1 2\n0 0 0 nan 1 0\n0 0 0 0 0 0\n`),
    );
    expect([...points.colors]).toEqual([0.25, 0, 1, 0.5, 1, 0, 0, 0, 0]);
  });

  test("needs x, y and z", () => {
    expectRefused(() => decodePoints(ascii(`${header("property float x")}1\n2\n3\n`)), /no y, z/);
  });
});
