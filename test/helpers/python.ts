/**
 * A Python with packages in it, for tests that run Python code or hold ours against other people's. Where none can be
 * had the answer is a reason, and the test skips with it.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Every Python package that a test may ask for: one version each, so that a release elsewhere breaks no test here. */
export const PYTHON_PACKAGES = {
  /** The vendor's own driver of the servos (module scservo_sdk), and what it opens the port with. */
  feetech: "feetech-servo-sdk==1.0.0",
  serial: "pyserial==3.5",
  /** The series that LeRobot 0.6 asks for. */
  foxglove: "foxglove-sdk==0.25.3",
  pytest: "pytest==9.2.0",
} as const;

/** For a test or hook that calls {@link pythonWith}: the first call may download. */
export const PYTHON_SETUP_TIMEOUT_MS = 240_000;

/** Path of an interpreter, or in words why there is none. */
export type PythonAnswer = { readonly python: string } | { readonly reason: string };

const CACHE = fileURLToPath(new URL("../../node_modules/.cache/splatctl-python", import.meta.url));
const CANDIDATES = ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
const STEP_TIMEOUT_MS = 100_000;
const answers = new Map<string, Promise<PythonAnswer>>();

/**
 * An interpreter (3.10 or newer) that has these packages, in an environment kept in node_modules/.cache.
 *
 * Several processes may ask at once. Packages come from wherever pip is set up to take them. Never throws.
 */
export function pythonWith(packages: readonly string[]): Promise<PythonAnswer> {
  const wanted = [...packages].sort();
  const key = wanted.join(" ");
  const answer =
    answers.get(key) ??
    find(wanted).catch((error: unknown) => ({ reason: `no Python environment: ${lastLine(error)}` }));
  answers.set(key, answer);
  return answer;
}

/**
 * A Python with LeRobot and pytest in it, named by LEROBOT_PYTHON: too large (torch, datasets) to install for a test.
 */
export function lerobotPython(): PythonAnswer {
  const python = process.env["LEROBOT_PYTHON"];
  if (python === undefined) return { reason: "LEROBOT_PYTHON names no Python with lerobot and pytest in it" };
  return { python };
}

async function find(packages: readonly string[]): Promise<PythonAnswer> {
  const base = await basePython();
  if (base === null) return { reason: "no Python 3.10 or newer here" };
  const hash = createHash("sha256")
    .update(JSON.stringify([base, packages]))
    .digest("hex")
    .slice(0, 16);
  const folder = join(CACHE, hash);
  if (await works(pythonIn(folder))) return { python: pythonIn(folder) };
  // Built under a name of its own and renamed: nobody sees half an environment, and no lock outlives a killed run.
  const building = `${folder}.${process.pid}`;
  await rm(building, { recursive: true, force: true });
  await mkdir(CACHE, { recursive: true });
  const failure = await build(base.path, building, packages);
  if (failure === null) await settle(building, folder);
  await rm(building, { recursive: true, force: true });
  if (failure !== null) return { reason: failure };
  return { python: pythonIn(folder) };
}

/** Put the finished environment in its place, unless another process was faster. */
async function settle(building: string, folder: string): Promise<void> {
  if (existsSync(folder) && !(await works(pythonIn(folder)))) {
    await rm(folder, { recursive: true, force: true });
  }
  try {
    await rename(building, folder);
  } catch (error) {
    if (!(await works(pythonIn(folder)))) throw error;
  }
}

interface Way {
  readonly make: readonly string[];
  readonly install: readonly string[];
}

/** Make and fill an environment; null when that went well, else why not. */
async function build(base: string, folder: string, packages: readonly string[]): Promise<string | null> {
  const pip = ["-m", "pip", "--disable-pip-version-check"];
  const into = ["install", "--quiet", "--retries", "1", "--timeout", "20"];
  const ways: Way[] = [
    { make: [base, "-m", "venv", folder], install: [pythonIn(folder), ...pip, ...into] },
    // Debian keeps ensurepip in python3-venv, which may be missing.
    {
      make: [base, "-m", "venv", "--without-pip", folder],
      install: [base, ...pip, "--python", pythonIn(folder), ...into],
    },
    {
      make: ["uv", "venv", "--quiet", "--python", base, folder],
      install: ["uv", "pip", "install", "--quiet", "--python", pythonIn(folder)],
    },
  ];
  let why = "";
  for (const { make, install } of ways) {
    await rm(folder, { recursive: true, force: true });
    try {
      await run(make);
    } catch (error) {
      why ||= `Python cannot make an environment (Debian: python3-venv): ${lastLine(error)}`;
      continue;
    }
    if (packages.length === 0) return null;
    try {
      await run([...install, ...packages]);
      return null;
    } catch (error) {
      why = `pip could not install ${packages.join(", ")} (no network?): ${lastLine(error)}`;
      if (!/No module named pip/.test(why)) return why;
    }
  }
  return why;
}

/** The first interpreter that is new enough, and what tells it from others. */
async function basePython(): Promise<{ readonly path: string; readonly version: string } | null> {
  const ask = "import sys; print(sys.version_info >= (3, 10), sys.version.split()[0], sys.executable)";
  for (const name of CANDIDATES) {
    try {
      const [enough, version, ...path] = (await run([name, "-c", ask])).trim().split(" ");
      if (enough === "True" && path.length > 0) return { path: path.join(" "), version };
    } catch {
      // Not there, or too old to say so.
    }
  }
  return null;
}

async function works(python: string): Promise<boolean> {
  if (!existsSync(python)) return false;
  return run([python, "-c", ""]).then(
    () => true,
    () => false,
  );
}

function pythonIn(folder: string): string {
  return process.platform === "win32" ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");
}

function run([command, ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { timeout: STEP_TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr.trim() || error.message, { cause: error }));
    });
  });
}

/** The last line that pip says is the one that sums up; long ones are cut. */
function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split("\n").at(-1) ?? text).slice(0, 200);
}
