/**
 * How fast the trainer is: steps a second and what each stage takes, by image size, number of Gaussians, colour and
 * threads; and how the cost grows with Gaussians and with pixels. The scene is drawn (`helpers/room.mjs`), nothing is
 * added or moved away while measuring, so every run has the same work. With any of --size 320x240, --gaussians,
 * --sh-degree, --threads, --kernels (each may be a list) only those are measured, with --only-growth only the second
 * part; --steps is how many steps a figure is the median of, however long they take.
 */
import { availableParallelism, loadavg } from "node:os";
import { KERNELS, openEngine } from "../helpers/bench-engine.mjs";
import { roomCameras, roomStart, roomTruth } from "../helpers/room.mjs";
import * as SCALAR from "../../dist/trainer/scalars.js";
import { STAGE } from "../../dist/trainer/stages.js";
import { untrainedState } from "../../dist/trainer/state.js";

export const about = "steps a second, milliseconds of each stage, and how they grow (about 6 min)";

const BLACK = [0, 0, 0];
const STEPS = 60;
/** A slow configuration makes fewer steps: as many as fit in so long, but each view at least once. */
const PATIENCE_MS = 4000;
/** Rates that let the room form within some hundred steps. */
const RATES = [
  [SCALAR.meansRate, 2e-3],
  [SCALAR.logScalesRate, 5e-3],
  [SCALAR.quatsRate, 1e-3],
  [SCALAR.opacitiesRate, 2.5e-2],
  // 5e-3 of colour itself, which is 0.282 × its first coefficient.
  [SCALAR.shRate, 0.01772],
  [SCALAR.shRestRate, 8.86e-4],
  [SCALAR.noise, 0],
  [SCALAR.opacityWeight, 0],
  [SCALAR.scaleWeight, 0],
];
const GRID = { sizes: ["160x120", "320x240", "640x480"], gaussians: [20_000, 50_000], degrees: [0, 3] };
const GROWTH = {
  gaussians: [10_000, 20_000, 40_000, 80_000],
  sizes: ["160x120", "320x240", "640x480", "1280x960"],
};
const NAMES = Object.fromEntries(Object.entries(STAGE).map(([name, index]) => [index, name]));

/** Measure the grid, then the two ways it grows. */
export async function run(say, choices) {
  const chosen = choicesOf(choices);
  const rows = [];
  for (const kernels of choices["only-growth"] ? [] : chosen.kernels) {
    for (const config of chosen.configs) {
      rows.push(await measure({ ...config, ...chosen, kernels }, say));
    }
  }
  const growth = chosen.isWhole || choices["only-growth"] ? await measureGrowth(chosen, say) : {};
  return {
    node: process.versions.node,
    threads: availableParallelism(),
    load: loadavg()[0],
    ...exponentsOf(growth),
    steps: rows.map((row) => row.summary),
    stages_ms: rows.map((row) => row.stages),
    ...ratiosOf(rows),
    ...growth,
  };
}

function choicesOf({ size, gaussians, threads, steps, kernels, "sh-degree": degree }) {
  const list = (text, byDefault) => text?.split(",") ?? byDefault;
  const all = [...new Set([availableParallelism(), 1])];
  const configs = [];
  for (const shDegree of list(degree, GRID.degrees).map(Number)) {
    for (const each of list(size, GRID.sizes)) {
      for (const count of list(gaussians, GRID.gaussians).map(Number)) {
        for (const n of list(threads, all).map(Number)) {
          configs.push({ size: each, gaussians: count, shDegree, threads: n });
        }
      }
    }
  }
  const isWhole = [size, gaussians, threads, kernels, degree].every((choice) => choice === undefined);
  return {
    configs,
    isWhole,
    kernels: list(kernels, KERNELS),
    steps: Number(steps ?? STEPS),
    patienceMs: steps === undefined ? PATIENCE_MS : Infinity,
  };
}

/** Train the room for some steps. Figures are medians of single steps. */
async function measure(wanted, say) {
  const { size, gaussians: count, shDegree, threads, kernels, steps, patienceMs } = wanted;
  const [width, height] = size.split("x").map(Number);
  const cameras = roomCameras(width, height);
  const capacity = { gaussians: count, shCount: (shDegree + 1) ** 2, pixels: width * height };
  const { engine, close } = await openEngine({ capacity, threads, kernels });
  try {
    const pictures = takePictures(engine, cameras, roomTruth(count, shDegree));
    const start = untrainedState(roomStart(count, shDegree));
    // Once round before the clock runs: code gets compiled, arrays find their size.
    trainRoom(engine, pictures, { start, shDegree, steps: pictures.length });
    const trained = trainRoom(engine, pictures, { start, shDegree, steps, patienceMs });
    const { ms, cpuMs, stages, psnr, pairs } = trained;
    const sorted = ms.toSorted((a, b) => a - b);
    const stepMs = median(ms);
    const config = { size, gaussians: count, sh: shDegree, threads, kernels };
    say(`${Object.values(config).join(" ")}: ${(1000 / stepMs).toFixed(1)} steps/s`);
    return {
      summary: {
        ...config,
        steps_per_s: 1000 / stepMs,
        best_steps_per_s: 1000 / sorted[Math.floor(0.05 * sorted.length)],
        step_ms: stepMs,
        cpu_ms: median(cpuMs),
        pairs,
        psnr_first: psnr[0],
        psnr_last: psnr.at(-1),
        steps: ms.length,
      },
      stages: { ...config, ...stages },
    };
  } finally {
    close();
  }
}

