/**
 * Kills capture, backend or both at a random moment, starts again what was killed, and waits until every image is with
 * the backend; again and again. Both programs are driven by their command lines only; what they must have kept is read
 * from HTTP and from the files on disk. Seeded, but the machine's pace is its own.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createViteServer } from "vitest/node";
import { DEFAULT_CAMERA_MOUNT } from "../../dist/robot/so101.js";
import { writeSimulatedCapture } from "../../dist/sim/capture.js";
import { wristIntrinsics } from "../../dist/sim/wrist-camera.js";
import { freePort } from "../helpers/splatctl-process.mjs";

export const about = "kill -9 of capture, backend or both, --runs times (default 200, about 5 s each)";

/** Each episode begins with empty folders, so that a restart stays short. */
const RUNS_PER_EPISODE = 10;
const IMAGES_PER_RUN = 8;
const WITHIN_MS = 1500;
const AGAIN_SHARE = 0.25;
/** An image that has not arrived by then is lost. */
const PATIENCE_S = 60;
const KINDS = ["capture", "backend", "both"];
const SEED = 1;

/** All runs; figures of the contract between capture and backend. */
export async function run(say, { runs = "200" } = {}) {
  const vite = await createViteServer({
    configFile: false,
    logLevel: "error",
    appType: "custom",
    server: { middlewareMode: true, ws: false, watch: null },
  });
  // The kill kit is TypeScript, which the oldest Node we run on does not read; vite, which the tests run on, does.
  const load = (name) => vite.ssrLoadModule(fileURLToPath(new URL(`../helpers/${name}.ts`, import.meta.url)));
  const kit = { ...(await load("kill-at-random")), ...(await load("random")) };
  const random = kit.seededRandom(SEED);
  const total = { kills: 0, lost: 0, duplicated: 0, torn: 0, stepped_back: 0, recovered: [] };
  try {
    for (let from = 0; from < Number(runs); from += RUNS_PER_EPISODE) {
      const count = Math.min(RUNS_PER_EPISODE, Number(runs) - from);
      await episode({ kit, random, from, count, total, say });
      say(
        `${from + count} runs: ${total.kills} kills, ${total.lost} lost, ${total.duplicated} twice, ${total.torn} torn`,
      );
    }
  } finally {
    await vite.close();
  }
  const { recovered, ...figures } = total;
  const sorted = recovered.toSorted((a, b) => a - b);
  return {
    runs: recovered.length,
    ...figures,
    recovered_s_p50: sorted[Math.floor(0.5 * (sorted.length - 1))],
    recovered_s_p95: sorted[Math.floor(0.95 * (sorted.length - 1))],
  };
}

async function episode({ kit, random, from, count, total, say }) {
  const home = await mkdtemp(join(tmpdir(), "splatctl-chaos-"));
  const scene = { home, images: join(home, "images"), data: join(home, "data"), port: await freePort() };
  const url = `http://127.0.0.1:${scene.port}`;
  const staging = join(home, "staging");
  await Promise.all([mkdir(staging), mkdir(scene.images), mkdir(scene.data)]);
  await writeSimulatedCapture(staging, {
    frames: count * IMAGES_PER_RUN,
    intrinsics: wristIntrinsics(64, 48),
    mount: DEFAULT_CAMERA_MOUNT,
    everyMs: 0,
  });
  const waiting = (await readdir(staging)).filter((name) => name.endsWith(".png")).sort();
  const programs = { backend: startBackend(kit, scene) };
  await untilHealthy(url, programs.backend);
  await putScene(url);
  programs.capture = startCapture(kit, scene, url);
  try {
    for (let i = 0; i < count; i++) {
      const kind = KINDS[(from + i) % KINDS.length];
      const names = kind === "both" ? ["backend", "capture"] : [kind];
      await trial({
        kit,
        random,
        scene,
        url,
        staging,
        programs,
        names,
        images: waiting.splice(0, IMAGES_PER_RUN),
        total,
        say,
      });
    }
  } finally {
    await Promise.all(Object.values(programs).map((program) => program.kill()));
    await rm(home, { recursive: true, force: true });
  }
}

