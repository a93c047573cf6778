/** Finds Modal's program. Deploying is its alone: the JavaScript library of Modal's cannot define functions. */
import { open } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { SplatError } from "../errors.ts";
import { run, type Modal, type ModalEnvironment, type RunOptions } from "./modal-run.ts";

/** Before it, `deploy --strategy` is not there and `app logs` follows for ever. */
const OLDEST = "1.4.0";

/** Where it may be, in the order that it is looked for. */
const PLACES: readonly (readonly string[])[] = [
  ["modal"],
  ["python3", "-m", "modal"],
  ...(process.platform === "win32" ? [["py", "-m", "modal"]] : []),
  ["uvx", "modal"],
];

/** `uvx` may fetch it first. */
const TIMEOUT_MS = 120_000;

const HOW_TO_GET_IT = "Get it with `uv tool install modal` or `pip install modal`, then run `modal setup`.";

/**
 * Find it; `graceMs` goes for every run of it, as `RunOptions` has it. Throws `not_configured` when there is none, or none that is new
 * enough; the signal's reason on Ctrl-C.
 */
export async function findModal(
  environment: ModalEnvironment,
  signal?: AbortSignal,
  graceMs?: number,
): Promise<Modal> {
  for (const command of PLACES) {
    const version = await versionOf(command, environment, { signal, graceMs });
    // Something else may be called modal.
    if (version === null) continue;
    if (isAtLeast(version, OLDEST)) {
      return { command, version, environment, graceMs, python: await pythonOf(command, environment) };
    }
    throw new SplatError("not_configured", `Modal's program is too old: ${version}`, {
      hint: `${OLDEST} or newer is needed: \`uv tool upgrade modal\` or \`pip install -U modal\`.`,
    });
  }
  throw new SplatError("not_configured", "Modal's program is not installed", { hint: HOW_TO_GET_IT });
}

/** Whether a version such as `1.6.4` is another or newer. */
export function isAtLeast(version: string, other: string): boolean {
  const [ours, theirs] = [version, other].map((text) => text.split(".").map(Number));
  const at = theirs.findIndex((part, index) => part !== ours[index]);
  return at === -1 || ours[at] > theirs[at];
}

async function versionOf(
  command: readonly string[],
  environment: ModalEnvironment,
  { signal, graceMs }: Pick<RunOptions, "signal" | "graceMs">,
): Promise<string | null> {
  try {
    const { code, stdout } = await run([...command, "--version"], environment, {
      signal,
      graceMs,
      timeoutMs: TIMEOUT_MS,
    });
    const [, version] = /^modal client version: (\d+\.\d+\.\d+)/m.exec(stdout) ?? [];
    return code === 0 ? (version ?? null) : null;
  } catch (error) {
    signal?.throwIfAborted();
    // Not there, or not to be run.
    if ((error as NodeJS.ErrnoException).code !== undefined) return null;
    throw error;
  }
}

/** The Python behind a command: named before `-m`, or in the first lines of the script. */
async function pythonOf(
  command: readonly string[],
  environment: ModalEnvironment,
): Promise<readonly string[] | null> {
  const before = command.indexOf("-m");
  if (before > 0) return command.slice(0, before);
  if (command.length !== 1) return null;
  const folders = (environment()["PATH"] ?? "").split(delimiter);
  for (const folder of folders) {
    const start = await startOf(join(folder, command[0]));
    if (start !== null) return interpreterIn(start);
  }
  return null;
}

/** `#!/path/python`; or, where that would be too long for the system, a shell script that names it (pip's distlib). */
function interpreterIn(start: string): readonly string[] | null {
  const [, named] = /^#!(\S*python[\d.]*)\s*\n/.exec(start) ?? [];
  if (named !== undefined) return [named];
  const [, found] = /^#!\/usr\/bin\/env (python[\d.]*)\s*\n/.exec(start) ?? [];
  if (found !== undefined) return [found];
  const [, quoted, bare] = /^#!\/bin\/sh\n'''exec' (?:"([^"\n]+)"|(\S+)) "\$0"/.exec(start) ?? [];
  const behind = quoted ?? bare;
  return behind === undefined ? null : [behind];
}

async function startOf(path: string): Promise<string | null> {
  const file = await open(path, "r").catch(() => null);
  if (file === null) return null;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(1024), 0, 1024, 0);
    return buffer.subarray(0, bytesRead).toString();
  } catch {
    return null; // a folder
  } finally {
    await file.close();
  }
}
