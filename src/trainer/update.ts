/** The last stage of a step, one chunk of Gaussians at a time: gather gradients, regularise, Adam, noise. */
import { adam, biasCorrections, type AdamGroup } from "./adam.ts";
import { allocateGradients, type Gradients } from "./gradients.ts";
import { CHUNK, type Views } from "./memory.ts";
import { projectBackward } from "./projection-backward.ts";
import { reduceGradients } from "./rasterize.ts";
import * as SCALAR from "./scalars.ts";
import { addNoise } from "./strategy.ts";

/** The chunk at hand, at the highest degree. */
const gradients = allocateGradients(CHUNK, 16);

/** Update Gaussians [from, to), which must be one chunk. */
export function updateGaussians(views: Views, from: number, to: number): void {
  reduceGradients(views, gradients, from, to);
  projectBackward(views, gradients, from, to);
  regularise(views, from, to);
  updateShapes(views, from, to);
  updateColors(views, from, to);
  addNoise(views, from, to);
}

/** Whether the current image shows Gaussian i. */
function isSeen({ slotStart }: Views, i: number): boolean {
  return slotStart[i] < slotStart[i + 1];
}

function updateShapes(views: Views, from: number, to: number): void {
  const { scalars } = views;
  const corrections = biasCorrections(scalars[SCALAR.adamStep]);
  const sparse = scalars[SCALAR.sparseAdam] === 1;
  const means = group(views, "means", from * 3);
  const logScales = group(views, "logScales", from * 3);
  const quats = group(views, "quats", from * 4);
  const opacities = group(views, "opacities", from);
  for (let i = from; i < to; i++) {
    if (sparse && !isSeen(views, i)) continue;
    adam(means, i * 3, i * 3 + 3, scalars[SCALAR.meansRate], corrections);
    adam(logScales, i * 3, i * 3 + 3, scalars[SCALAR.logScalesRate], corrections);
    adam(quats, i * 4, i * 4 + 4, scalars[SCALAR.quatsRate], corrections);
    adam(opacities, i, i + 1, scalars[SCALAR.opacitiesRate], corrections);
  }
}

/** SH is most of the parameters; only Gaussians on the image have a gradient there, so only they are updated. */
function updateColors(views: Views, from: number, to: number): void {
  const { scalars } = views;
  const corrections = biasCorrections(scalars[SCALAR.adamStep]);
  const k = scalars[SCALAR.shCount];
  const used = (scalars[SCALAR.shDegree] + 1) ** 2;
  const colors = group(views, "sh", from * 3 * k);
  for (let i = from; i < to; i++) {
    if (!isSeen(views, i)) continue;
    for (let channel = 0; channel < 3; channel++) {
      const start = (i * 3 + channel) * k;
      adam(colors, start, start + 1, scalars[SCALAR.shRate], corrections);
      adam(colors, start + 1, start + used, scalars[SCALAR.shRestRate], corrections);
    }
  }
}

function group(views: Views, name: Exclude<keyof Gradients, "splats">, gradientsFrom: number): AdamGroup {
  return {
    values: views[name],
    gradients: gradients[name],
    gradientsFrom,
    moments1: views[`${name}Moment1`],
    moments2: views[`${name}Moment2`],
  };
}

/** Gradient of the MCMC strategy's λₒ · mean(opacity) + λₛ · mean(scale). */
function regularise(views: Views, from: number, to: number): void {
  const { scalars, opacities, logScales } = views;
  const opacityWeight = scalars[SCALAR.opacityWeight];
  const scaleWeight = scalars[SCALAR.scaleWeight];
  for (let i = from; i < to; i++) {
    const opacity = 1 / (1 + Math.exp(-opacities[i]));
    gradients.opacities[i - from] += opacityWeight * opacity * (1 - opacity);
    for (let axis = 0; axis < 3; axis++) {
      gradients.logScales[(i - from) * 3 + axis] += scaleWeight * Math.exp(logScales[i * 3 + axis]);
    }
  }
}