/** One kill and what comes after it. */
async function trial({ kit, random, scene, url, staging, programs, names, images, total, say }) {
  const feeding = feed(staging, scene.images, images, random);
  const isBackend = names.includes("backend");
  let remains = null;
  let start = 0;
  // Now and then once more, before it has come back to its senses.
  for (let again = true; again; again = random() < AGAIN_SHARE) {
    await kit.killAtRandom(
      names.map((name) => programs[name]),
      WITHIN_MS,
      random,
    );
    total.kills += names.length;
    if (isBackend) remains = await kit.inspect(scene.data);
    start = performance.now();
    if (isBackend) programs.backend = startBackend(kit, scene);
    if (names.includes("capture")) programs.capture = startCapture(kit, scene, url);
  }
  if (isBackend) await untilHealthy(url, programs.backend);
  const step = isBackend ? (await getJson(`${url}/status`)).step : 0;
  await feeding;
  const expected = await hashesIn(scene.images);
  await untilArrived(url, expected.length, programs);
  total.recovered.push((performance.now() - start) / 1000);

  const { frames, torn } = await kit.inspect(scene.data);
  const listed = (await getJson(`${url}/frames`)).frames.filter(({ accepted }) => accepted);
  const found = new Set(frames);
  const lost = expected.filter((hash) => !found.has(hash)).length;
  const twice = Math.max(frames.length, listed.length) - found.size;
  const allTorn = [...(remains?.torn ?? []), ...torn];
  const isBehind = step < (remains?.checkpointStep ?? 0);
  total.lost += lost;
  total.duplicated += twice;
  total.torn += allTorn.length;
  total.stepped_back += Number(isBehind);
  if (lost + twice + allTorn.length > 0 || isBehind) {
    say(
      `after killing ${names.join(" and ")}: ${lost} lost, ${twice} twice, torn: ${allTorn.join("; ") || "none"}`,
    );
    say(`  step ${step}, checkpoint at ${remains?.checkpointStep}; ${programs.capture.said().slice(-500)}`);
  }
}

function startBackend(kit, { data, home, port }) {
  const limits = ["--no-bucket", "--threads", "1", "--max-gaussians", "2000"];
  return kit.startVictim(["serve", "--port", String(port), "--data", data, ...limits], home);
}

function startCapture(kit, { images, home }, url) {
  return kit.startVictim(["capture", images, "--url", url], home);
}

/** Small chunks, so that some are written (and with each a checkpoint) between two kills. */
async function putScene(url) {
  const response = await fetch(`${url}/scene`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ chunk_every: 5 }),
  });
  if (!response.ok) throw new Error(`PUT /scene answered ${response.status}`);
}

/** Images appear as a camera would write them: whole, each after its sidecar. */
async function feed(staging, folder, images, random) {
  for (const image of images) {
    const sidecar = image.replace(".png", ".json");
    await rename(join(staging, sidecar), join(folder, sidecar));
    await rename(join(staging, image), join(folder, image));
    await sleep(random() * 2 * (WITHIN_MS / images.length));
  }
}

async function hashesIn(folder) {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".png"));
  return await Promise.all(
    names.map(async (name) =>
      createHash("sha256")
        .update(await readFile(join(folder, name)))
        .digest("hex"),
    ),
  );
}

async function untilHealthy(url, backend) {
  for (;;) {
    if (!backend.isRunning()) throw new Error(`serve ended: ${backend.said()}`);
    const health = await getJson(`${url}/health`).catch(() => undefined);
    if (health?.trainer_ready) return;
    await sleep(20);
  }
}

/** Resolves when as many frames are there as there are images, or when they are not going to be. */
async function untilArrived(url, count, { capture }) {
  const deadline = Date.now() + PATIENCE_S * 1000;
  while (Date.now() < deadline) {
    if (!capture.isRunning()) throw new Error(`capture ended: ${capture.said()}`);
    if ((await getJson(`${url}/status`)).frame_count >= count) return;
    await sleep(20);
  }
}

async function getJson(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return await response.json();
}
