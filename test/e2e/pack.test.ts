import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";

interface Packed {
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number; readonly mode: number }[];
}

const root = fileURLToPath(new URL("../..", import.meta.url));
let packed: Packed;

beforeAll(() => {
  // dist/ is fresh already: test/helpers/build-first.ts saw to it.
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const shell = process.platform === "win32";
  const output = execFileSync("npm", args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    shell,
  });
  [packed] = JSON.parse(output) as Packed[];
});

test("the package holds the program and what a user should read, nothing else", () => {
  const allowed = [
    /^(bin\/splatctl\.js|dist\/.+\.(js|wasm)|README\.md|LICENSE|SECURITY\.md|package\.json)$/,
    /^templates\/\w+\/(pyproject\.toml|README\.md|LICENSE)$/,
    /^templates\/completion\/(_splatctl|splatctl\.(bash|fish))$/,
    /^templates\/lerobot\/(src\/\w+\/\w+\.py|splat_push\.py)$/,
    /^templates\/modal\/(modal_app\.py|requirements(-\w+)?\.txt|live_splat\/(\w+\/)?\w+\.py)$/,
  ];
  const paths = packed.files.map(({ path }) => path);
  expect(paths.filter((path) => !allowed.some((pattern) => pattern.test(path)))).toEqual([]);
  expect(paths).toEqual(
    expect.arrayContaining([
      "bin/splatctl.js",
      "dist/main.js",
      "README.md",
      "LICENSE",
      "SECURITY.md",
      "package.json",
    ]),
  );
});

test("the program can be run as it lies", () => {
  const bin = packed.files.find(({ path }) => path === "bin/splatctl.js");
  expect((bin?.mode ?? 0) & 0o111).toBe(0o111);
  expect(readFileSync(join(root, "bin/splatctl.js"), "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
});

test("nothing in it names a folder of the machine it was built on", () => {
  const telling = packed.files.filter(({ path }) => {
    const text = readFileSync(join(root, path), "latin1");
    return text.includes(join(root, "src")) || text.includes("sourceMappingURL=");
  });
  expect(telling.map(({ path }) => path)).toEqual([]);
});

test("it stays small: 2.8 MB unpacked", () => {
  expect(packed.unpackedSize).toBeLessThan(2_800_000);
});
