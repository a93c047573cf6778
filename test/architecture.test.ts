/**
 * The shape of `src/`, held as data: who may import whom, what runs everywhere, who may touch the process.
 * The reasons are in CONTRIBUTING.md; when the code teaches better, change both.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/** Every file may import its own folder and these. */
const LEAVES = ["colour", "errors", "log", "printable", "quantities", "redact", "time"];

/** The mathematics of the arm, which runs everywhere; the rest of robot/ speaks to hardware. */
const KINEMATICS = [
  "robot/kinematics",
  "robot/so101",
  "robot/rigid",
  "robot/camera-mounts",
  "robot/joint-history",
];

/** Left may import right, beside its own folder and the leaves. The longest name that fits a file counts. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  main: ["commands"],
  config: ["config", "project-file", "user-config", "secrets-file", "api/limits"],
  "project-file": ["project-file", "nearest-name", "files/durable", "capture/camera-address"],
  "nearest-name": [],
  "user-config": ["files/lock"],
  "secrets-file": ["user-config"],
  colour: [],
  errors: [],
  log: [],
  printable: [],
  quantities: [],
  redact: [],
  time: [],
  commands: [
    "config",
    "project-file",
    "nearest-name",
    "user-config",
    "secrets-file",
    "api",
    "capture",
    "robot",
    "queue",
    "daemon",
    "splat",
    "trainer",
    "backend",
    "remote",
    "chunks",
    "files",
    "sim",
    "tui",
    "doctor",
    "completion",
    "viewer/serve",
  ],
  completion: [],
  doctor: [
    "config",
    "nearest-name",
    "project-file",
    "user-config",
    "secrets-file",
    "api",
    "capture",
    "robot",
    "queue",
    "daemon",
    "remote",
    "files",
    "backend/kernels-file",
    "trainer/kernels",
  ],
  daemon: ["capture", "robot", "queue", "api", "http", "files", "viewer/serve"],
  http: ["api/schema"],
  tui: ["api", "capture/frame-gate", "robot/so101", "robot/kinematics"],
  "viewer/serve": ["api", "http"],
  "viewer/page": ["splat", "api/schema", "api/events", ...KINEMATICS],
  queue: ["api/client", "api/limits", "files"],
  chunks: ["api/schema", "api/bucket-keys", "api/limits", "remote/r2", "splat", "files"],
  backend: [
    "api/schema",
    "api/events",
    "api/bucket-keys",
    "http",
    "files",
    "trainer",
    "splat",
    "remote/r2",
    ...KINEMATICS,
  ],
  trainer: ["splat", ...KINEMATICS],
  sim: ["robot", "splat", "trainer/camera", "trainer/random", "trainer/undistort"],
  capture: [],
  robot: [],
  remote: [],
  api: [],
  splat: [],
  files: [],
};

/** Runs in Node, in a worker and in a browser: no `node:` module, no Node global, no package but these. */
const PURE = [
  "splat",
  "trainer",
  "api/schema",
  "api/events",
  "api/bucket-keys",
  "robot/feetech",
  "robot/units",
  "robot/joint-body",
  ...KINEMATICS,
];
const PURE_PACKAGES = ["zod", "fzstd"];

/** Names that say nothing about what is inside. */
const EMPTY_NAMES = /^(utils?|helpers?|managers?|misc|stuff|lib)$|-(utils?|helpers?|manager)$/;

