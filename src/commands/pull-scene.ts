/** What `splatctl pull` does: ask for the scene, and see it whole into a file or down a pipe. */
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Client, SplatScene } from "../api/client.ts";
import { checked, saveSplat } from "../api/download.ts";
import type { SplatFormat } from "../api/scene-check.ts";
import { SplatError } from "../errors.ts";
import { formatOfName } from "../splat/formats.ts";
import { hiddenProgressLine, openProgressLine } from "../tui/progress-line.ts";
import { describeBackend, type BackendFlags } from "./flags.ts";
import { interruptSignal } from "./terminal.ts";
import { bytes } from "../quantities.ts";

/** What to pull, and where to. */
export interface PullOptions extends BackendFlags {
  readonly output?: string;
  readonly format?: SplatFormat;
  readonly maxGaussians?: number;
}

/** What was pulled, as `--json` prints it. */
export interface Pulled {
  readonly path: string;
  readonly format: SplatFormat;
  readonly gaussian_count: number;
  readonly bytes: number;
  readonly version: number;
}

/** Pull into `output`, which stays as it was unless the whole scene arrives. */
export async function pullToFile(client: Client, options: PullOptions): Promise<Pulled> {
  const format = options.format ?? formatOfName(options.output ?? "") ?? "ply";
  const path = options.output ?? `scene.${format}`;
  if ((await stat(path).catch(() => undefined))?.isDirectory() === true) {
    throw new SplatError("bad_input", `${path} is a folder`, {
      hint: `Name a file in it: -o ${path}/scene.ply`,
    });
  }
  const scene = await askForScene(client, format, options, interruptSignal());
  const progress = options.quiet === true ? hiddenProgressLine() : await openProgressLine();
  const total = scene.sizeBytes === null ? "" : ` of ${bytes(scene.sizeBytes)}`;
  const sizeBytes = await saveSplat(scene, path, {
    format,
    onProgress: (received) => progress.update(`pulling ${path}: ${bytes(received)}${total}`),
  }).finally(() => progress.end());
  return { path, format, gaussian_count: scene.gaussianCount, bytes: sizeBytes, version: scene.version };
}

/** Pull to stdout. What was written cannot be taken back: a torn scene shows in the exit code. */
export async function pullToStdout(client: Client, options: PullOptions): Promise<void> {
  if (options.json === true) {
    throw new SplatError("usage", "--json and -o - both want stdout", { hint: "Leave one of them out." });
  }
  const format = options.format ?? "ply";
  const scene = await askForScene(client, format, options, interruptSignal());
  try {
    await pipeline(Readable.from(checked(scene, format)), process.stdout, { end: false });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EPIPE") throw thrown;
    throw new SplatError("partial", "whoever read the scene stopped before its end", { cause: thrown });
  }
}

/** The scene, on its way. Throws `refused` when it has no Gaussians yet, and what the client throws. */
export async function askForScene(
  client: Pick<Client, "url" | "sceneName" | "getSplat">,
  format: SplatFormat,
  options: Pick<PullOptions, "maxGaussians">,
  signal: AbortSignal,
): Promise<SplatScene> {
  const answer = await client.getSplat({ format, maxGaussians: options.maxGaussians }, signal);
  if (answer.kind === "scene") return answer;
  throw new SplatError(
    "refused",
    `the scene at ${describeBackend(client.url, client.sceneName)} has no Gaussians yet`,
    {
      hint: "Send frames with `splatctl capture FOLDER`; the first Gaussians follow within seconds.",
    },
  );
}
