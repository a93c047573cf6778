/**
 * The relay at 100 Hz on a simulated servo bus behind a pair of pseudo-terminals: what is missed, how late readings reach
 * the backend, what it costs, and how well frames are paired with the joints at their shutter. Relay, capture and
 * bus are processes of their own; the backend is the embedded one, in this process so that it can be timed.
 *
 * A frame's pairing error is the shift of time that would explain its pose: the difference to the arm's true pose,
 * projected onto the motion at the shutter. Beside it, what the steps of the encoders alone make of readings that are
 * timed perfectly.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { createApp } from "../../dist/backend/app.js";
import { Scene } from "../../dist/backend/scene.js";
import { startTraining } from "../../dist/backend/trainer-thread.js";
import { startServer } from "../../dist/http/server.js";
import { silentLog } from "../../dist/log.js";
import { cameraToWorld } from "../../dist/robot/kinematics.js";
import { DEFAULT_CAMERA_MOUNT } from "../../dist/robot/so101.js";
import { radToTicks, ticksToRad } from "../../dist/robot/units.js";
import { createSimulatedArm } from "../../dist/sim/arm.js";
import { openPtyPair } from "../../dist/sim/pty-pair.js";
import { DEFAULT_LIMITS } from "../../dist/sim/servo-memory.js";
import { preciseNowS } from "../../dist/time.js";
import { FAST_WAVE } from "../helpers/fast-wave.mjs";
import { startCommand } from "../helpers/splatctl-process.mjs";

export const about = "the relay at 100 Hz: missed readings, latency, CPU, pairing (about 140 s)";

const HZ = 100;
/** A new process compiles what it does often: that is over by then. */
const WARM_UP_S = 15;
const CAMERA = { hz: 30, seconds: 15 };
/** A camera's picture is encoded and written after its shutter. */
const FRAME = { width: 640, height: 480 };
const ROLE = fileURLToPath(new URL("../helpers/servo-bus-process.mjs", import.meta.url));

/** Start everything, measure, and end it. `--seconds` is for the relay alone, 60 by default. */
export async function run(say, { seconds = "60" } = {}) {
  const root = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  const ending = [() => rm(root, { recursive: true, force: true })];
  try {
    const pair = await openPtyPair();
    if ("reason" in pair) throw new Error(pair.reason);
    ending.push(() => pair.close());
    const bus = await startBus(pair.a, ending);
    const backend = await openTimedBackend(join(root, "data"), ending);
    const env = { SPLAT_RUN_DIR: join(root, "run") };
    const relay = startCommand(
      ["relay", "serial", pair.b, "--hz", String(HZ), "--url", backend.url, "--quiet"],
      env,
    );
    ending.push(() => relay.close());
    await untilReady(() => backend.updates.length > 0, relay);
    await sleep(WARM_UP_S * 1000);
    say(`${HZ} readings a second for ${seconds} s ...`);
    const steady = await measureRelay(backend, bus, relay, Number(seconds));
    say(`a camera at ${CAMERA.hz} Hz whose frames carry their shutter time, for ${CAMERA.seconds} s ...`);
    const sidecar = await pairFrames(backend, env, join(root, "sidecar"), {
      captured_at: true,
      holdout: true,
    });
    say("the same while both cores train ...");
    const training = await pairFrames(backend, env, join(root, "training"), { captured_at: true });
    say("the same with nothing but the times of the files ...");
    const fileTimes = await pairFrames(backend, env, join(root, "plain"), {});
    return {
      hz: steady.hz,
      missed: steady.missed,
      missed_by_bus: steady.missedByBus,
      latency_ms: steady.latencyMs,
      cpu_fraction: steady.cpu,
      pairing_error_ms: sidecar.errorMs,
      encoder_error_ms: encoderError(),
      pairing_frames: sidecar.frames,
      pairing_error_training_ms: training.errorMs,
      file_time_error_ms: fileTimes.errorMs,
      file_time_frames: fileTimes.frames,
    };
  } finally {
    for (const end of ending.toReversed()) await end();
  }
}

async function startBus(path, ending) {
  const child = fork(ROLE, [path], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  ending.push(async () => {
    if (child.exitCode === null && child.kill()) await once(child, "exit");
  });
  await once(child, "message");
  return {
    /** Position reads answered so far. */
    answered: async () => {
      child.send("count");
      const [count] = await once(child, "message");
      return count;
    },
  };
}

/** The embedded backend, with a note of when each joint update had been taken and which time it carried. */
async function openTimedBackend(dataDir, ending) {
  const updates = [];
  const scene = await Scene.open({ dataDir, startTraining, log: silentLog });
  ending.push(() => scene.close());
  const app = createApp({ scene, corsOrigins: [], isLoopback: true });
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      if (!request.url.endsWith("/update-joint-angles")) return await app.fetch(request);
      const body = await request.text();
      const { url, method, headers } = request;
      const response = await app.fetch(new Request(url, { method, headers, body }));
      const takenS = preciseNowS();
      const { captured_at } = JSON.parse(body);
      if (response.ok) updates.push({ timeS: captured_at, latencyMs: 1000 * (takenS - captured_at) });
      return response;
    },
  });
  ending.push(() => server.close());
  return { url: server.url, scene, updates };
}

async function untilReady(isReady, relay) {
  while (!isReady()) {
    if (relay.hasEnded()) throw new Error("the relay ended");
    await sleep(50);
  }
}