interface SourceFile {
  /** Below src/, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** Whether `path` (no extension) is `name`, lies in it, or is a part of it such as `so101-limits` of `so101`. */
function isWithin(path: string, name: string): boolean {
  return path === name || path.startsWith(`${name}/`) || path.startsWith(`${name}-`);
}

function withoutExtension(path: string): string {
  return path.slice(0, path.length - extname(path).length);
}

function importsOf(code: string): string[] {
  const pattern = /(?:\bfrom|\bimport)\s*\(?\s*(["'])([^"'\n]+)\1/g;
  return [...code.matchAll(pattern)].map((match) => match[2]);
}

/** The text without comments that begin a line, which may show imports without making them. */
function codeOf(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, "").replace(/^\s*\/\/.*$/gm, "");
}

function importBreaches(path: string, zone: string | undefined, imports: readonly string[]): string[] {
  if (zone === undefined) return [`${path} belongs to no row of the import table`];
  const own = path.includes("/") ? [zone] : [];
  return imports
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => ({ specifier, target: withoutExtension(join(dirname(path), specifier)) }))
    .filter(({ target }) => ![...own, ...LEAVES, ...MAY_IMPORT[zone]].some((name) => isWithin(target, name)))
    .map(({ specifier }) => `${path} imports "${specifier}", which ${zone} may not`);
}

function purityBreaches(path: string, imports: readonly string[], code: string): string[] {
  if (!PURE.some((name) => isWithin(withoutExtension(path), name))) return [];
  const packages = imports.filter((name) => !name.startsWith(".") && !PURE_PACKAGES.includes(name));
  const globals = [...code.matchAll(/\b(process|Buffer|require|__dirname)\b\s*[.(]/g)].map(
    (match) => match[1],
  );
  return [...packages, ...globals].map((name) => `${path} uses "${name}" and must run in a browser too`);
}

/** A command that printed a result and is only partly done may say so itself; every other code comes from a throw. */
function processBreaches(path: string, code: string): string[] {
  const found: string[] = [];
  if (path !== "config.ts" && /\bprocess\s*\.\s*env\b/.test(code)) {
    found.push(`${path} reads process.env, which only config.ts does`);
  }
  const partial = path.startsWith("commands/") ? /process\.exitCode = EXIT_CODES\.partial;/g : /$^/;
  if (path !== "main.ts" && /\bprocess\s*\.\s*exitCode\s*=/.test(code.replace(partial, ""))) {
    found.push(`${path} sets the exit code, which only main.ts does: throw a SplatError instead`);
  }
  if (/\bprocess\s*\.\s*(exit|abort)\s*\(/.test(code)) {
    found.push(`${path} ends the process, which cuts off what others are still writing: throw or return`);
  }
  return found;
}

function nameBreaches(path: string): string[] {
  return path.split("/").flatMap((part) => {
    const name = part.replace(/(\.d)?\.[a-z]+$/, "");
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) return [`${path}: "${part}" is not in kebab-case`];
    return EMPTY_NAMES.test(name) ? [`${path}: "${name}" does not say what is inside`] : [];
  });
}

/** Every rule that a file breaks, each as a sentence naming the file and what it did. */
function breaches({ path, text }: SourceFile): string[] {
  if (!/\.tsx?$/.test(path)) return nameBreaches(path);
  const code = codeOf(text);
  const imports = importsOf(code);
  const zones = Object.keys(MAY_IMPORT).filter((name) => isWithin(withoutExtension(path), name));
  const zone = zones.toSorted((a, b) => b.length - a.length)[0];
  return [
    ...importBreaches(path, zone, imports),
    ...purityBreaches(path, imports, code),
    ...processBreaches(path, code),
    ...nameBreaches(path),
  ];
}

const root = fileURLToPath(new URL("../src/", import.meta.url));

test("src/ keeps to the import table, the walls and the names", () => {
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll(sep, "/"));
  expect(files).toContain("main.ts");
  expect(files.flatMap((path) => breaches({ path, text: readFileSync(join(root, path), "utf8") }))).toEqual(
    [],
  );
});

test.each<[string, string, string, RegExp]>([
  [
    "an import against the table",
    "splat/ply.ts",
    `import { a } from "../backend/app.ts";`,
    /"..\/backend\/app.ts"/,
  ],
  [
    "an import for its types",
    "queue/spool.ts",
    `import type { A } from "../api/schema.ts";`,
    /queue may not/,
  ],
  ["an import at run time", "api/client.ts", `const a = await import("../config.ts");`, /"..\/config.ts"/],
  ["an import for its effect", "capture/folder.ts", `import "../sim/scene.ts";`, /capture may not/],
  ["a re-export", "trainer/train.ts", `export { a } from "../backend/app.ts";`, /trainer may not/],
  ["the rest of robot/", "trainer/pose.ts", `import { a } from "../robot/serial.ts";`, /trainer may not/],
  ["a folder of no one", "plugins/one.ts", "", /no row/],
  ["Node in a pure file", "splat/ply.ts", `import { readFileSync } from "node:fs";`, /"node:fs"/],
  ["a package in a pure file", "trainer/train.ts", `import sharp from "sharp";`, /"sharp"/],
  ["a Node global in a pure file", "robot/so101-limits.ts", `Buffer.from("");`, /"Buffer"/],
  ["a setting read elsewhere", "backend/app.ts", `const a = process.env["A"];`, /process.env/],
  ["an exit code elsewhere", "http/server.ts", "process.exitCode = 5;", /exit code/],
  ["an exit code of its own in a command", "commands/pull.ts", "process.exitCode = 1;", /exit code/],
  ["partly done, said by another", "daemon/run.ts", "process.exitCode = EXIT_CODES.partial;", /exit code/],
  ["a process ended", "main.ts", "process.exit(1);", /ends the process/],
  ["a name in camelCase", "splat/plyRead.ts", "", /kebab-case/],
  ["a name that says nothing", "api/utils.ts", "", /what is inside/],
])("the rules catch %s", (_, path, text, message) => {
  const found = breaches({ path, text });
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(message);
  expect(found[0]).toContain(path);
});

test.each([
  ["splat/ply.ts", `import { SplatError } from "../errors.ts";\n// import "node:fs" would be wrong\n`],
  ["backend/robot-pose.ts", `import { a } from "../robot/so101-limits.ts";\nimport sharp from "sharp";`],
  ["sim/camera.ts", `import { a } from "../trainer/camera.ts";`],
  ["commands/serve.ts", `const { a } = await import("../backend/open-backend.ts");`],
  ["commands/capture.ts", "if (rejected > 0) process.exitCode = EXIT_CODES.partial;"],
  ["api/events.ts", `/**\n * import "node:fs"\n */\nimport { z } from "zod";\nnew ArrayBuffer(3);`],
])("the rules let %s be", (path, text) => {
  expect(breaches({ path, text })).toEqual([]);
});
