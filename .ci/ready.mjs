/**
 * Make a checkout ready to run: install what is missing or stale, build what is missing or stale, and say so.
 * Plain JavaScript on Node alone, because it runs before anything is installed.
 *
 *   node .ci/ready.mjs            install and build as needed
 *   node .ci/ready.mjs --install  only the first
 *   node .ci/ready.mjs --build    only the second (--force: even when fresh)
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const flags = new Set(process.argv.slice(2));
const say = (line) => process.stderr.write(`splatctl: ${line}\n`);

function hashOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths)
    hash
      .update(path)
      .update("\0")
      .update(readFileSync(join(root, path)))
      .update("\0");
  return hash.digest("hex");
}

function filesUnder(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort();
}

function isFresh(stamp, want) {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === want;
}

function run(command, args) {
  execFileSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
}

function install() {
  const stamp = join(root, "node_modules/.splatctl-lock");
  const want = hashOf(["package.json", "package-lock.json"]);
  if (isFresh(stamp, want)) return;
  say("installing packages (npm ci) ...");
  // No package here needs its install script; some would download what npm has brought already.
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  writeFileSync(stamp, want);
}

function build() {
  const stamp = join(root, "dist/.stamp");
  const want = hashOf([...filesUnder("src"), "tsconfig.json", "package-lock.json", ".ci/ready.mjs"]);
  if (!flags.has("--force") && isFresh(stamp, want)) return;
  say("building dist/ ...");
  rmSync(join(root, "dist"), { recursive: true, force: true });
  mkdirSync(join(root, "dist"));
  run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.json"]);
  for (const kind of ["plain", "relaxed"]) compileKernels(kind);
  writeFileSync(stamp, want);
}

/** AssemblyScript → dist/trainer/kernels/KIND.wasm. The memory is the trainer's own and shared by all its threads. */
function compileKernels(kind) {
  const layout = readFileSync(join(root, "src/trainer/kernels/layout.ts"), "utf8");
  const [, constantsAt] = /CONSTANTS_AT = (\d+)/.exec(layout);
  const features = ["simd", "threads", "bulk-memory", ...(kind === "relaxed" ? ["relaxed-simd"] : [])];
  const memory = "--importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536 --memoryBase".split(
    " ",
  );
  run(process.execPath, [
    join(root, "node_modules/assemblyscript/bin/asc.js"),
    // Relative: asc names the files it imports by where it stands.
    "src/trainer/kernels/index.ts",
    "--outFile",
    `dist/trainer/kernels/${kind}.wasm`,
    "-O3",
    "--converge",
    "--noAssert",
    "--runtime",
    "stub",
    ...memory,
    constantsAt,
    ...features.flatMap((feature) => ["--enable", feature]),
  ]);
}

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  say(`Node 20.19 or newer is needed; this is ${process.versions.node}.`);
  process.exit(1);
}
try {
  if (!flags.has("--build")) install();
  if (!flags.has("--install")) build();
} catch (error) {
  say(`could not get ready: ${error.message}`);
  process.exit(1);
}
