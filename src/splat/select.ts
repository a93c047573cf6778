/** Which Gaussians leave the trainer: only sound ones, and when there is a limit, those that matter most. */
import { allocateGaussians, shCount, type Gaussians, type ShDegree } from "./gaussians.ts";

/**
 * The Gaussians whose every value is finite, in their order; the same object when that is all of them.
 * Exporters pass through here, so no file ever holds a NaN.
 */
export function finiteGaussians(gaussians: Gaussians): Gaussians {
  const unsound = new Uint8Array(gaussians.count);
  for (const { values, width } of fieldsOf(gaussians)) {
    for (let at = 0; at < values.length; at++) {
      if (!Number.isFinite(values[at])) unsound[Math.floor(at / width)] = 1;
    }
  }
  if (!unsound.includes(1)) return gaussians;
  const kept: number[] = [];
  unsound.forEach((flag, i) => flag === 0 && kept.push(i));
  return pickGaussians(gaussians, kept);
}

/**
 * The `max` Gaussians that matter most, by opacity × area (the product of the two longest axes), in their
 * order; the same object when there are no more than `max`. Equal ones are kept from the front.
 */
export function selectGaussians(gaussians: Gaussians, max: number): Gaussians {
  if (gaussians.count <= max) return gaussians;
  const importance = importances(gaussians);
  const threshold = importance.slice().sort()[gaussians.count - max];
  let atThreshold = max;
  for (const value of importance) if (value > threshold) atThreshold--;
  const kept: number[] = [];
  for (let i = 0; i < gaussians.count; i++) {
    if (importance[i] > threshold || (importance[i] === threshold && atThreshold-- > 0)) kept.push(i);
  }
  return pickGaussians(gaussians, kept);
}

/** The scene without view-dependent colour above `degree`; the same object when it has none. */
export function limitShDegree(gaussians: Gaussians, degree: ShDegree): Gaussians {
  if (gaussians.shDegree <= degree) return gaussians;
  const from = shCount(gaussians.shDegree);
  const to = shCount(degree);
  const sh = new Float32Array(gaussians.count * 3 * to);
  for (let row = 0; row < gaussians.count * 3; row++) {
    sh.set(gaussians.sh.subarray(row * from, row * from + to), row * to);
  }
  return { ...gaussians, shDegree: degree, sh };
}

/** [N] logarithm of opacity × area: the same order, and large scales cannot overflow. */
function importances({ count, opacities, logScales }: Gaussians): Float32Array {
  const importance = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const [a, b, c] = [logScales[i * 3], logScales[i * 3 + 1], logScales[i * 3 + 2]];
    const value = -Math.log1p(Math.exp(-opacities[i])) + a + b + c - Math.min(a, b, c);
    importance[i] = Number.isNaN(value) ? -Infinity : value;
  }
  return importance;
}

function pickGaussians(gaussians: Gaussians, indices: readonly number[]): Gaussians {
  const picked = allocateGaussians(indices.length, gaussians.shDegree);
  const targets = fieldsOf(picked);
  fieldsOf(gaussians).forEach(({ values, width }, field) => {
    indices.forEach((from, to) => {
      targets[field].values.set(values.subarray(from * width, (from + 1) * width), to * width);
    });
  });
  return picked;
}

/** Each array of a scene, with how many numbers it holds per Gaussian. */
function fieldsOf(g: Gaussians): { values: Float32Array; width: number }[] {
  return [
    { values: g.means, width: 3 },
    { values: g.logScales, width: 3 },
    { values: g.quats, width: 4 },
    { values: g.opacities, width: 1 },
    { values: g.sh, width: 3 * shCount(g.shDegree) },
  ];
}
