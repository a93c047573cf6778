/** `splatctl serve --engine gsplat`: the Python backend on this machine, kept running until Ctrl-C. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pythonEnvironment, resolveConfig } from "../config.ts";
import { messageOf, SplatError } from "../errors.ts";
import { createLog } from "../log.ts";
import { chooseBucket, tellPlace, warnOfTemporaryKeys } from "./choose-bucket.ts";
import { describeProgress } from "./describe.ts";
import { logFor, type BackendFlags } from "./flags.ts";
import { interruptSignal } from "./terminal.ts";

const SHOW_EVERY_MS = 1000;

/** Flags of `serve`; those of the built-in engine alone are refused with this one. */
export interface PythonServeFlags extends Pick<BackendFlags, "quiet" | "verbose"> {
  readonly port: number;
  readonly host: string;
  readonly data?: string;
  readonly python?: string;
  readonly threads?: number;
  readonly maxGaussians?: number;
  readonly maxPixels?: number;
  readonly frameMemory?: number;
  /** False with --no-bucket. */
  readonly bucket: boolean;
}

/** Find or make a Python, run the backend with it, show how training goes. */
export async function servePython(flags: PythonServeFlags): Promise<void> {
  if (flags.frameMemory !== undefined) {
    throw new SplatError("usage", "--frame-memory is for --engine builtin", { hint: "Leave it out." });
  }
  const signal = interruptSignal();
  const config = await resolveConfig(flags);
  const chosen = await chooseBucket(flags);
  const { config: bucket } = chosen;
  const place =
    bucket && describeAddress((await import("../remote/r2-settings.ts")).parseBucketAddress(bucket));
  const { BACKEND_FOLDER, backendPython } = await import("../remote/python.ts");
  const { supervise } = await import("../remote/supervise.ts");
  const { createClient } = await import("../api/client.ts");
  const { hiddenProgressLine, openProgressLine } = await import("../tui/progress-line.ts");
  const isFollowed = process.stderr.isTTY && flags.quiet !== true;
  const line = isFollowed ? await openProgressLine() : hiddenProgressLine();
  const log = createLog(logFor(flags).level, (text) => line.say(text.trimEnd()));
  const dataDir = resolve(config.dataDir);
  let shown: NodeJS.Timeout | undefined;
  try {
    const { python, version, gpu } = await backendPython({ ...config, log, signal });
    log.info(`torch ${version} in ${python} trains on ${gpu ?? "the CPU"}`);
    log.info(`data in ${dataDir}; Ctrl-C saves and ends, a second one ends at once`);
    tellPlace(chosen, place ?? join(dataDir, "bucket"), log);
    warnOfTemporaryKeys(bucket, log);
    await mkdir(dataDir, { recursive: true }).catch((error: unknown) => {
      throw new SplatError("bad_input", `cannot use the data folder ${dataDir}: ${messageOf(error)}`, {
        hint: "Name another with --data.",
        cause: error,
      });
    });
    await supervise({
      command: [python, "-m", "live_splat.attached", "--data", dataDir],
      cwd: BACKEND_FOLDER,
      env: pythonEnvironment(
        {
          ...(flags.maxGaussians === undefined ? {} : { SPLAT_MAX_GAUSSIANS: String(flags.maxGaussians) }),
          ...(flags.maxPixels === undefined ? {} : { SPLAT_MAX_PIXELS: String(flags.maxPixels) }),
          ...(flags.threads === undefined ? {} : { OMP_NUM_THREADS: String(flags.threads) }),
        },
        bucket,
      ),
      host: flags.host,
      port: flags.port,
      portFile: join(dataDir, "port"),
      log,
      signal,
      onReady: (url) => {
        log.info(`ready at ${url}${config.ownToken === undefined ? "" : " (token needed)"}`);
        const client = createClient({ url, token: config.ownToken });
        const show = async (): Promise<void> => line.update(describeProgress(await client.status(signal)));
        clearInterval(shown);
        // A status that does not come is told by whoever keeps the backend running.
        if (isFollowed) shown = setInterval(() => void show().catch(() => undefined), SHOW_EVERY_MS);
      },
    });
  } catch (error) {
    // Ctrl-C while Python is looked for: nothing runs yet, so nothing is cut short.
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(shown);
    line.end();
  }
}

function describeAddress({ bucket, host }: { readonly bucket: string; readonly host: string }): string {
  return `"${bucket}" at ${host}`;
}
