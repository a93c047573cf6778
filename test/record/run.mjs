/**
 * Makes the pictures of the README from the real program: `npm run record` (`-- terminal`, `-- scene`: one of
 * them). A backend and a folder that a simulated arm
 * fills are made beside it; what is recorded is a shell in which somebody types.
 */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { homedir, hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import sharp from "sharp";
import { compile } from "../helpers/compile.mjs";
import { readScreen, toSvg } from "./terminal-svg.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const output = join(root, ".github/readme");
const size = { columns: 92, rows: 26 };
const FRAMES = 48;
const EVERY_MS = 900;
/** A picture of the screen at most so often. */
const LOOK_MS = 150;
const SPEED = 4;
/** What is shown for the folder that all this lies in. */
const SHOWN_FOLDER = "/home/you/splatctl";

const sources = compile(["test/helpers/pseudo-terminal.ts"]);
/** A module of the program as it was built, workers beside it. */
const built = (path) => import(new URL(`../../dist/${path}.js`, import.meta.url).href);
const scratch = await mkdtemp(join(tmpdir(), "record-"));
try {
  await mkdir(output, { recursive: true });
  const wanted = process.argv.slice(2);
  for (const picture of [terminal, scene]) {
    if (wanted.length === 0 || wanted.includes(picture.name)) await picture();
  }
} finally {
  sources.remove();
  await rm(scratch, { recursive: true, force: true });
}

/** `terminal.svg`: `splatctl up`, from the first picture until the scene is finished. */
async function terminal() {
  const { openTerminal } = await sources.load("test/helpers/pseudo-terminal.ts");
  const { openBackend } = await built("backend/open-backend");
  const { createClient } = await built("api/client");
  const { DEMO_INTRINSICS, DEMO_SCENE } = await built("commands/demo-rig");
  const { silentLog } = await built("log");
  const backend = await openBackend({ dataDir: join(scratch, "data"), port: 0, log: silentLog });
  const [work, path] = [join(scratch, "scan"), join(scratch, "bin")];
  await Promise.all([mkdir(join(work, "photos"), { recursive: true }), mkdir(path)]);
  const port = await freePort();
  await writeFile(
    join(work, "splatctl.json"),
    JSON.stringify({ url: backend.url, relay: { source: "http", port } }),
  );
  await symlink(join(root, "bin/splatctl.js"), join(path, "splatctl"));
  // Not by the environment: a bash in between, as some Pythons have, takes the prompt out of it.
  await writeFile(join(scratch, "bashrc"), "PS1='$ '\n");
  const shell = openTerminal(["bash", "--noprofile", "--rcfile", join(scratch, "bashrc")], {
    ...size,
    cwd: work,
    env: {
      PATH: `${path}:${process.env.PATH}`,
      SPLAT_CONFIG_DIR: join(scratch, "config"),
      XDG_STATE_HOME: join(scratch, "state"),
    },
  });
  const screens = [];
  const look = () => screens.push({ atMs: performance.now(), rows: readScreen(shell.emulator) });
  const looking = setInterval(look, LOOK_MS);
  const shooting = new AbortController();
  try {
    await createClient({ url: backend.url }).putScene({ ...DEMO_SCENE, finish_seconds: 25 });
    await shell.until("$");
    await sleep(600);
    for (const key of "splatctl up photos") {
      shell.press(key);
      await sleep(45);
    }
    shell.press("\r");
    await shell.until("photos");
    await sleep(1500);
    await moveArm(join(work, "photos"), port, DEMO_INTRINSICS, shooting.signal);
    await sleep(2500);
    shell.press("s");
    await shell.until(/y \/ n/);
    await sleep(900);
    shell.press("y");
    await shell.until("complete", 120_000);
    await sleep(1500);
    shell.press("g");
    await shell.until(/written \S*scene\.ply/, 30_000);
    await sleep(1000);
    look();
  } finally {
    shooting.abort();
    clearInterval(looking);
    shell.press("q");
    await sleep(1500);
    await shell.close();
    await backend.close();
  }
  const drawn = toSvg(changes(screens), {
    ...size,
    speed: SPEED,
    title: "splatctl up",
    description:
      "A terminal: splatctl up is typed; a screen shows frames, joints, Gaussians and PSNR as they grow, until the scene is complete.",
  });
  // As long as what it stands for, so that no column moves.
  const svg = drawn.replaceAll(scratch, SHOWN_FOLDER.padEnd(scratch.length, "-").slice(0, scratch.length));
  for (const telling of [tmpdir(), root, homedir(), hostname()]) {
    if (svg.includes(telling)) throw new Error(`the recording shows "${telling}"`);
  }
  await writeFile(join(output, "terminal.svg"), svg);
  process.stdout.write(`terminal.svg: ${Math.round(svg.length / 1000)} kB, ${screens.length} looks\n`);
}

/** Pictures into the folder, and the joints of the same path to the relay; the thread that pushes them. */
async function moveArm(folder, port, intrinsics, signal) {
  const { writeSimulatedCapture } = await built("sim/capture");
  const { armTrajectory } = await built("sim/trajectory");
  const { DEFAULT_CAMERA_MOUNT: mount } = await built("robot/so101");
  const pushing = new Worker(new URL("./push-joints.mjs", import.meta.url), {
    workerData: {
      path: [...armTrajectory(FRAMES, { mount })],
      everyMs: EVERY_MS,
      url: `http://127.0.0.1:${port}/update-joint-angles`,
    },
  });
  signal.addEventListener("abort", () => void pushing.terminate());
  await writeSimulatedCapture(folder, { frames: FRAMES, intrinsics, mount, everyMs: EVERY_MS, signal });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** Only screens that differ, timed from the first; a rest is shortened. */
function changes(screens) {
  const kept = [];
  for (const { atMs, rows } of screens) {
    const text = JSON.stringify(rows);
    const last = kept.at(-1);
    if (last?.text === text) continue;
    const passedMs = last === undefined ? 0 : Math.min(atMs - last.seenMs, 2000);
    kept.push({ atMs: (last?.atMs ?? 0) + passedMs, seenMs: atMs, text, rows });
  }
  return kept;
}

/** `scene.jpg`: what the camera saw beside what the trained scene shows. */
async function scene() {
  const { runDemo } = await built("commands/demo-run");
  const { silentLog } = await built("log");
  const progress = { update() {}, say() {}, end() {} };
  const plan = {
    arm: false,
    outputDir: scratch,
    keepDir: undefined,
    frames: 96,
    seconds: 240,
    progress,
    log: silentLog,
  };
  const { preview, psnr } = await runDemo(plan, new AbortController().signal);
  const picture = await sharp(preview)
    .resize({ width: 960, kernel: "lanczos3" })
    .jpeg({ quality: 82, mozjpeg: true })
    .toBuffer();
  await writeFile(join(output, "scene.jpg"), picture);
  process.stdout.write(`scene.jpg: ${Math.round(picture.length / 1000)} kB, ${psnr?.toFixed(1)} dB\n`);
}
