/** `splatctl serve`: the embedded backend on this machine, until Ctrl-C. */
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { DEFAULT_PORT, resolveBucket, resolveConfig } from "../config.ts";
import { createLog } from "../log.ts";
import { bytesOfMib, logFor, portNumber, wholeNumber, MOST, type BackendFlags } from "./flags.ts";
import { interruptSignal } from "./terminal.ts";
import { describeProgress } from "./describe.ts";

const SHOW_EVERY_MS = 1000;

interface ServeFlags extends Pick<BackendFlags, "quiet" | "verbose"> {
  readonly port: number;
  readonly host: string;
  readonly data?: string;
  readonly threads?: number;
  readonly maxGaussians?: number;
  readonly maxPixels?: number;
  readonly frameMemory?: number;
}

/** Add the command. */
export function registerServe(program: Command): void {
  program
    .command("serve")
    .description("run a backend on this machine: it trains on the CPU and needs no account")
    .option("--port <n>", "port to listen on, 0 = any free one", portNumber, DEFAULT_PORT)
    .option("--host <address>", "address to listen on; any but loopback needs SPLAT_API_TOKEN", "127.0.0.1")
    .option(
      "--data <dir>",
      "folder for frames, state and chunks (default: SPLAT_DATA_DIR, else splatctl-data)",
    )
    .option("--threads <n>", "threads to train with (default: all cores)", wholeNumber(1, MOST.threads))
    .option(
      "--max-gaussians <n>",
      "grow new scenes to at most so many (default: 40000)",
      wholeNumber(100, MOST.gaussians),
    )
    .option(
      "--max-pixels <n>",
      "train frames at no more pixels than this (default: 131072)",
      wholeNumber(1, MOST.pixels),
    )
    .option(
      "--frame-memory <MiB>",
      "decoded frames take at most this; beyond it they are read again and again (default: a share of free memory)",
      wholeNumber(1, MOST.frameMemoryMib),
    )
    .action(async (_options, command: Command) => serve(command.optsWithGlobals<ServeFlags>()));
}

async function serve(flags: ServeFlags): Promise<void> {
  const signal = interruptSignal();
  const { dataDir, token, corsOrigins } = await resolveConfig(flags);
  const bucketConfig = resolveBucket();
  const { openBackend } = await import("../backend/open-backend.ts");
  const { hiddenProgressLine, openProgressLine } = await import("../tui/progress-line.ts");
  const isFollowed = process.stderr.isTTY && flags.quiet !== true;
  const line = isFollowed ? await openProgressLine() : hiddenProgressLine();
  const log = createLog(logFor(flags).level, (text) => line.say(text.trimEnd()));
  const settings = flags.maxGaussians === undefined ? {} : { max_gaussians: flags.maxGaussians };
  try {
    const bucket = bucketConfig && (await (await import("../remote/r2.ts")).openBucket(bucketConfig));
    const frameBytes = bytesOfMib(flags.frameMemory);
    const backend = await openBackend({
      ...flags,
      frameBytes,
      dataDir,
      token,
      corsOrigins,
      settings,
      log,
      bucket,
    });
    const reach = /^(0\.0\.0\.0|::|\[::\])$/.test(flags.host)
      ? ", and on every other address of this machine"
      : "";
    log.info(`listening on ${backend.url}${reach}${token === undefined ? "" : " (token needed)"}`);
    log.info(`data in ${resolve(dataDir)}; Ctrl-C saves and ends, a second one ends at once`);
    log.info(
      `chunks go to ${bucket === undefined ? join(resolve(dataDir), "bucket") : `bucket ${bucket.name}`}`,
    );
    const show = (): void => line.update(describeProgress(backend.scene.status()));
    const shown = setInterval(show, SHOW_EVERY_MS);
    await new Promise((resolved) => signal.addEventListener("abort", resolved));
    clearInterval(shown);
    log.info("saving ...");
    await backend.close();
  } finally {
    line.end();
  }
}
