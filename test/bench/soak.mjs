/**
 * Hours of `splatctl up`: an arm read at 100 Hz and a camera, while the backend is killed now and then, and the arm
 * unplugged. What the daemon takes of memory and CPU at the start and at the end, and whether anything was lost. Frames
 * are held out, so the backend does not train and its machine can be used for something else meanwhile.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { openPtyPair } from "../../dist/sim/pty-pair.js";
import { preciseNowS } from "../../dist/time.js";
import { freePort, startCommand } from "../helpers/splatctl-process.mjs";

export const about =
  "hours of `up`: memory, CPU and losses at the start and the end (--seconds, 3600 by default)";

const FRAME_EVERY_MS = 2000;
/** In each period the backend is away once, and the arm unplugged once. */
const PERIOD_S = 600;
const BACKEND_AWAY_S = 60;
const ARM_AWAY_S = 10;
/** Figures of the start are taken when everything is warm. */
const WARM_UP_S = 60;
const ROLE = fileURLToPath(new URL("../helpers/servo-bus-process.mjs", import.meta.url));

/** Start everything, let it run, look at it each minute, and end it. */
export async function run(say, { seconds = "3600" } = {}) {
  const root = await mkdtemp(join(tmpdir(), "splatctl-soak-"));
  const ending = [() => rm(root, { recursive: true, force: true })];
  try {
    const arm = await openArm(join(root, "tty"), ending);
    const backend = await openBackend(join(root, "data"), ending);
    const folder = join(root, "frames");
    await mkdir(folder);
    const env = { SPLAT_RUN_DIR: join(root, "run") };
    const flags = ["--relay", "serial", "--device", arm.path, "--hz", "100", "--spool", join(root, "spool")];
    const up = startCommand(["up", folder, ...flags, "--url", backend.url, "--quiet"], env);
    ending.push(() => up.close());
    const camera = startCamera(folder);
    ending.push(() => camera.stop());
    await sleep(WARM_UP_S * 1000);
    const start = await look(up.pid, WARM_UP_S / 2);
    say(`start: ${JSON.stringify(start)}`);
    await disturb(say, { arm, backend, up }, Number(seconds));
    const end = await look(up.pid, WARM_UP_S / 2);
    camera.stop();
    const { relay } = await getJson(`${(await daemon(env)).url}/status`);
    const frames = await untilTaken(backend.url, camera.taken.length);
    const placed = frames.filter(({ pose_source }) => pose_source === "samples").length;
    return {
      seconds: Number(seconds),
      frames: camera.taken.length,
      frames_lost: camera.taken.length - frames.length,
      frames_with_their_joints: placed,
      readings: relay.received,
      readings_sent: relay.sent,
      attempts_failed: relay.failed,
      backend_killed: backend.kills(),
      arm_unplugged: arm.unplugs(),
      start,
      end,
    };
  } finally {
    for (const close of ending.toReversed()) await close();
  }
}

/** Wait, and in each period take the backend away for a minute and the arm for some seconds. */
async function disturb(say, { arm, backend, up }, seconds) {
  const startMs = performance.now();
  const passed = () => (performance.now() - startMs) / 1000;
  for (let period = 0; passed() < seconds; period++) {
    const until = async (share) => {
      const atS = Math.min((period + share) * PERIOD_S, seconds);
      while (passed() < atS) {
        if (up.hasEnded()) throw new Error("the daemon ended");
        await sleep(500);
      }
    };
    await until(0.3);
    if (passed() + BACKEND_AWAY_S < seconds) await backend.killFor(BACKEND_AWAY_S);
    await until(0.7);
    if (passed() + ARM_AWAY_S < seconds) await arm.unplugFor(ARM_AWAY_S);
    await until(1);
    say(`${Math.round(passed())} s: ${JSON.stringify(await look(up.pid, 5))}`);
  }
}

/** Memory, open files and CPU of a process, over some seconds. */
async function look(pid, seconds) {
  const before = await cpuSeconds(pid);
  await sleep(seconds * 1000);
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return {
    rss_mb: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024,
    open_files: (await readdir(`/proc/${pid}/fd`)).length,
    threads: Number(/Threads:\s+(\d+)/.exec(status)[1]),
    cpu_fraction: ((await cpuSeconds(pid)) - before) / seconds,
  };
}

async function cpuSeconds(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** A simulated arm on a tty that can be taken away and comes back under the same path. */
async function openArm(folder, ending) {
  await mkdir(folder);
  let unplugs = 0;
  const plug = async () => {
    const pair = await openPtyPair(folder);
    if ("reason" in pair) throw new Error(pair.reason);
    const bus = fork(ROLE, [pair.a], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    await once(bus, "message");
    return { pair, bus };
  };
  const unplug = async ({ pair, bus }) => {
    await pair.close();
    if (bus.exitCode === null && bus.kill()) await once(bus, "exit");
  };
  let plugged = await plug();
  ending.push(() => unplug(plugged));
  return {
    path: plugged.pair.b,
    unplugs: () => unplugs,
    unplugFor: async (seconds) => {
      unplugs++;
      await unplug(plugged);
      await sleep(seconds * 1000);
      plugged = await plug();
    },
  };
}

/** A backend that is killed without warning, and started again on its data. */
async function openBackend(dataDir, ending) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ["serve", "--port", String(port), "--data", dataDir, "--no-bucket", "--quiet"];
  const start = () => startCommand(args);
  let kills = 0;
  let server = start();
  ending.push(() => server.close());
  while ((await fetch(`${url}/health`).catch(() => null)) === null) await sleep(100);
  return {
    url,
    kills: () => kills,
    killFor: async (seconds) => {
      kills++;
      process.kill(server.pid, "SIGKILL");
      await sleep(seconds * 1000);
      server = start();
    },
  };
}

/** Small pictures with their shutter time, held out of training. */
function startCamera(folder) {
  const taken = [];
  const take = async () => {
    const n = taken.length + 1;
    const path = join(folder, `frame_${String(n).padStart(5, "0")}`);
    taken.push(path);
    const sidecar = { captured_at: preciseNowS(), holdout: true };
    const background = { r: n % 256, g: (n >> 8) % 256, b: 90 };
    const bytes = await sharp({ create: { width: 64, height: 48, channels: 3, background } })
      .jpeg()
      .toBuffer();
    await writeFile(`${path}.json`, JSON.stringify(sidecar));
    await writeFile(`${path}.part`, bytes);
    await rename(`${path}.part`, `${path}.jpg`);
  };
  const timer = setInterval(() => void take(), FRAME_EVERY_MS);
  return { taken, stop: () => clearInterval(timer) };
}

async function daemon({ SPLAT_RUN_DIR }) {
  return JSON.parse(await readFile(join(SPLAT_RUN_DIR, "main.json"), "utf8"));
}

async function untilTaken(url, count) {
  for (let attempt = 0; ; attempt++) {
    const { frames } = await getJson(`${url}/frames`).catch(() => ({ frames: [] }));
    const accepted = frames.filter((frame) => frame.accepted);
    if (accepted.length >= count || attempt > 120) return accepted;
    await sleep(1000);
  }
}

async function getJson(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return await response.json();
}
