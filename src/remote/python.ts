/** A Python that can run the backend in templates/modal: the user's own, or an environment made with uv. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf, SplatError } from "../errors.ts";
import type { Log } from "../log.ts";

/** Where the Python backend lies, beside this program. */
export const BACKEND_FOLDER = fileURLToPath(new URL("../../templates/modal", import.meta.url));

/** An interpreter and what it trains with. */
export interface BackendPython {
  /** A name to look for on the path, or an absolute path. */
  readonly python: string;
  /** Of torch. */
  readonly version: string;
  /** Name of the GPU; null = it trains on the CPU. */
  readonly gpu: string | null;
}

export interface PythonOptions {
  /** The user's own; undefined = an environment of ours. */
  readonly python: string | undefined;
  /** Where ours is kept. */
  readonly cacheDir: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Default: the one on the path. */
  readonly uv?: string | undefined;
}

const UV_HINT =
  "Install uv (https://docs.astral.sh/uv), which brings everything else, or name a Python that has the packages with --python.";
const PROBE_TIMEOUT_MS = 120_000;
const INSTALL_TIMEOUT_MS = 3_600_000;

/** Prints what is missing, or torch's version and the GPU. Importing torch takes seconds, so it comes last. */
const PROBE = `
import importlib.util, json, sys
names = ["boto3", "fastapi", "numpy", "PIL", "pydantic", "python_multipart", "torch", "uvicorn"]
missing = [name for name in names if importlib.util.find_spec(name) is None]
found = {"enough": sys.version_info >= (3, 10), "missing": missing}
if not missing:
    import torch
    gpu = torch.cuda.is_available() and importlib.util.find_spec("gsplat") is not None
    cuda = torch.cuda.is_available()
    found |= {"version": torch.__version__, "gpu": torch.cuda.get_device_name(0) if gpu else None, "cuda": cuda}
print(json.dumps(found))
`;

interface Probed {
  readonly enough: boolean;
  readonly missing: readonly string[];
  readonly version: string;
  readonly gpu: string | null;
  readonly cuda: boolean;
}

/**
 * Find the user's Python, or make one. The first time that downloads torch: 200 MB without a GPU, 3 GB with one.
 * Throws `not_configured`, with what to do, when there is none, it lacks packages, or it cannot be made.
 */
export async function backendPython(options: PythonOptions): Promise<BackendPython> {
  const { log } = options;
  const python = options.python === undefined ? await ourPython(options) : fromHere(options.python);
  const found = await probe(python, options.signal);
  if (found.gpu === null) {
    const why = found.cuda ? "gsplat is not installed for it" : "torch finds no NVIDIA GPU";
    log.warn(
      `${why}: this backend trains on the CPU, slowly; the built-in one (--engine builtin) is faster there`,
    );
  }
  return { python, version: found.version, gpu: found.gpu };
}

/** The backend starts in a folder of its own, where a relative path would lead elsewhere. */
function fromHere(python: string): string {
  const isPath = python.includes("/") || (process.platform === "win32" && python.includes("\\"));
  return isPath ? resolvePath(python) : python;
}

/** What the probe printed; null where something else ran. */
function readProbe(printed: string): Probed | null {
  try {
    return JSON.parse(printed) as Probed;
  } catch {
    return null;
  }
}

async function probe(python: string, signal: AbortSignal): Promise<Probed> {
  const printed = await run([python, "-c", PROBE], { signal, timeoutMs: PROBE_TIMEOUT_MS }).catch(
    (error: unknown) => {
      signal.throwIfAborted();
      throw new SplatError("not_configured", `cannot run Python as ${python}: ${messageOf(error)}`, {
        hint: UV_HINT,
        cause: error,
      });
    },
  );
  const found = readProbe(printed);
  if (found === null) throw new SplatError("not_configured", `${python} is no Python`, { hint: UV_HINT });
  if (!found.enough)
    throw new SplatError("not_configured", `${python} is older than Python 3.10`, { hint: UV_HINT });
  if (found.missing.length > 0) {
    const file = found.missing.includes("torch")
      ? "requirements-cpu.txt (or -gpu.txt) and requirements.txt"
      : "requirements.txt";
    throw new SplatError("not_configured", `${python} has no ${found.missing.join(", ")}`, {
      hint: `Install ${file} from ${BACKEND_FOLDER} into it, or leave --python and SPLAT_PYTHON out and have uv installed.`,
    });
  }
  return found;
}

/** The environment that is kept for later runs; made, and told so, when it is not there. */
async function ourPython({ cacheDir, log, signal, uv = "uv" }: PythonOptions): Promise<string> {
  const version = await run([uv, "--version"], { signal }).catch(() => {
    signal.throwIfAborted();
    throw new SplatError("not_configured", "there is no uv to make a Python environment with", {
      hint: UV_HINT,
    });
  });
  const hasGpu = process.platform === "linux" && (await hasNvidiaGpu(signal));
  const files = [hasGpu ? "requirements-gpu.txt" : "requirements-cpu.txt", "requirements.txt"].map((name) =>
    join(BACKEND_FOLDER, name),
  );
  const hash = createHash("sha256");
  for (const file of files) hash.update(await readFile(file));
  const folder = join(cacheDir, "python", hash.digest("hex").slice(0, 16));
  if (existsSync(folder)) return pythonIn(folder);
  log.info(`making a Python environment in ${folder} with ${version.trim()}, once`);
  log.info(
    `this downloads ${hasGpu ? "torch for the GPU, gsplat and more: about 3 GB" : "torch for the CPU and more: about 250 MB"}; it takes minutes`,
  );
  await build(uv, folder, files, { hasGpu, signal });
  return pythonIn(folder);
}

/** Built under a name of its own and renamed, so that nobody sees half of it. */
async function build(
  uv: string,
  folder: string,
  files: readonly string[],
  { hasGpu, signal }: { readonly hasGpu: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const building = `${folder}.${process.pid}`;
  const install = ["pip", "install", "--quiet", "--index-strategy", "unsafe-best-match"];
  const options = { signal, timeoutMs: INSTALL_TIMEOUT_MS };
  try {
    await mkdir(join(folder, ".."), { recursive: true });
    // gsplat's wheels are for 3.10; uv fetches a Python where there is none.
    await run([uv, "venv", "--quiet", "--python", hasGpu ? "3.10" : ">=3.10,<3.14", building], options);
    const into = ["--python", pythonIn(building), ...files.flatMap((file) => ["--requirements", file])];
    await run([uv, ...install, ...into], options);
    await rename(building, folder);
  } catch (error) {
    signal.throwIfAborted();
    if (existsSync(folder)) return;
    throw new SplatError("not_configured", `uv could not make the environment: ${messageOf(error)}`, {
      hint: "Is the network up? Run the same command again, or name a Python that has the packages with --python.",
      cause: error,
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function hasNvidiaGpu(signal: AbortSignal): Promise<boolean> {
  return run(["nvidia-smi", "--list-gpus"], { signal }).then(
    (text) => text.includes("GPU"),
    () => false,
  );
}

function pythonIn(folder: string): string {
  return process.platform === "win32" ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");
}

/** What a program prints. Throws its last words when it ends badly. */
function run(
  [command, ...args]: readonly string[],
  { signal, timeoutMs = 30_000 }: { readonly signal: AbortSignal; readonly timeoutMs?: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { signal, timeout: timeoutMs }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else
        reject(new Error(stderr.trim().split("\n").slice(-5).join("\n") || error.message, { cause: error }));
    });
  });
}
