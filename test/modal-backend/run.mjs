/**
 * `npm run test:backend`: the tests of the Python backend, and the contract held against it with its real trainer.
 *
 * Needs Python 3.10 or newer with torch; any build does, the tests use the CPU. SPLAT_PYTHON names one; else an
 * interpreter of this machine that has torch is taken; else torch comes from PyTorch's own index of CPU builds (PyPI's
 * brings gigabytes of CUDA). Everything else is installed beside it, pinned, and kept in node_modules/.cache.
 */
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { compile } from "../helpers/compile.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const backend = join(root, "templates/modal");
const TORCH_INDEX = "https://download.pytorch.org/whl/cpu";
const READY_MS = 120_000;
const END_MS = 60_000;
const run = promisify(execFile);
const say = (line) => process.stdout.write(`${line}\n`);

function requirements(file) {
  const lines = readFileSync(join(backend, file), "utf8").split("\n");
  return lines.filter((line) => /^[a-z]/.test(line));
}

async function hasTorch(python) {
  return await run(python, ["-c", "import torch, numpy; torch.zeros(1).numpy()"]).then(
    () => true,
    () => false,
  );
}

/** The interpreter whose torch is used; null when none here has it. */
async function torchBase(pythonsHere) {
  const named = process.env.SPLAT_PYTHON;
  if (named !== undefined && named !== "") {
    if (await hasTorch(named)) return named;
    throw new Error(`SPLAT_PYTHON names ${named}, which has no working torch and numpy`);
  }
  for (const python of await pythonsHere()) if (await hasTorch(python)) return python;
  return null;
}

/** A Python with all that the backend and its tests need. */
async function environment() {
  const { load, remove } = compile(["test/helpers/python.ts"]);
  try {
    const { PYTHON_PACKAGES, pythonsHere, pythonWith } = await load("test/helpers/python.ts");
    const { pytest, httpx, modal } = PYTHON_PACKAGES;
    const packages = [...requirements("requirements.txt"), pytest, httpx, modal];
    const base = await torchBase(pythonsHere);
    const answer = await (base === null
      ? pythonWith([...packages, ...requirements("requirements-cpu.txt")], { index: TORCH_INDEX })
      : pythonWith(packages, { over: base }));
    if ("reason" in answer) {
      const hint =
        base === null
          ? "\n  Install torch (Debian: apt-get install python3-torch python3-venv), or name a Python that has it with SPLAT_PYTHON."
          : "";
      throw new Error(`${answer.reason}${hint}`);
    }
    return { python: answer.python, base };
  } finally {
    remove();
  }
}

/** Run to the end with our own output; its exit code, or 1 when it was killed. */
async function outcome(command, args, options) {
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], ...options });
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** Start the backend as `splatctl serve` does: it ends when its input does, so it does not stay behind when we are killed. */
async function startBackend(python, dataDir) {
  const child = spawn(python, ["-m", "live_splat.attached", "--port", "0"], {
    cwd: backend,
    env: { ...quietEnvironment(), SPLAT_DATA_DIR: dataDir },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let printed = "";
  const ended = new Promise((resolve) => child.once("close", (code) => resolve(code ?? "killed")));
  const url = await new Promise((resolve, reject) => {
    const fail = () => reject(new Error(`the backend does not start:\n${printed}`));
    const timer = setTimeout(fail, READY_MS);
    void ended.then(fail);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        printed += text;
        // Up to what follows it: a piece may end within the port.
        const found = /(https?:\/\/127\.0\.0\.1:\d+)\s/.exec(printed);
        if (found === null) return;
        clearTimeout(timer);
        resolve(found[1]);
      });
    }
  }).catch((error) => {
    child.kill("SIGKILL");
    throw error;
  });
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
    const code = await ended;
    clearTimeout(timer);
    return code;
  };
  return { url, stop, printed: () => printed };
}

/** This process's environment without what would make a backend of it that is not for tests. */
function quietEnvironment() {
  const ours = Object.entries(process.env).filter(
    ([name]) => !/^(SPLAT|R2|AWS|MODAL)_/.test(name) && name !== "PYTHONPATH",
  );
  return { ...Object.fromEntries(ours), PYTHONDONTWRITEBYTECODE: "1" };
}

async function holdContract(python) {
  const dataDir = mkdtempSync(join(tmpdir(), "splatctl-modal-"));
  try {
    const server = await startBackend(python, dataDir);
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const files = ["test/api/contract.test.ts", "test/modal-backend"];
    const env = { ...quietEnvironment(), SPLAT_CONTRACT_URL: server.url, SPLAT_BACKEND_PYTHON: python };
    const code = await outcome(process.execPath, [vitest, "run", ...files], { cwd: root, env }).catch(
      () => 1,
    );
    const ended = await server.stop();
    if (code !== 0 || ended !== 0) say(`--- the backend printed:\n${server.printed().slice(-20_000)}`);
    if (ended !== 0) say(`the backend ended with ${ended} after SIGTERM, not with 0`);
    return code === 0 && ended === 0;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

try {
  const { python, base } = await environment();
  say(`Python: ${python}${base === null ? "" : `, torch from ${base}`}`);
  const pytest = ["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"];
  const tests = await outcome(python, pytest, { cwd: backend, env: quietEnvironment() });
  const isHeld = await holdContract(python);
  if (tests !== 0) say("pytest failed");
  if (!isHeld) say("the backend does not hold the contract");
  process.exitCode = tests === 0 && isHeld ? 0 : 1;
} catch (error) {
  process.stderr.write(`test:backend: ${error.message}\n`);
  process.exitCode = 1;
}
