/**
 * How far our rasteriser is from gsplat's: renders of known Gaussians that were made elsewhere, compared pixel by
 * pixel. The data lies beside a checkout (../shared/data/raster_ref) where there is any, and is not part of it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openEngine } from "../helpers/bench-engine.mjs";
import * as SCALAR from "../../dist/trainer/scalars.js";
import { untrainedState } from "../../dist/trainer/state.js";

export const about =
  "forward render against gsplat's on the same Gaussians (needs ../shared/data/raster_ref)";

const FOLDER = fileURLToPath(new URL("../../../shared/data/raster_ref", import.meta.url));
const SH_COUNT = 16;

/** Largest absolute error of colour and of alpha, for each case. */
export async function run(say) {
  if (!existsSync(FOLDER)) {
    say("not run: there is no ../shared/data/raster_ref beside this checkout");
    return { ran: 0 };
  }
  const figures = { ran: 0 };
  for (const name of ["basic_case", "tiny_case"]) {
    const { color, alpha } = await compare(readSafetensors(join(FOLDER, `${name}.safetensors`)));
    say(`${name}: colour off by at most ${color.toExponential(2)}, alpha by ${alpha.toExponential(2)}`);
    figures.ran++;
    figures[`${name}_color`] = color;
    figures[`${name}_alpha`] = alpha;
  }
  return figures;
}

async function compare({ means, scales, quats, opacities, coeffs, out_img: image }) {
  const [height, width] = image.shape;
  const count = opacities.values.length;
  const pixels = width * height;
  const capacity = { gaussians: count, shCount: SH_COUNT, pixels, pairs: 1 << 12 };
  const engine = (await openEngine({ capacity })).engine;
  // [N,K,3] there, [N,3,K] here.
  const sh = coeffs.values.map((_, i) => {
    const [gaussian, rest] = [Math.floor(i / (3 * SH_COUNT)), i % (3 * SH_COUNT)];
    return coeffs.values[(gaussian * SH_COUNT + (rest % SH_COUNT)) * 3 + Math.floor(rest / SH_COUNT)];
  });
  engine.load(
    untrainedState({
      count,
      shDegree: 3,
      means: means.values,
      logScales: scales.values,
      quats: quats.values,
      opacities: opacities.values,
      sh,
    }),
  );
  engine.views.scalars[SCALAR.shDegree] = 3;
  const lens = { width, height, fx: width / 2, fy: width / 2, cx: width / 2, cy: height / 2 };
  const pose = { rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1], translation: [-0.123, -0.456, 8] };
  engine.render({ ...lens, ...pose }, [0, 0, 0]);
  const ours = engine.views.image;
  let color = 0;
  let alpha = 0;
  for (let p = 0; p < pixels; p++) {
    for (let c = 0; c < 3; c++) {
      color = Math.max(color, Math.abs(ours[(c + 1) * pixels + p] - image.values[p * 4 + c]));
    }
    alpha = Math.max(alpha, Math.abs(1 - ours[p] - image.values[p * 4 + 3]));
  }
  return { color, alpha };
}

/** Float tensors of a safetensors file: a length, a JSON header, then the data. */
function readSafetensors(path) {
  const bytes = readFileSync(path);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes));
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        name,
        {
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const data = bytes.subarray(8 + headerBytes + from, 8 + headerBytes + to);
        return [name, { shape, values: new Float32Array(Uint8Array.from(data).buffer) }];
      },
    ),
  );
}
