/** How far two scenes are apart, in the terms their formats are rounded in. */
import { shCount, type Gaussians } from "../../src/splat/gaussians.ts";

/** Largest difference of each attribute. */
export interface Differences {
  means: number;
  logScales: number;
  /** Of unit quaternions, component by component, −q being the same as q. */
  rotation: number;
  /** 0…1. */
  opacity: number;
  /** Of the base colour's coefficients. */
  dc: number;
  /** Of the other coefficients, as far as both have them. */
  rest: number;
}

/** Compare Gaussian i of `a` with Gaussian `order(i)` of `b`. */
export function differences(a: Gaussians, b: Gaussians, order = (i: number): number => i): Differences {
  const worst: Differences = { means: 0, logScales: 0, rotation: 0, opacity: 0, dc: 0, rest: 0 };
  const note = (name: keyof Differences, x: number, y: number): void => {
    const difference = x === y ? 0 : Math.abs(x - y);
    if (!(difference <= worst[name])) worst[name] = difference;
  };
  const [ka, kb] = [shCount(a.shDegree), shCount(b.shDegree)];
  for (let i = 0; i < a.count; i++) {
    const j = order(i);
    for (let c = 0; c < 3; c++) {
      note("means", a.means[i * 3 + c], b.means[j * 3 + c]);
      note("logScales", a.logScales[i * 3 + c], b.logScales[j * 3 + c]);
      for (let s = 0; s < Math.min(ka, kb); s++) {
        note(s === 0 ? "dc" : "rest", a.sh[(i * 3 + c) * ka + s], b.sh[(j * 3 + c) * kb + s]);
      }
    }
    note("opacity", opacity(a.opacities[i]), opacity(b.opacities[j]));
    const [p, q] = [unit(a.quats, i), unit(b.quats, j)];
    const sign = Math.sign(p.reduce((sum, value, c) => sum + value * q[c], 0));
    p.forEach((value, c) => note("rotation", value, q[c] * sign));
  }
  return worst;
}

const opacity = (logit: number): number => 1 / (1 + Math.exp(-logit));

function unit(quats: Float32Array, i: number): number[] {
  const quat = [...quats.subarray(i * 4, i * 4 + 4)];
  const norm = Math.hypot(...quat);
  return quat.map((value) => value / norm);
}
