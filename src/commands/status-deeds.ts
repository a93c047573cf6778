/** What the keys of the dashboard do. */
import { spawn } from "node:child_process";
import { lstat, mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import type { Client } from "../api/client.ts";
import { saveSplat } from "../api/download.ts";
import { commandEnvironment } from "../config.ts";
import { SplatError } from "../errors.ts";
import type { Deeds } from "../tui/dashboard-control.ts";
import { bytes, count } from "../quantities.ts";
import { askForScene } from "./pull-scene.ts";

const FILE = "scene.ply";
/** A program that was found shows something, or fails, within this. */
const OPEN_MS = 3000;

/** Those that ask nothing but the backend; the signal ends what is under way. */
export function deedsFor(
  client: Pick<Client, "url" | "sceneName" | "getSplat" | "stop">,
  signal: AbortSignal,
): Omit<Deeds, "pause" | "quit"> {
  const pullTo = async (path: string): Promise<string> => {
    const scene = await askForScene(client, "ply", {}, signal);
    const sizeBytes = await saveSplat(scene, path, { format: "ply" });
    return `${resolve(path)}: ${count(scene.gaussianCount)} Gaussians, ${bytes(sizeBytes)}`;
  };
  return {
    async stop() {
      const { complete } = await client.stop({}, signal);
      return complete
        ? "training is complete"
        : "training is being finished; the last chunk follows at its end";
    },
    pull: async () => `written ${await pullTo(FILE)}`,
    async open() {
      const path = join(await placeToOpen(), FILE);
      const written = await pullTo(path);
      await openFile(path);
      return `opened ${written}`;
    },
  };
}

/** One folder that is used again and again; another each time where that one is somebody else's. */
async function placeToOpen(): Promise<string> {
  const { uid } = userInfo();
  const path = join(tmpdir(), `splatctl-scene-${uid < 0 ? "opened" : uid}`);
  await mkdir(path, { mode: 0o700 }).catch(() => undefined);
  const found = await lstat(path).catch(() => null);
  const isOwn =
    found?.isDirectory() === true && (uid < 0 || (found.uid === uid && (found.mode & 0o022) === 0));
  return isOwn ? path : await mkdtemp(`${path}-`);
}

/** Open a file with the system's program for its kind. Throws `not_configured` where there is none. */
async function openFile(path: string): Promise<void> {
  const [program, ...args] = openerFor(process.platform);
  const child = spawn(program, [...args, path], {
    stdio: "ignore",
    detached: true,
    windowsHide: true,
    env: commandEnvironment({}),
  });
  const why = await new Promise<string | null>((done) => {
    const timer = setTimeout(() => done(null), OPEN_MS);
    const end = (reason: string | null): void => {
      clearTimeout(timer);
      done(reason);
    };
    child.once("error", () => end(`there is no ${program} here`));
    child.once("exit", (code) => end(code === 0 ? null : `${program} knows no program for it`));
  });
  child.unref();
  if (why === null) return;
  throw new SplatError("not_configured", `the scene is in ${path}, but ${why}`, {
    hint: "Open the file in any Gaussian-splat viewer.",
  });
}

function openerFor(platform: NodeJS.Platform): readonly [string, ...string[]] {
  if (platform === "darwin") return ["open"];
  return platform === "win32" ? ["cmd", "/c", "start", ""] : ["xdg-open"];
}
