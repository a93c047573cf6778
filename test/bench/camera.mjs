/**
 * Cameras: how far a frame's time is from the truth, and what the road from the camera to the backend carries and costs.
 * Truth is in the pictures: a served MJPEG stream writes the moment of sending into each, an RTSP camera draws the moment
 * of drawing. Needs ffmpeg.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

export const about =
  "cameras: time stamps against the truth, pictures a second, CPU and delay of the whole road";

const FPS = 30;
const SIZES = ["640x480", "1280x720"];
const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

if (!isMainThread && workerData?.camera !== undefined) serve(workerData.camera);

/** In a thread of its own: an MJPEG camera whose pictures say when they were sent. */
function serve(picture) {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "multipart/x-mixed-replace; boundary=frame" });
    const sending = setInterval(() => {
      const comment = (performance.timeOrigin + performance.now()).toFixed(3).padStart(20);
      const head = Buffer.from([0xff, 0xd8, 0xff, 0xfe, 0, comment.length + 2]);
      const jpeg = Buffer.concat([head, Buffer.from(comment), Buffer.from(picture).subarray(2)]);
      response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`);
      response.write(jpeg);
    }, 1000 / FPS);
    response.on("close", () => clearInterval(sending));
  });
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
}

export async function run(say, { seconds = "10" } = {}) {
  const { compile } = await import("../helpers/compile.mjs");
  const code = compile(["src/capture/camera.ts", "test/helpers/rtsp-camera.ts"]);
  try {
    const { openCamera } = await code.load("src/capture/camera.ts");
    const truth = await code.load("test/helpers/rtsp-camera.ts");
    const stamps = [];
    const road = [];
    for (const size of SIZES) {
      const served = await mjpeg(size);
      say(`${size}: MJPEG over HTTP`);
      const sentAt = (bytes) => Number(Buffer.from(bytes).toString("latin1", 6, 26)) / 1000;
      stamps.push({
        source: "http mjpeg",
        size,
        ...(await measure(openCamera, served.url, sentAt, Number(seconds))),
      });
      say(`${size}: RTSP, H.264`);
      const [width, height] = size.split("x").map(Number);
      const camera = await truth.rtspCamera({ width, height, fps: FPS, login: "a:bb" });
      const address = camera.url.replace("//", "//a:bb@");
      stamps.push({
        source: "rtsp h264",
        size,
        ...(await measure(openCamera, address, truth.shownTime, Number(seconds))),
      });
      camera.close();
      say(`${size}: to a backend`);
      road.push({ source: "http mjpeg", size, ...(await wholeRoad(served.url, Number(seconds))) });
      const lavfi = `lavfi:testsrc2=size=${size}:rate=${FPS}`;
      road.push({ source: "ffmpeg, encoded", size, ...(await wholeRoad(lavfi, Number(seconds))) });
      await served.worker.terminate();
    }
    return { stamps, road };
  } finally {
    code.remove();
  }
}

async function mjpeg(size) {
  const graph = [
    "-f",
    "lavfi",
    "-i",
    `testsrc2=size=${size}`,
    "-frames:v",
    "1",
    "-q:v",
    "3",
    "-f",
    "mjpeg",
    "pipe:1",
  ];
  const picture = execFileSync("ffmpeg", ["-v", "error", ...graph], { maxBuffer: 1e8 });
  const worker = new Worker(new URL(import.meta.url), { workerData: { camera: picture } });
  const [port] = await once(worker, "message");
  return { worker, url: `http://127.0.0.1:${port}/video` };
}

/** Error of the stamps, ms; how old a picture is when it can be had. */
async function measure(openCamera, device, truthOf, seconds) {
  const controller = new AbortController();
  const listener = { onNote() {}, onWarning: (line) => console.error(line) };
  const camera = await openCamera({ device }, controller.signal);
  const [errors, ages] = [[], []];
  const end = performance.now() + seconds * 1000;
  for await (const { capturedAtS, value } of camera.frames(listener, controller.signal)) {
    ages.push(Date.now() - capturedAtS * 1000);
    errors.push((capturedAtS - (await truthOf(value.bytes))) * 1000);
    if (performance.now() > end) break;
  }
  controller.abort();
  return {
    frames: errors.length,
    "error p5 ms": at(errors, 0.05),
    "error p50 ms": at(errors, 0.5),
    "error p95 ms": at(errors, 0.95),
    "age p50 ms": at(ages, 0.5),
  };
}

/** `splatctl capture` to `splatctl serve`, each a process of its own. */
async function wholeRoad(device, seconds) {
  const folder = mkdtempSync(join(tmpdir(), "splatctl-bench-"));
  const env = {
    ...process.env,
    SPLAT_SPOOL_DIR: join(folder, "spool"),
    SPLAT_CONFIG_DIR: join(folder, "config"),
  };
  const start = (...args) =>
    spawn(process.execPath, [BIN, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const backend = start("serve", "--port", "0", "--data", join(folder, "data"));
  try {
    const url = await said(backend, /(http:\/\/127\.0\.0\.1:\d+)/);
    const capture = start("capture", "--webcam", device, "--no-gate", "--json", "--url", url);
    capture.stderr.resume();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const before = { cpuS: cpuSeconds(capture.pid), atMs: performance.now(), frames: await framesOf(url) };
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const elapsedS = (performance.now() - before.atMs) / 1000;
    const cpuS = cpuSeconds(capture.pid) - before.cpuS;
    const frames = (await framesOf(url)) - before.frames;
    const status = await (await fetch(`${url}/status`)).json();
    let out = "";
    capture.stdout.on("data", (text) => (out += text));
    capture.kill("SIGINT");
    await once(capture, "close");
    const { gate, camera } = JSON.parse(out.trim().split("\n").at(-1));
    return {
      "accepted/s": round(frames / elapsedS),
      "capture CPU %": round((cpuS / elapsedS) * 100),
      dropped: camera?.dropped ?? 0,
      seen: gate?.seen ?? null,
      "shutter to accepted p50 ms": round(status.latency_ms.accepted.p50),
      "p95 ms": round(status.latency_ms.accepted.p95),
    };
  } finally {
    backend.kill("SIGKILL");
    await once(backend, "close");
    rmSync(folder, { recursive: true, force: true });
  }
}

async function framesOf(url) {
  return (await (await fetch(`${url}/status`)).json()).frame_count;
}

function said(child, pattern) {
  return new Promise((resolve, reject) => {
    let text = "";
    const look = (piece) => {
      text += piece;
      const found = pattern.exec(text);
      if (found !== null) resolve(found[1]);
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.on("close", () => reject(new Error(text)));
  });
}

/** Of a process and all below it, seconds. */
function cpuSeconds(pid) {
  const stat = (file) =>
    readFileSync(file, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
  const below = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid);
  const own = stat(`/proc/${pid}/stat`);
  return (
    (Number(own[11]) + Number(own[12])) / 100 + below.reduce((sum, [child]) => sum + cpuSeconds(child), 0)
  );
}

function at(values, share) {
  return round(values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]);
}

function round(value) {
  return value === null ? null : Math.round(value * 10) / 10;
}
