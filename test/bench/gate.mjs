/**
 * What the gate for a camera's pictures is worth. A simulated wrist camera's video with truth (see stop-and-go-video):
 * how often each of its tests is right; how blur of known length is told on pictures of the data sets; what looking at a
 * picture costs; and the scene that comes of the gate's pictures beside that of as many taken at even times, and of all,
 * trained equally long and scored on sharp views of the same scan. --seconds: of each training (60; 0 for none); --steps
 * instead of it where the machine has other work, which is not the same for each.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { gateFrames } from "../../dist/capture/frame-gate.js";
import { existingScenes, rowsOf } from "../helpers/posed-scenes.mjs";
import { runForJson } from "../helpers/splatctl-process.mjs";
import { sharpViews, stopAndGoVideo, VIDEO_LENS, wayBetween } from "../helpers/stop-and-go-video.mjs";

export const about =
  "the gate for a camera's pictures: right and wrong, cost, and what it wins (about 9 min)";

const SECONDS = "60";
/** Every picture is judged by itself. */
const EACH = { maxFps: 1000 };
/** Of the picture's width: below the first a camera rests, above the second it has moved; between is a matter of taste. */
const STILL_WAYS = [0.012, 0.035];
const BLUR_PX = [0, 1.5, 3, 6, 12];
const SIZES = [
  [640, 480],
  [1280, 720],
  [1920, 1080],
];

/** All of it, one after another. */
export async function run(say, { seconds = SECONDS, steps }) {
  const scratch = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  try {
    say("tracing the video, about 3 min ...");
    const video = await stopAndGoVideo(say);
    const scenes = existingScenes(["fox_d4", "chair_400"]);
    const usual = await gated(video);
    const { width, height } = VIDEO_LENS;
    return {
      pictures: video.length,
      size: `${width}x${height}`,
      ...Object.fromEntries(Object.entries(usual.counts).map(([key, value]) => [`usual_${key}`, value])),
      usual_kept_per_moving_second: usual.kept.length / movingSeconds(video),
      tests: testsOf(video, (await gated(video, EACH)).fates),
      blur_on_photographs: await Promise.all(scenes.map((scene) => blurTold(scene))),
      cost: await costs(video),
      trainings: Number(seconds) > 0 ? await trainings({ video, usual, seconds, steps, scratch }, say) : [],
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** What became of each picture, by what the counts say: `fates`; indexes of those that passed: `kept`. */
async function gated(pictures, options = {}) {
  const fates = [];
  const kept = [];
  let [index, before] = [-1, {}];
  async function* source() {
    for (const { timeS, bytes } of pictures) {
      index++;
      const version = { sizeBytes: bytes.length, mtimeMs: 0 };
      const value = { frameId: String(index), name: String(index), bytes, mediaType: "image/jpeg", version };
      yield { capturedAtS: 1_780_000_000 + timeS, value };
    }
  }
  const parts = {
    cameraAt: async () => null,
    onWarning: (line) => {
      throw new Error(line);
    },
    onCounts: (counts) => {
      const reasons = ["duplicate", "exposure", "still", "blurred", "surplus"];
      fates[index] ??= reasons.find((reason) => counts[reason] > (before[reason] ?? 0)) ?? "pass";
      before = counts;
    },
  };
  for await (const { value } of gateFrames(source(), options, parts, new AbortController().signal)) {
    kept.push(Number(value.name));
  }
  return { fates, kept, counts: before };
}

/**
 * Each test by itself: of the pictures that it had to judge, how many of those refused should have been (precision), and
 * how many that should have been were refused (recall). What is neither one nor the other does not count.
 */
function testsOf(video, fates) {
  const isFound = (i) => !video[i].isFrozen && video[i].exposure === null;
  let keptBefore = null;
  const stillTruth = video.map(({ cameraToWorld }, i) => {
    const way = keptBefore === null ? 1 : wayBetween(video[keptBefore].cameraToWorld, cameraToWorld);
    if (fates[i] === "pass") keptBefore = i;
    return way < STILL_WAYS[0] ? true : way > STILL_WAYS[1] ? false : null;
  });
  const judgedForBlur = (i) => isFound(i) && (fates[i] === "pass" || fates[i] === "blurred");
  return [
    scored("blurred", fates, (i) => (judgedForBlur(i) ? video[i].isBlurred : null)),
    scored("exposure", fates, (i) => (video[i].isFrozen ? null : video[i].exposure !== null)),
    scored("duplicate", fates, (i) => video[i].isFrozen),
    scored("still", fates, (i) => (isFound(i) ? stillTruth[i] : null)),
  ];
}

function scored(test, fates, truthOf) {
  const truths = fates.map((_, i) => truthOf(i));
  const countOf = (truth, isRefused) =>
    fates.filter((fate, i) => truths[i] === truth && (fate === test) === isRefused).length;
  const row = {
    test,
    refused_rightly: countOf(true, true),
    missed: countOf(true, false),
    refused_wrongly: countOf(false, true),
    left_rightly: countOf(false, false),
  };
  return {
    ...row,
    precision: row.refused_rightly / Math.max(1, row.refused_rightly + row.refused_wrongly),
    recall: row.refused_rightly / Math.max(1, row.refused_rightly + row.missed),
  };
}

/** A "video" of a data set's pictures, every third of them blurred in a direction of its own by so many pixels of 320. */
async function blurTold({ name, folder }) {
  const files = (await readdir(join(folder, "images"), { recursive: true }))
    .filter((file) => /\.(png|jpe?g)$/.test(file))
    .toSorted();
  const row = { data_set: name, pictures: Math.min(60, files.length) };
  for (const blurPx of BLUR_PX) {
    const pictures = [];
    for (const [i, file] of files.slice(0, 60).entries()) {
      const bytes = await smear(join(folder, "images", file), i % 3 === 2 ? blurPx : 0, i);
      pictures.push({ timeS: i / 5, bytes });
    }
    const { fates } = await gated(pictures, EACH);
    // Some of a data set's views are so near one another that they are still: nobody asked how sharp those are.
    const asked = fates.filter((fate, i) => i % 3 === 2 && fate !== "still");
    row[`refused_at_${blurPx}px`] = asked.filter((fate) => fate === "blurred").length / asked.length;
  }
  return row;
}

async function smear(path, blurPx, seed) {
  const { data, info } = await sharp(path)
    .flatten({ background: "#fff" })
    .resize(320, 320, { fit: "inside" })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const moments = 2 * Math.ceil(blurPx) + 1;
  const pixels = Buffer.alloc(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < moments; k++) {
          const way = moments === 1 ? 0 : (k / (moments - 1) - 0.5) * blurPx;
          const column = Math.min(width - 1.001, Math.max(0, x + way * Math.cos(0.7 * seed)));
          const row = Math.min(height - 1.001, Math.max(0, y + way * Math.sin(0.7 * seed)));
          const at = channels * (Math.floor(row) * width + Math.floor(column)) + c;
          const [b, d] = [column % 1, row % 1];
          const below = at + channels * width;
          sum += (data[at] * (1 - b) + data[at + channels] * b) * (1 - d);
          sum += (data[below] * (1 - b) + data[below + channels] * b) * d;
        }
        pixels[channels * (y * width + x) + c] = sum / moments;
      }
    }
  }
  return sharp(pixels, { raw: { width, height, channels } }).jpeg({ quality: 88 }).toBuffer();
}