async function measureRelay(backend, bus, relay, seconds) {
  const from = backend.updates.length;
  const answeredBefore = await bus.answered();
  const cpuBefore = await cpuSeconds(relay.pid);
  const startMs = performance.now();
  await sleep(seconds * 1000);
  const cpu = ((await cpuSeconds(relay.pid)) - cpuBefore) / ((performance.now() - startMs) / 1000);
  const answered = (await bus.answered()) - answeredBefore;
  const taken = backend.updates.slice(from).toSorted((a, b) => a.timeS - b.timeS);
  const span = taken.at(-1).timeS - taken[0].timeS;
  const missed = Math.max(0, Math.round(span * HZ) + 1 - taken.length);
  return {
    hz: (taken.length - 1) / span,
    missed,
    missedByBus: Math.max(0, Math.round(seconds * HZ) - answered),
    latencyMs: percentiles(taken.map(({ latencyMs }) => latencyMs)),
    cpu,
  };
}

/** User and system time of a process so far (proc(5), fields 14 and 15 of stat; ticks of 10 ms). */
async function cpuSeconds(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * A camera writes into a folder that `splatctl capture` watches; how far each frame's pose is off, as time. `sidecar` says
 * what is written beside each picture; frames that are held out start no training.
 */
async function pairFrames(backend, env, folder, sidecar) {
  await mkdir(folder);
  const capture = startCommand(
    ["capture", folder, "--url", backend.url, "--spool", `${folder}-spool`, "--quiet"],
    env,
  );
  try {
    const before = backend.scene.session.frames.count;
    const shutters = await takePictures(folder, sidecar);
    while (backend.scene.session.frames.count < before + shutters.size) await sleep(50);
    await sleep(500);
    const errors = [];
    for (const { frame_id, camera_to_world, pose_source } of backend.scene.session.frames.records()) {
      const shutterS = shutters.get(frame_id.slice(frame_id.indexOf("-") + 1));
      if (shutterS === undefined) continue;
      if (pose_source !== "samples") throw new Error(`${frame_id} was placed by "${pose_source}"`);
      errors.push(Math.abs(1000 * timeShiftS(camera_to_world.flat(), shutterS)));
    }
    return { frames: errors.length, errorMs: percentiles(errors) };
  } finally {
    await capture.close();
  }
}

async function takePictures(folder, sidecar) {
  const { width, height } = FRAME;
  const shutters = new Map();
  const picture = sharp({ create: { width, height, channels: 3, background: "#456" } });
  const startMs = performance.now();
  const writing = [];
  for (let i = 0; i < CAMERA.hz * CAMERA.seconds; i++) {
    const waitMs = startMs + (i * 1000) / CAMERA.hz - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    const name = `${basename(folder)}_${String(i).padStart(4, "0")}`;
    const shutterS = preciseNowS();
    shutters.set(`${name}.jpg`, shutterS);
    const told = { ...sidecar, ...(sidecar.captured_at === true ? { captured_at: shutterS } : {}) };
    writing.push(writePicture(join(folder, name), told, picture));
  }
  await Promise.all(writing);
  return shutters;
}

async function writePicture(path, told, picture) {
  const bytes = await picture.clone().jpeg().toBuffer();
  if (Object.keys(told).length > 0) await writeFile(`${path}.json`, JSON.stringify(told));
  // What follows the end marker makes each file another frame.
  await writeFile(`${path}.part`, Buffer.concat([bytes, Buffer.from(path.slice(-8))]));
  await rename(`${path}.part`, `${path}.jpg`);
}

/** Least squares over the pose's twelve numbers, metres and unit vectors alike. */
function timeShiftS(pose, shutterS) {
  const h = 1e-3;
  const truth = poseAt(shutterS);
  const [before, after] = [poseAt(shutterS - h), poseAt(shutterS + h)];
  let [along, square] = [0, 0];
  for (let i = 0; i < 12; i++) {
    const speed = (after[i] - before[i]) / (2 * h);
    along += speed * (pose[i] - truth[i]);
    square += speed * speed;
  }
  return along / square;
}

/** The same motion as in the bus's process. */
const arm = createSimulatedArm(FAST_WAVE);
const poseAt = (timeS) => cameraToWorld(arm.anglesAt(timeS), DEFAULT_CAMERA_MOUNT);

/** Of 1000 shutters between readings every 10 ms that are right to the encoder's step. */
function encoderError() {
  const ranges = DEFAULT_LIMITS.map(([minTicks, maxTicks]) => ({ minTicks, maxTicks }));
  const read = (timeS) => ticksToRad(radToTicks(arm.anglesAt(timeS), ranges), ranges);
  const fromS = preciseNowS();
  const errors = Array.from({ length: 1000 }, (_, i) => {
    const shutterS = fromS + i * 0.0337;
    const beforeS = Math.floor(shutterS * HZ) / HZ;
    const share = (shutterS - beforeS) * HZ;
    const after = read(beforeS + 1 / HZ);
    const angles = read(beforeS).map((angle, joint) => angle + (after[joint] - angle) * share);
    return Math.abs(1000 * timeShiftS(cameraToWorld(angles, DEFAULT_CAMERA_MOUNT), shutterS));
  });
  return percentiles(errors);
}

function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { p50: at(0.5), p95: at(0.95), max: sorted.at(-1) };
}