/** The room as its cameras see it. */
function takePictures(engine, cameras, truth) {
  engine.load(untrainedState(truth));
  engine.views.scalars[SCALAR.shDegree] = truth.shDegree;
  return cameras.map((camera) => {
    engine.render(camera, BLACK);
    const { image } = engine.views;
    const pixels = camera.width * camera.height;
    const rgba = new Uint8Array(pixels * 4).fill(255);
    for (let p = 0; p < pixels; p++) {
      for (let c = 0; c < 3; c++)
        rgba[p * 4 + c] = Math.round(255 * Math.min(1, image[(c + 1) * pixels + p]));
    }
    return { camera, rgba, mask: null };
  });
}

function trainRoom(engine, pictures, { start, shDegree, steps, patienceMs = Infinity }) {
  engine.load(start);
  const times = new Map();
  engine.onStage = (stage, ms) => {
    const name = NAMES[stage];
    times.set(name, (times.get(name) ?? 0) + ms);
  };
  const ms = [];
  const cpuMs = [];
  const psnr = [];
  const stages = [];
  const until = performance.now() + patienceMs;
  for (let step = 0; step < steps; step++) {
    if (step >= pictures.length && performance.now() > until) break;
    setRates(engine.views.scalars, step, shDegree);
    times.clear();
    const picture = pictures[(step * 5) % pictures.length];
    const cpuBefore = process.cpuUsage();
    const startMs = performance.now();
    engine.render(picture.camera, BLACK);
    psnr.push(engine.lossGradient(picture).psnr);
    engine.backwardAndUpdate();
    const stepMs = performance.now() - startMs;
    const cpu = process.cpuUsage(cpuBefore);
    ms.push(stepMs);
    cpuMs.push((cpu.user + cpu.system) / 1000);
    stages.push({ ...Object.fromEntries(times), rest: stepMs - sum(times.values()) });
  }
  engine.onStage = null;
  const { slotStart } = engine.views;
  return { ms, cpuMs, psnr, pairs: slotStart[engine.count], stages: medianOf(stages) };
}

function setRates(values, step, shDegree) {
  for (const [index, value] of RATES) values[index] = value;
  values[SCALAR.adamStep] = step + 1;
  values[SCALAR.shDegree] = shDegree;
}

function medianOf(rows) {
  return Object.fromEntries(Object.keys(rows[0]).map((key) => [key, median(rows.map((row) => row[key]))]));
}

/** How much faster each kernel is than the plainest one, where there are several. */
function ratiosOf(rows) {
  const over = rows.filter(({ summary }) => summary.kernels !== KERNELS[0]);
  const keyOf = ({ size, gaussians, sh, threads }) => [size, gaussians, sh, threads].join();
  const plain = new Map();
  for (const { summary, stages } of rows) {
    if (summary.kernels === KERNELS[0]) plain.set(keyOf(summary), { summary, stages });
  }
  if (over.length === 0 || plain.size === 0) return {};
  return {
    times_faster: over.map(({ summary, stages }) => {
      const base = plain.get(keyOf(summary));
      const { size, gaussians, sh, threads, kernels, ...ms } = stages;
      const each = Object.entries(ms).map(([name, value]) => [name, base.stages[name] / value]);
      const step = base.summary.step_ms / summary.step_ms;
      return { size, gaussians, sh, threads, kernels, step, ...Object.fromEntries(each) };
    }),
  };
}

/** One step's cost against Gaussians and against pixels, all threads, the kernels an engine takes by itself. */
async function measureGrowth({ steps, patienceMs }, say) {
  const base = {
    size: "320x240",
    gaussians: 20_000,
    shDegree: 3,
    threads: availableParallelism(),
    kernels: KERNELS.at(-1),
    steps,
    patienceMs,
  };
  const byGaussians = [];
  for (const gaussians of GROWTH.gaussians) byGaussians.push(await measure({ ...base, gaussians }, say));
  const byPixels = [];
  for (const size of GROWTH.sizes) byPixels.push(await measure({ ...base, size }, say));
  return {
    growth_with_gaussians: growthRows(byGaussians, ({ gaussians }) => gaussians),
    growth_with_pixels: growthRows(byPixels, ({ size }) => size.split("x").reduce((w, h) => w * h)),
  };
}

function growthRows(measured, amountOf) {
  const points = measured.map(({ summary }) => ({ ...summary, amount: amountOf(summary) }));
  return points.map(({ size, gaussians, pairs, step_ms, cpu_ms, amount }, i) => {
    const before = points[Math.max(0, i - 1)];
    // To the line before: 1 = linear, less = better.
    const more = amount / before.amount;
    const to_linear = step_ms / before.step_ms / more;
    const cpu_to_linear = cpu_ms / before.cpu_ms / more;
    return { size, gaussians, amount, pairs, step_ms, to_linear, cpu_ms, cpu_to_linear };
  });
}

/** e in cost ∝ amountᵉ, fitted over all points: of time, and of the processor's time, which a busy machine spoils less. */
function exponentsOf(growth) {
  const fitted = Object.entries(growth).flatMap(([name, rows]) => {
    const x = rows.map(({ amount }) => Math.log(amount));
    return ["step_ms", "cpu_ms"].map((key) => {
      const y = rows.map((row) => Math.log(row[key]));
      return [`${name}_exponent_${key}`, slope(x, y)];
    });
  });
  return Object.fromEntries(fitted);
}

/** Of the straight line that fits best. */
function slope(x, y) {
  const [meanX, meanY] = [mean(x), mean(y)];
  const along = sum(x.map((value, i) => (value - meanX) * (y[i] - meanY)));
  return along / sum(x.map((value) => (value - meanX) ** 2));
}

function sum(values) {
  return [...values].reduce((total, value) => total + value, 0);
}

function mean(values) {
  return sum(values) / values.length;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
