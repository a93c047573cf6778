/** `splatctl serve`: the embedded backend on this machine, until Ctrl-C. */
import { join, resolve } from "node:path";
import { Option, type Command } from "commander";
import { withExamples } from "./examples.ts";
import { requireSendable } from "../api/credentials.ts";
import { DEFAULT_PORT, resolveConfig } from "../config.ts";
import { createLog } from "../log.ts";
import { chooseBucket, tellPlace } from "./choose-bucket.ts";
import { bytesOfMib, logFor, portNumber, wholeNumber, MOST } from "./flags.ts";
import { interruptSignal } from "./terminal.ts";
import { describeProgress } from "./describe.ts";
import type { PythonServeFlags } from "./serve-python.ts";

const SHOW_EVERY_MS = 1000;

interface ServeFlags extends PythonServeFlags {
  readonly engine: "builtin" | "gsplat";
}

/** Add the command. */
export function registerServe(program: Command): void {
  withExamples(program.command("serve"), [
    ["splatctl serve", "on this machine's CPU, at http://127.0.0.1:7860"],
    ["splatctl serve --engine gsplat", "on an NVIDIA GPU"],
    ["splatctl serve --host 0.0.0.0 --port 8000", "for other machines too; set SPLAT_API_TOKEN first"],
    ["splatctl serve --data ./table --no-bucket", "another data folder, and chunks stay there"],
  ])
    .description("run a backend on this machine: it needs no account, and no GPU but with --engine gsplat")
    .addOption(
      new Option("--engine <name>", "what trains: the built-in one on the CPU, or gsplat on an NVIDIA GPU")
        .choices(["builtin", "gsplat"])
        .default("builtin"),
    )
    .option(
      "--python <path>",
      "with --engine gsplat, a Python that has its packages (default: SPLAT_PYTHON, else uv)",
    )
    .option("--port <n>", "port to listen on, 0 = any free one", portNumber, DEFAULT_PORT)
    .option("--host <address>", "address to listen on; any but loopback needs SPLAT_API_TOKEN", "127.0.0.1")
    .option(
      "--data <dir>",
      "folder for frames, state and chunks (default: SPLAT_DATA_DIR, else splatctl-data)",
    )
    .optionsGroup("Training:")
    .option("--threads <n>", "threads to train with (default: all cores)", wholeNumber(1, MOST.threads))
    .option(
      "--max-gaussians <n>",
      "grow new scenes to at most so many (default: 40000; gsplat 200000)",
      wholeNumber(100, MOST.gaussians),
    )
    .option(
      "--max-pixels <n>",
      "train frames at no more pixels than this (default: 131072; gsplat by the GPU)",
      wholeNumber(1, MOST.pixels),
    )
    .option(
      "--frame-memory <MiB>",
      "decoded frames take at most this; beyond it they are read again and again (default: a share of free memory)",
      wholeNumber(1, MOST.frameMemoryMib),
    )
    .optionsGroup("Options:")
    .option("--no-bucket", "keep chunks on this machine, whatever bucket is set")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<ServeFlags>();
      if (flags.engine === "builtin") return await serve(flags);
      return await (await import("./serve-python.ts")).servePython(flags);
    });
}

async function serve(flags: ServeFlags): Promise<void> {
  const signal = interruptSignal();
  const { dataDir, ownToken: token, corsOrigins } = await resolveConfig(flags);
  requireSendable(token);
  const chosen = await chooseBucket(flags);
  const { openBackend } = await import("../backend/open-backend.ts");
  const { hiddenProgressLine, openProgressLine } = await import("../tui/progress-line.ts");
  const isFollowed = process.stderr.isTTY && flags.quiet !== true;
  const line = isFollowed ? await openProgressLine() : hiddenProgressLine();
  const log = createLog(logFor(flags).level, (text) => line.say(text.trimEnd()));
  const settings = flags.maxGaussians === undefined ? {} : { max_gaussians: flags.maxGaussians };
  try {
    const bucket = chosen.config && (await (await import("../remote/r2.ts")).openBucket(chosen.config));
    tellPlace(chosen, bucket?.name ?? join(resolve(dataDir), "bucket"), log);
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
