/** The last stage of a step, one chunk of Gaussians at a time: gather gradients, regularise, Adam, noise. */
import { adam, biasCorrections, type AdamGroup } from "./adam.ts";
import type { Views } from "./memory.ts";
import { projectBackward } from "./projection-backward.ts";
import { reduceGradients } from "./rasterize.ts";
import * as SCALAR from "./scalars.ts";
import { addNoise } from "./strategy.ts";

/** Update Gaussians [from, to), which must be one chunk. */
export function updateGaussians(views: Views, from: number, to: number): void {
  reduceGradients(views, from, to);
  projectBackward(views, from, to);
  regularise(views, from, to);
  const { scalars } = views;
  const corrections = biasCorrections(scalars[SCALAR.adamStep]);
  adam(group(views, "means"), from * 3, to * 3, scalars[SCALAR.meansRate], corrections);
  adam(group(views, "logScales"), from * 3, to * 3, scalars[SCALAR.logScalesRate], corrections);
  adam(group(views, "quats"), from * 4, to * 4, scalars[SCALAR.quatsRate], corrections);
  adam(group(views, "opacities"), from, to, scalars[SCALAR.opacitiesRate], corrections);
  updateColors(views, from, to, corrections);
  addNoise(views, from, to);
}

/** SH is most of the parameters; only Gaussians on the image have a gradient there, so only they are updated. */
function updateColors(views: Views, from: number, to: number, corrections: readonly [number, number]): void {
  const { scalars, slotStart } = views;
  const k = scalars[SCALAR.shCount];
  const used = (scalars[SCALAR.shDegree] + 1) ** 2;
  const colors = group(views, "sh");
  for (let i = from; i < to; i++) {
    if (slotStart[i] === slotStart[i + 1]) continue;
    for (let channel = 0; channel < 3; channel++) {
      const start = (i * 3 + channel) * k;
      adam(colors, start, start + 1, scalars[SCALAR.shRate], corrections);
      adam(colors, start + 1, start + used, scalars[SCALAR.shRestRate], corrections);
    }
  }
}

function group(views: Views, name: "means" | "logScales" | "quats" | "opacities" | "sh"): AdamGroup {
  return {
    values: views[name],
    gradients: views[`${name}Gradient`],
    moments1: views[`${name}Moment1`],
    moments2: views[`${name}Moment2`],
  };
}

/** Gradient of the MCMC strategy's λₒ · mean(opacity) + λₛ · mean(scale). */
function regularise(views: Views, from: number, to: number): void {
  const { scalars, opacities, opacitiesGradient, logScales, logScalesGradient } = views;
  const opacityWeight = scalars[SCALAR.opacityWeight];
  const scaleWeight = scalars[SCALAR.scaleWeight];
  for (let i = from; i < to; i++) {
    const opacity = 1 / (1 + Math.exp(-opacities[i]));
    opacitiesGradient[i] += opacityWeight * opacity * (1 - opacity);
    for (let j = i * 3; j < i * 3 + 3; j++) logScalesGradient[j] += scaleWeight * Math.exp(logScales[j]);
  }
}