/** Milliseconds for a picture that is looked at, by size. */
async function costs(video) {
  const rows = [];
  for (const [width, height] of SIZES) {
    const pictures = await Promise.all(
      video.slice(0, 60).map(async ({ timeS, bytes }) => ({
        timeS,
        bytes: await sharp(bytes).resize(width, height, { fit: "fill" }).jpeg({ quality: 88 }).toBuffer(),
      })),
    );
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    await gated(pictures, EACH);
    const { user, system } = process.cpuUsage(cpu);
    rows.push({
      size: `${width}x${height}`,
      kilobytes: Math.round(
        pictures.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1000 / pictures.length,
      ),
      ms_per_picture: (performance.now() - startMs) / pictures.length,
      cpu_ms_per_picture: (user + system) / 1000 / pictures.length,
    });
  }
  return rows;
}

/** Equally long trainings on the gate's pictures, as many at even times, and all. */
async function trainings({ video, usual, seconds, steps, scratch }, say) {
  const length = steps === undefined ? ["--seconds", seconds] : ["--steps", steps];
  const views = await sharpViews(24);
  const even = usual.kept.map((_, i) => Math.round((i * (video.length - 1)) / (usual.kept.length - 1)));
  const choices = { gate: usual.kept, as_many_at_even_times: even, all: video.map((_, i) => i) };
  const rows = [];
  for (const [pictures, indexes] of Object.entries(choices)) {
    const folder = join(scratch, pictures);
    await writeDataset(
      folder,
      indexes.map((i) => video[i]),
      views,
    );
    const output = join(scratch, `${pictures}.ply`);
    const result = await runForJson(["train", folder, "--eval", ...length, "-o", output]);
    const share = (isBad) => indexes.filter((i) => isBad(video[i])).length / indexes.length;
    rows.push({
      pictures,
      count: indexes.length,
      blurred: share(({ isBlurred }) => isBlurred === true),
      dark_or_bright: share(({ exposure }) => exposure !== null),
      hung: share(({ isFrozen }) => isFrozen),
      seconds: result.seconds,
      steps: result.steps,
      psnr: result.psnr,
      ssim: result.ssim,
    });
    say(`${pictures}: ${indexes.length} pictures, ${result.psnr.toFixed(2)} dB`);
  }
  return rows;
}

async function writeDataset(folder, pictures, views) {
  await mkdir(folder, { recursive: true });
  const frames = [];
  const add = async (file_path, { bytes, cameraToWorld }) => {
    await writeFile(join(folder, file_path), bytes);
    frames.push({ file_path, transform_matrix: rowsOf(cameraToWorld) });
    return file_path;
  };
  const train_filenames = [];
  const test_filenames = [];
  for (const [i, picture] of pictures.entries()) train_filenames.push(await add(`${i}.jpg`, picture));
  for (const [i, view] of views.entries()) test_filenames.push(await add(`view-${i}.png`, view));
  const { width: w, height: h, fx: fl_x, fy: fl_y, cx, cy } = VIDEO_LENS;
  const transforms = { w, h, fl_x, fl_y, cx, cy, train_filenames, test_filenames, frames };
  await writeFile(join(folder, "transforms.json"), JSON.stringify(transforms));
}

function movingSeconds(video) {
  return video.filter(({ isResting }) => !isResting).length / 30;
}
