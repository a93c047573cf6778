/**
 * How good a scene is after so many seconds: PSNR and SSIM of held-out views, and the time from the start of the program
 * to the end of its last step (scoring comes after). Rates fall to the end of the time given, so each figure is a
 * training of its own. --scene, --seconds and --seeds take lists, --runs N means seeds 1 to N; --held-back scores training
 * views that were left out instead of the test views.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { heldBack, posedScenes } from "../helpers/posed-scenes.mjs";
import { runForJson } from "../helpers/splatctl-process.mjs";

export const about = "PSNR and SSIM against seconds of training (about 20 min; --seconds 30 is short)";

const SCENES = "chair_200,fox_d4";
const SECONDS = "30,60,120,300";
/** Choices that go to `train` as they are. */
const PASSED_ON = { gaussians: "--max-gaussians", "sh-degree": "--sh-degree", threads: "--threads" };

/** Train and score, one after another. */
export async function run(say, choices) {
  const { scene = SCENES, seconds = SECONDS, seeds, runs = "1" } = choices;
  const scratch = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  const flags = Object.entries(PASSED_ON).flatMap(([name, flag]) =>
    choices[name] === undefined ? [] : [flag, choices[name]],
  );
  const chosenSeeds = seeds?.split(",") ?? Array.from({ length: Number(runs) }, (_, i) => String(i + 1));
  try {
    let scenes = await posedScenes(scene.split(","), scratch, say);
    if (choices["held-back"]) scenes = await Promise.all(scenes.map((each) => heldBack(each, scratch)));
    const rows = [];
    for (const seed of chosenSeeds) {
      for (const { name, folder } of scenes) {
        for (const budget of seconds.split(",").map(Number)) {
          rows.push(await train({ name, folder, budget, seed, flags, scratch }, say));
        }
      }
    }
    return { node: process.versions.node, quality: summaryOf(rows), trainings: rows };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function train({ name, folder, budget, seed, flags, scratch }, say) {
  const output = join(scratch, "scene.ply");
  const args = ["--eval", "--seconds", String(budget), "--seed", seed, "-o", output, ...flags];
  const result = await runForJson(["train", folder, ...args]);
  const { psnr, ssim, seconds, steps, steps_per_second, gaussians, test_frames } = result;
  const figures = { seconds, psnr, ssim, steps, steps_per_second, gaussians, test_frames };
  say(`${name} ${budget} s, seed ${seed}: ${psnr.toFixed(2)} dB, SSIM ${ssim.toFixed(4)}, ${steps} steps`);
  return { scene: name, budget_s: budget, seed: Number(seed), ...figures, load: loadavg()[0] };
}

/** Mean over seeds, and from the lowest to the highest. */
function summaryOf(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = `${row.scene} ${row.budget_s}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map((group) => {
    const { scene, budget_s } = group[0];
    const all = (key) => group.map((row) => row[key]);
    return {
      scene,
      budget_s,
      seeds: group.length,
      psnr: mean(all("psnr")),
      psnr_spread: Math.max(...all("psnr")) - Math.min(...all("psnr")),
      ssim: mean(all("ssim")),
      steps: Math.round(mean(all("steps"))),
      steps_per_second: mean(all("steps_per_second")),
    };
  });
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
