/** The MCMC strategy's regularisers as they reach Adam: λ/N · Σ opacity + λ/3N · Σ scale, λ from the recipe. */
import { expect, it } from "vitest";
import { randomStream } from "../../src/trainer/random.ts";
import * as SCALAR from "../../src/trainer/scalars.ts";
import { applySchedule, RECIPE } from "../../src/trainer/schedule.ts";
import { addBlob, between, plainCamera, soloEngine } from "./scenes.ts";

const COUNT = 20;
const camera = plainCamera(40, 30, 30);
const rgba = Uint8Array.from({ length: 40 * 30 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 7) % 256));

/** Adam's first moments after the first step: a tenth of the gradients. */
function firstStep(withRegularisers: boolean) {
  const random = randomStream(81);
  const engine = soloEngine({ gaussians: COUNT, shCount: 1 });
  for (let i = 0; i < COUNT; i++) {
    addBlob(engine, {
      mean: [between(random, -0.4, 0.4), between(random, -0.3, 0.3), 1],
      logScale: [0, 1, 2].map(() => between(random, -4, -2)),
      opacity: between(random, -2, 2),
    });
  }
  const { scalars } = engine.views;
  applySchedule(scalars, { step: 0, finished: 0, before: 0, size: 1, gaussians: COUNT });
  scalars[SCALAR.noise] = 0;
  if (!withRegularisers) scalars[SCALAR.opacityWeight] = scalars[SCALAR.scaleWeight] = 0;
  const before = engine.extract();
  engine.render(camera, [0, 0, 0]);
  engine.lossGradient({ camera, rgba, mask: null });
  engine.backwardAndUpdate();
  return { before, moments: engine.save().moments1 };
}

it("pull opacities and scales down", () => {
  const [with_, without] = [true, false].map(firstStep);
  const { opacities, logScales } = with_.before;
  for (let i = 0; i < COUNT; i++) {
    const opacity = 1 / (1 + Math.exp(-opacities[i]));
    const pull = 10 * (with_.moments.opacities[i] - without.moments.opacities[i]);
    expect(pull).toBeCloseTo((RECIPE.opacityWeight / COUNT) * opacity * (1 - opacity), 8);
  }
  for (let i = 0; i < 3 * COUNT; i++) {
    const pull = 10 * (with_.moments.logScales[i] - without.moments.logScales[i]);
    expect(pull).toBeCloseTo((RECIPE.scaleWeight / (3 * COUNT)) * Math.exp(logScales[i]), 8);
  }
  expect(with_.moments.means).toEqual(without.moments.means);
});
