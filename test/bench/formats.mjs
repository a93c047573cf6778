/**
 * Every scene file of ../shared/data/splats read by us and by @playcanvas/splat-transform, and compared: with the other
 * reader, with the file that holds the same scene in another format, and with itself after writing it anew.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { getInputFormat, MemoryReadFileSystem, readFile } from "@playcanvas/splat-transform";
import { compile } from "../helpers/compile.mjs";

export const about =
  "scene files read by us and by another reader, compared, and written anew; seconds of each";

const FOLDER = fileURLToPath(new URL("../../../shared/data/splats", import.meta.url));
const ATTRIBUTES = ["means", "logScales", "quats", "opacities", "dc", "rest"];

export async function run(say) {
  if (!existsSync(FOLDER)) {
    say("no scene files beside this checkout: nothing to compare");
    return { ran: 0 };
  }
  const compiled = compile(["src/splat/formats.ts", "src/splat/ply-read.ts"]);
  const figures = {};
  try {
    const formats = {
      ...(await compiled.load("src/splat/formats.ts")),
      ...(await compiled.load("src/splat/ply-read.ts")),
    };
    const scenes = new Map();
    const files = readdirSync(FOLDER, { recursive: true }).filter((file) => /\.(ply|spz|splat)$/.test(file));
    for (const file of files.toSorted((a, b) => (a < b ? -1 : 1))) {
      const scene = await readBoth(formats, file, figures, say);
      if (scene === null) continue;
      scenes.set(basename(file), scene);
      await writeAnew(formats, scene, basename(file), figures, say);
    }
    sameScenes(scenes, figures, say);
  } finally {
    compiled.remove();
  }
  return figures;
}

/** Ours beside theirs; null when we refuse the file. */
async function readBoth({ decodeScene, decodePoints }, file, figures, say) {
  const bytes = readFileSync(join(FOLDER, file));
  const startMs = performance.now();
  let ours;
  try {
    ours = await decodeScene(bytes, file);
  } catch (error) {
    // Not every PLY is a scene; `train` starts from points.
    const points = decodePoints(bytes).positions.length / 3;
    say(`${file}: ${points} points; as a scene refused: ${error.message}`);
    figures[`${basename(file)} points`] = points;
    return null;
  }
  const seconds = (performance.now() - startMs) / 1000;
  const { count, shDegree } = ours.gaussians;
  say(
    `${file}: ${ours.format}, ${count} Gaussians, degree ${shDegree}, ${seconds.toFixed(2)} s ${ours.lost}`,
  );
  figures[`${basename(file)} read s`] = seconds;
  // The other reader takes ascii for binary, and a plain SPZ for an empty one.
  if (/ascii|raw/.test(file)) return ours.gaussians;
  const theirs = await readTheirs(bytes, basename(file)).catch((error) =>
    say(`  the other: ${error.message}`),
  );
  if (theirs === undefined) return ours.gaussians;
  const differences = differ(ours.gaussians, theirs);
  say(`  largest difference from the other reader: ${describe(differences)}`);
  figures[`${basename(file)} vs other reader`] = Math.max(...Object.values(differences));
  return ours.gaussians;
}

async function readTheirs(bytes, filename) {
  const fileSystem = new MemoryReadFileSystem();
  fileSystem.set(filename, bytes);
  const [table] = await readFile({
    filename,
    inputFormat: getInputFormat(filename),
    options: { iterations: 1 },
    params: [],
    fileSystem,
  });
  const column = (each) => table.getColumnByName(each)?.data;
  const interleave = (names) => {
    const out = new Float32Array(table.numRows * names.length);
    names.forEach((each, c) => column(each).forEach((v, i) => (out[i * names.length + c] = v)));
    return out;
  };
  const coefficients =
    [0, 9, 24, 45].findLast((n) => n === 0 || column(`f_rest_${n - 1}`) !== undefined) / 3 + 1;
  const sh = new Float32Array(table.numRows * 3 * coefficients);
  for (let c = 0; c < 3; c++) {
    column(`f_dc_${c}`).forEach((v, i) => (sh[(i * 3 + c) * coefficients] = v));
    for (let j = 1; j < coefficients; j++) {
      const name = `f_rest_${c * (coefficients - 1) + j - 1}`;
      column(name).forEach((v, i) => (sh[(i * 3 + c) * coefficients + j] = v));
    }
  }
  return {
    count: table.numRows,
    shDegree: Math.sqrt(coefficients) - 1,
    means: interleave(["x", "y", "z"]),
    logScales: interleave(["scale_0", "scale_1", "scale_2"]),
    quats: interleave(["rot_0", "rot_1", "rot_2", "rot_3"]),
    opacities: interleave(["opacity"]),
    sh,
  };
}

