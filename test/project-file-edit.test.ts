/** Changes to project files that people have written by hand. */
import { expect, it } from "vitest";
import { hasIn, setIn, unsetIn } from "../src/project-file-edit.ts";
import { readText } from "../src/project-file-text.ts";
import { seededRandom } from "./helpers/random.ts";

it.each([
  ["nothing", "", `{\n  "scene": "left"\n}\n`],
  ["an empty object", "{}", `{\n  "scene": "left"\n}`],
  [
    "strict JSON, which stays so",
    `{\n  "url": "http://a"\n}\n`,
    `{\n  "url": "http://a",\n  "scene": "left"\n}\n`,
  ],
  [
    "lines of Windows",
    `{\r\n  "url": "http://a"\r\n}\r\n`,
    `{\r\n  "url": "http://a",\r\n  "scene": "left"\r\n}\r\n`,
  ],
  ["a value", `{ "scene": "main" /* here */ }`, `{ "scene": "left" /* here */ }`],
  [
    "a setting that is commented out",
    `{\n  // which\n  // "scene": "main",\n  "url": "http://a"\n}`,
    `{\n  // which\n  "scene": "left",\n  "url": "http://a"\n}`,
  ],
  [
    "one that is commented out at the end",
    `{\n  "url": "http://a"\n  // "scene": "main"\n}`,
    `{\n  "url": "http://a",\n  "scene": "left"\n}`,
  ],
  ["a trailing comma", `{\n  "url": "http://a",\n}`, `{\n  "url": "http://a",\n  "scene": "left"\n}`],
  [
    "a remark on the last line",
    `{\n  "url": "http://a" // mine\n}`,
    `{\n  "url": "http://a", // mine\n  "scene": "left"\n}`,
  ],
  ["tabs", `{\n\t"url": "http://a"\n}`, `{\n\t"url": "http://a",\n\t"scene": "left"\n}`],
  ["comments alone", `// to come\n`, `// to come\n{\n  "scene": "left"\n}\n`],
])("puts a setting into %s", (_name, before, after) => {
  expect(setIn(before, ["scene"], "left")).toBe(after);
});

it.each([
  ["the only one", `{\n  "scene": "a"\n}`, `{\n}`],
  ["the first", `{\n  "scene": "a",\n  "url": "b"\n}`, `{\n  "url": "b"\n}`],
  ["the last, and its comma", `{\n  "url": "b",\n  "scene": "a"\n}`, `{\n  "url": "b"\n}`],
  ["the last of a file with trailing commas", `{\n  "url": "b",\n  "scene": "a",\n}`, `{\n  "url": "b",\n}`],
  [
    "one with a comment above",
    `{\n  // mine\n  "scene": "a",\n  "url": "b"\n}`,
    `{\n  // mine\n  "url": "b"\n}`,
  ],
  ["none", `{ "url": "b" }`, `{ "url": "b" }`],
])("takes away %s", (_name, before, after) => {
  expect(unsetIn(before, ["scene"])).toBe(after);
});

it("makes the groups that it needs, writes lists on a line, and escapes what a terminal would obey", () => {
  const text = setIn(
    setIn("", ["capture", "include"], ["*.jpg", "a\u001bb\u{202e}"]),
    ["relay", "source"],
    "serial",
  );
  expect(text).toContain(String.raw`"include": ["*.jpg", "a\u001bb\u202e"]`);
  expect(readText(text).value).toEqual({
    capture: { include: ["*.jpg", "a\u001bb\u{202e}"] },
    relay: { source: "serial" },
  });
});

it("says what it should and keeps every comment beside it, whatever it is given", () => {
  const random = seededRandom(7);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)];
  const blank = (): string => pick(["", "", " ", "\n  ", " /* x */ ", " // y\n", "\t", "\r\n"]);
  const object = (members: readonly (readonly [name: string, value: () => string])[]): string => {
    const some = members.filter(() => random() < 0.6);
    const written = some.map(
      ([name, value]) => `${blank()}"${name}"${blank()}:${blank()}${value()}${blank()}`,
    );
    const comma = some.length > 0 && random() < 0.3 ? `,${blank()}` : "";
    return `{${written.join(",")}${comma}${blank()}}`;
  };
  const value = (): string => '"v"';
  const file = (): string =>
    blank() +
    object([
      ["url", value],
      [
        "capture",
        () =>
          object([
            ["folder", value],
            ["fps", value],
          ]),
      ],
      ["scene", value],
      ["relay", () => object([["source", value]])],
    ]) +
    blank();
  const comments = (text: string): number => text.split(/\/\* x \*\/|\/\/ y/).length - 1;
  for (let round = 0; round < 3000; round++) {
    const text = file();
    const path = pick([
      ["url"],
      ["scene"],
      ["capture", "folder"],
      ["capture", "fps"],
      ["relay", "source"],
      ["relay"],
    ]);
    const [group, name] = path;
    const before = readText(text).value as Record<string, Record<string, unknown>>;
    const expected =
      name === undefined
        ? { ...before, [group]: "new" }
        : { ...before, [group]: { ...before[group], [name]: "new" } };
    const set = readText(setIn(text, path, "new"));
    expect([set.faults, set.value], text).toEqual([[], expected]);
    if (group !== "relay" || name !== undefined)
      expect(comments(setIn(text, path, "new")), text).toBe(comments(text));
    const unset = unsetIn(text, path);
    const left = structuredClone(before);
    if (name === undefined) delete left[group];
    else delete left[group]?.[name];
    expect([readText(unset).faults, readText(unset).value], JSON.stringify([text, path, unset])).toEqual([
      [],
      left,
    ]);
    expect(hasIn(unset, path)).toBe(false);
    if (!hasIn(text, path)) expect(unset).toBe(text);
  }
});
