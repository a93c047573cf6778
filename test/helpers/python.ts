/**
 * A Python with packages in it, for tests that run Python code or hold ours against other people's. Where none can be
 * had the answer is a reason, and the test skips with it.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Every Python package that a test may ask for: one version each, so that a release elsewhere breaks no test here. */
export const PYTHON_PACKAGES = {
  /** The vendor's own driver of the servos (module scservo_sdk), and what it opens the port with. */
  feetech: "feetech-servo-sdk==1.0.0",
  serial: "pyserial==3.5",
  /** The series that LeRobot 0.6 asks for. */
  foxglove: "foxglove-sdk==0.25.3",
  pytest: "pytest==9.2.0",
  /** What FastAPI's test client speaks with. */
  httpx: "httpx==0.28.1",
  modal: "modal==1.6.4",
} as const;

/** For a test or hook that calls {@link pythonWith}: the first call may download. */
export const PYTHON_SETUP_TIMEOUT_MS = 240_000;

/** Path of an interpreter, or in words why there is none. */
export type PythonAnswer = { readonly python: string } | { readonly reason: string };

const CACHE = join(repository(), "node_modules/.cache/splatctl-python");
const CANDIDATES = ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
/** Long enough for torch; a slow index is given up earlier, by pip. */
const STEP_TIMEOUT_MS = 600_000;
interface Sources {
  readonly over?: string | undefined;
  readonly index?: string | undefined;
}

const answers = new Map<string, Promise<PythonAnswer>>();

/**
 * An interpreter (3.10 or newer) that has these packages, in an environment kept in node_modules/.cache.
 *
 * Several processes may ask at once. Packages come from wherever pip is set up to take them. With `over`, an
 * interpreter, the environment is made with it and sees its packages too, where it has none of its own. `index` is an
 * index of packages to look into beside the usual one. Never throws.
 */
export function pythonWith(packages: readonly string[], sources: Sources = {}): Promise<PythonAnswer> {
  const wanted = [...packages].sort();
  const key = JSON.stringify([wanted, sources]);
  const answer =
    answers.get(key) ??
    find(wanted, sources).catch((error: unknown) => ({
      reason: `no Python environment: ${lastLine(error)}`,
    }));
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

/**
 * Interpreters (3.10 or newer) of this machine by their paths, the ones to prefer first.
 * @public used by test/modal-backend/run.mjs
 */
export async function pythonsHere(): Promise<readonly string[]> {
  // Debian's own has what Debian installs; it may not be the first on the path.
  const found = await Promise.all([...CANDIDATES, "/usr/bin/python3"].map((name) => interpreter(name)));
  return [...new Set(found.flatMap((each) => (each === null ? [] : [each.path])))];
}

async function find(packages: readonly string[], sources: Sources): Promise<PythonAnswer> {
  const { over, index } = sources;
  const base = over === undefined ? await basePython() : await interpreter(over);
  if (base === null)
    return { reason: `no Python 3.10 or newer ${over === undefined ? "here" : `at ${over}`}` };
  const hash = createHash("sha256")
    .update(JSON.stringify([base, packages, ...Object.keys(sources)]))
    .digest("hex")
    .slice(0, 16);
  const folder = join(CACHE, hash);
  if (await works(pythonIn(folder))) return { python: pythonIn(folder) };
  // Built under a name of its own and renamed: nobody sees half an environment, and no lock outlives a killed run.
  const building = `${folder}.${process.pid}`;
  await rm(building, { recursive: true, force: true });
  await mkdir(CACHE, { recursive: true });
  const failure = await build(base.path, building, packages, index);
  if (failure === null && over !== undefined) await lookInto(base.path, pythonIn(building));
  if (failure === null) await settle(building, folder);
  await rm(building, { recursive: true, force: true });
  if (failure !== null) return { reason: failure };
  return { python: pythonIn(folder) };
}

/** Let an environment see what another interpreter has: its folders come last on the path. */
async function lookInto(other: string, python: string): Promise<void> {
  const list =
    "import sys; print(*[p for p in sys.path if p.endswith(('site-packages', 'dist-packages'))], sep='\\n')";
  const place = (await run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])).trim();
  await writeFile(join(place, "zz-other.pth"), await run([other, "-c", list]));
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
async function build(
  base: string,
  folder: string,
  packages: readonly string[],
  index: string | undefined,
): Promise<string | null> {
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
      await run([...install, ...(index === undefined ? [] : ["--extra-index-url", index]), ...packages]);
      return null;
    } catch (error) {
      why = `pip could not install ${packages.join(", ")} (no network?): ${lastLine(error)}`;
      if (!/No module named pip/.test(why)) return why;
    }
  }
  return why;
}

/** The first interpreter that is new enough, and what tells it from others. */
async function basePython(): Promise<Interpreter | null> {
  for (const name of CANDIDATES) {
    const found = await interpreter(name);
    if (found !== null) return found;
  }
  return null;
}

interface Interpreter {
  readonly path: string;
  readonly version: string;
}

async function interpreter(name: string): Promise<Interpreter | null> {
  const ask = "import sys; print(sys.version_info >= (3, 10), sys.version.split()[0], sys.executable)";
  try {
    const [enough, version, ...path] = (await run([name, "-c", ask])).trim().split(" ");
    return enough === "True" && path.length > 0 ? { path: path.join(" "), version } : null;
  } catch {
    // Not there, or too old to say so.
    return null;
  }
}

async function works(python: string): Promise<boolean> {
  if (!existsSync(python)) return false;
  return run([python, "-c", ""]).then(
    () => true,
    () => false,
  );
}

/** The folder that all of this lies in, seen from here and from a compiled copy of this file. */
function repository(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package-lock.json"))) folder = dirname(folder);
  return folder;
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