/**
 * Largest difference of each attribute, Gaussian by Gaussian as `match` pairs them; opacity 0…1, rotations normalised, of
 * one sign and only where they matter. Sizes below `leastLogScale` count as that.
 */
function differ(a, b, match = (i) => i, leastLogScale = -Infinity) {
  const worst = Object.fromEntries(ATTRIBUTES.map((name) => [name, 0]));
  if (a.count !== b.count) return { ...worst, count: Math.abs(a.count - b.count) };
  const note = (name, difference) => {
    if (!(difference <= worst[name])) worst[name] = difference;
  };
  const k = Math.min(a.sh.length, b.sh.length) / a.count / 3;
  const [ka, kb] = [a.sh.length / a.count / 3, b.sh.length / b.count / 3];
  for (let i = 0; i < a.count; i++) {
    const j = match(i);
    for (let c = 0; c < 3; c++) {
      note("means", Math.abs(a.means[i * 3 + c] - b.means[j * 3 + c]));
      const [scaleA, scaleB] = [a.logScales[i * 3 + c], b.logScales[j * 3 + c]];
      note("logScales", Math.abs(Math.max(leastLogScale, scaleA) - Math.max(leastLogScale, scaleB)));
      note("dc", Math.abs(a.sh[(i * 3 + c) * ka] - b.sh[(j * 3 + c) * kb]));
      for (let s = 1; s < k; s++)
        note("rest", Math.abs(a.sh[(i * 3 + c) * ka + s] - b.sh[(j * 3 + c) * kb + s]));
    }
    note("opacities", Math.abs(opacity(a.opacities[i]) - opacity(b.opacities[j])));
    const sizes = a.logScales.subarray(i * 3, i * 3 + 3);
    if (sizes.every((size) => size === sizes[0])) continue; // round: any rotation is right
    note("quats", rotationBetween(a.quats.subarray(i * 4, i * 4 + 4), b.quats.subarray(j * 4, j * 4 + 4)));
  }
  return worst;
}

const opacity = (logit) => 1 / (1 + Math.exp(-logit));

/** Distance of two unit quaternions, whichever sign they have: half the angle between them, rad, while small. */
function rotationBetween(a, b) {
  const norms = Math.hypot(...a) * Math.hypot(...b);
  const dot = a.reduce((sum, v, c) => sum + v * b[c], 0) / norms;
  return Math.sqrt(Math.max(0, 2 - 2 * Math.abs(dot)));
}

const describe = (differences) =>
  Object.entries(differences)
    .map(([name, value]) => `${name} ${value.toExponential(1)}`)
    .join(", ");

async function writeAnew({ encodeScene, decodeScene }, scene, name, figures, say) {
  for (const format of ["ply", "splat", "spz"]) {
    const startMs = performance.now();
    const pieces = [];
    for await (const piece of encodeScene(scene, format)) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    const seconds = (performance.now() - startMs) / 1000;
    const back = (await decodeScene(bytes, `x.${format}`)).gaussians;
    const order = format === "splat" ? orderBack(scene, back) : (i) => i;
    const perGaussian = (bytes.length / scene.count).toFixed(1);
    say(
      `  as ${format}: ${perGaussian} B each, ${seconds.toFixed(2)} s; ${describe(differ(scene, back, order))}`,
    );
    if (scene.count > 1000) figures[`${name} to ${format} s`] = seconds;
  }
}

/** Pairs Gaussians of two orders of a scene: those at the same position and, among these, of the most similar size. */
function orderBack(scene, sorted) {
  const key = (g, i) => g.means.subarray(i * 3, i * 3 + 3).join();
  const places = new Map();
  for (let i = 0; i < sorted.count; i++) {
    const there = places.get(key(sorted, i));
    if (there === undefined) places.set(key(sorted, i), [i]);
    else there.push(i);
  }
  const apart = (i, j) =>
    [0, 1, 2].reduce((sum, c) => sum + Math.abs(scene.logScales[i * 3 + c] - sorted.logScales[j * 3 + c]), 0);
  return (i) => places.get(key(scene, i)).reduce((best, j) => (apart(i, j) < apart(i, best) ? j : best));
}

function sameScenes(scenes, figures, say) {
  const pairs = [
    ["biker.spz", "biker.compressed.ply"],
    ["minimal-v2.spz", "minimal-raw.spz"],
    ["minimal-v3.spz", "minimal-v4.spz"],
    ["minimal-v4.spz", "minimal.splat"],
  ];
  for (const [a, b] of pairs.filter((pair) => pair.every((name) => scenes.has(name)))) {
    // SPZ holds nothing smaller than e^-10.
    const differences = differ(scenes.get(a), scenes.get(b), undefined, -10);
    say(`${a} and ${b}: ${describe(differences)}`);
    figures[`${a} vs ${b}`] = Math.max(...Object.values(differences));
  }
}
