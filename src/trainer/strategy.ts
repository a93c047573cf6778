/**
 * How the set of Gaussians changes while it is trained: "3D Gaussian Splatting as Markov Chain Monte Carlo"
 * (Kheradmand et al. 2024). Dead Gaussians move onto live ones, the set grows to its cap, and noise keeps
 * transparent ones exploring. Nothing is ever reset, so a live preview never flashes.
 */
import { DEAD_OPACITY, NOISE_MIN } from "./kernels/conventions.ts";
import type { Views } from "./memory.ts";
import { shape, shapeOf } from "./projection.ts";
import { hash3 } from "./random.ts";
import * as SCALAR from "./scalars.ts";

/** Copies of one Gaussian in one relocation are counted up to here (the paper's own bound). */
const MAX_COPIES = 51;
const binomials = pascalTriangle(MAX_COPIES);

function pascalTriangle(size: number): Float64Array[] {
  const triangle: Float64Array[] = [];
  for (let n = 0; n < size; n++) {
    const row = new Float64Array(n + 1).fill(1);
    for (let k = 1; k < n; k++) row[k] = triangle[n - 1][k - 1] + triangle[n - 1][k];
    triangle.push(row);
  }
  return triangle;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const logit = (p: number): number => Math.log(p / (1 - p));

/**
 * Equation 9: when one Gaussian becomes `copies` at the same place, the opacity and the factor on the scale of each
 * that leave the render as it was.
 */
export function splitOpacity(opacity: number, copies: number): { opacity: number; scale: number } {
  const each = 1 - (1 - opacity) ** (1 / copies);
  let denominator = 0;
  for (let i = 1; i <= copies; i++) {
    for (let k = 0; k < i; k++) {
      denominator += (binomials[i - 1][k] * (k % 2 === 0 ? 1 : -1) * each ** (k + 1)) / Math.sqrt(k + 1);
    }
  }
  return {
    opacity: Math.min(1 - 1e-6, Math.max(DEAD_OPACITY, each)),
    scale: Math.max(1e-6, opacity / denominator),
  };
}

/** Gaussians [0, count) that no longer help: transparent, or with a number that is not finite. */
export function deadGaussians(views: Views, count: number): number[] {
  const groups = parameterGroups(views);
  const dead: number[] = [];
  for (let i = 0; i < count; i++) {
    const finite = groups.every(([name, width]) => allFinite(views[name], i * width, (i + 1) * width));
    if (!(finite && sigmoid(views.opacities[i]) > DEAD_OPACITY)) dead.push(i);
  }
  return dead;
}

function allFinite(values: Float32Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

/**
 * Make each Gaussian in `targets` a copy of a live one among [0, count), drawn in proportion to opacity, and share
 * opacity and scale out among the copies. Adam forgets the targets (and the sources too with `forgetSources`, as the
 * paper does when it relocates). False when there is none to copy.
 */
export function copyOntoLive(
  views: Views,
  targets: readonly number[],
  count: number,
  random: () => number,
  forgetSources: boolean,
): boolean {
  const { opacities, logScales } = views;
  const draw = opacitySampler(views, count, new Set(targets), random);
  if (draw === null) return false;
  const sources = targets.map(draw);
  const copies = new Map<number, number>();
  for (const source of sources) copies.set(source, (copies.get(source) ?? 1) + 1);
  for (const [source, times] of copies) {
    const split = splitOpacity(sigmoid(opacities[source]), Math.min(MAX_COPIES, times));
    opacities[source] = logit(split.opacity);
    for (let axis = 0; axis < 3; axis++) logScales[source * 3 + axis] += Math.log(split.scale);
    if (forgetSources) forget(views, source);
  }
  targets.forEach((target, rank) => {
    copyGaussian(views, sources[rank], target);
    forget(views, target);
  });
  return true;
}

/** The `wanted` of Gaussians [0, count) that are missed least: not finite ones first, then by opacity. */
export function leastUseful(views: Views, count: number, wanted: number): number[] {
  const worth = Float64Array.from(views.opacities.subarray(0, count));
  for (const i of deadGaussians(views, count)) worth[i] = -Infinity;
  // Numbers sort much faster than places by a comparison, and a live scene at its cap asks at every frame.
  const limit = worth.toSorted()[wanted - 1];
  const below: number[] = [];
  const equal: number[] = [];
  for (let i = 0; i < count; i++) {
    if (worth[i] < limit) below.push(i);
    else if (worth[i] === limit) equal.push(i);
  }
  return [...below, ...equal].slice(0, wanted);
}

/** Draws live Gaussians in proportion to opacity; null when none lives. */
function opacitySampler(
  { opacities }: Views,
  count: number,
  excluded: ReadonlySet<number>,
  random: () => number,
): (() => number) | null {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const opacity = sigmoid(opacities[i]);
    if (opacity > DEAD_OPACITY && !excluded.has(i)) sum += opacity;
    cumulative[i] = sum;
  }
  if (!(sum > 0)) return null;
  return () => {
    const wanted = random() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** The five groups of parameters: their arrays' names and numbers per Gaussian. */
export function parameterGroups(views: Views) {
  const shWidth = 3 * views.scalars[SCALAR.shCount];
  return [
    ["means", 3],
    ["logScales", 3],
    ["quats", 4],
    ["opacities", 1],
    ["sh", shWidth],
  ] as const;
}

function copyGaussian(views: Views, from: number, to: number): void {
  for (const [name, width] of parameterGroups(views)) {
    views[name].copyWithin(to * width, from * width, (from + 1) * width);
  }
}

/** Beyond these, squares and exponentials that a step takes overflow; no scene comes near them. Logits may be anything. */
const LARGEST = { means: 1e12, logScales: 25, quats: 1e12, opacities: Infinity, sh: 1e6 } as const;

/**
 * Make Gaussians [0, count) that came from elsewhere fit to be trained: those with a number that is not finite, or
 * beyond use, become copies of others; moments that no step of Adam could have left are forgotten. False when none is
 * fit.
 */
export function mendGaussians(views: Views, count: number, random: () => number): boolean {
  const broken: number[] = [];
  for (let i = 0; i < count; i++) {
    if (!isUsable(views, i)) broken.push(i);
    if (!hasSoundMoments(views, i)) forget(views, i);
  }
  return broken.length === 0 || copyOntoLive(views, broken, count, random, true);
}

function isUsable(views: Views, i: number): boolean {
  return parameterGroups(views).every(([name, width]) => {
    const values = views[name].subarray(i * width, (i + 1) * width);
    return values.every((value) => {
      // However small, a Gaussian does no harm.
      const size = name === "logScales" ? value : Math.abs(value);
      return Number.isFinite(value) && size <= LARGEST[name];
    });
  });
}

function hasSoundMoments(views: Views, i: number): boolean {
  return parameterGroups(views).every(([name, width]) => {
    const from = i * width;
    const squares = views[`${name}Moment2`];
    for (let j = from; j < from + width; j++) if (squares[j] < 0) return false;
    return allFinite(views[`${name}Moment1`], from, from + width) && allFinite(squares, from, from + width);
  });
}

/** Zero Adam's moments of one Gaussian. */
export function forget(views: Views, i: number): void {
  for (const [name, width] of parameterGroups(views)) {
    views[`${name}Moment1`].fill(0, i * width, (i + 1) * width);
    views[`${name}Moment2`].fill(0, i * width, (i + 1) * width);
  }
}

/**
 * Add the paper's noise to Gaussians [from, to): Σ · ξ, scaled by how transparent each is. The random numbers hang on
 * (seed, step, Gaussian), so threads do not change them.
 */
export function addNoise(views: Views, from: number, to: number): void {
  const { scalars, means, opacities } = views;
  const noise = scalars[SCALAR.noise];
  if (noise === 0) return;
  const seed = scalars[SCALAR.seed];
  const step = scalars[SCALAR.adamStep];
  for (let i = from; i < to; i++) {
    const strength = noise * sigmoid(-100 * (sigmoid(opacities[i]) - DEAD_OPACITY));
    if (strength < NOISE_MIN) continue;
    const [n0, n1, n2] = normals(seed, step, i);
    shapeOf(views, i);
    // Σ ξ = (R S)(R S)ᵀ ξ.
    const own = [0, 1, 2].map((axis) => shape[axis] * n0 + shape[3 + axis] * n1 + shape[6 + axis] * n2);
    for (let row = 0; row < 3; row++) {
      const moved = shape[row * 3] * own[0] + shape[row * 3 + 1] * own[1] + shape[row * 3 + 2] * own[2];
      means[i * 3 + row] += strength * moved;
    }
  }
}

/** Three normal numbers (Box and Muller 1958). */
function normals(seed: number, step: number, i: number): readonly [number, number, number] {
  const uniform = (part: number): number => (hash3(seed + part, step, i) + 0.5) / 4294967296;
  const radius = Math.sqrt(-2 * Math.log(uniform(1)));
  const angle = 2 * Math.PI * uniform(2);
  const third = Math.sqrt(-2 * Math.log(uniform(3))) * Math.cos(2 * Math.PI * uniform(4));
  return [radius * Math.cos(angle), radius * Math.sin(angle), third];
}
