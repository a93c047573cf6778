/** One set of arrays, the workers that share its stages, and the few operations a trainer is made of. */
import { allocateGaussians, shCount, type Gaussians, type ShDegree } from "../splat/gaussians.ts";
import { centerOf, type Camera } from "./camera.ts";
import { NO_EXPOSURE, type Exposure } from "./exposure.ts";
import { lossItems, SSIM_WEIGHT } from "./loss.ts";
import {
  CAMERA_GRADIENT,
  CHUNK,
  growMemory,
  publishAddresses,
  TILE,
  viewsOf,
  type Capacity,
  type Views,
} from "./memory.ts";
import type { Kernels } from "./kernels.ts";
import type { Picture } from "./picture.ts";
import { createPool, publishCapacity, type Pool } from "./pool.ts";
import { referenceKernels } from "./reference.ts";
import * as SCALAR from "./scalars.ts";
import { createStages, STAGE } from "./stages.ts";
import type { Optimised } from "./state.ts";
import { parameterGroups } from "./strategy.ts";

/** What one comparison of a render with a picture gave. */
export interface Comparison {
  /** dB over the pixels that count. */
  readonly psnr: number;
  readonly ssim: number;
}

/** Each band looks at all splats, so there are no more than keep every thread busy. */
const BANDS_PER_THREAD = 2;

/** Beside each array of parameters lie its moments, named after it. */
type Suffix = "" | "Moment1" | "Moment2";

export class Engine {
  /** Told what each stage (see `STAGE`) took, ms; for measuring. */
  onStage: ((stage: number, ms: number) => void) | null = null;
  readonly #memory: WebAssembly.Memory;
  readonly #simd: Kernels | null;
  #kernels!: Kernels;
  #capacity: Capacity;
  #views!: Views;
  #pool!: Pool;
  /** Pixels of the loaded picture that count. */
  #counted = 0;

  /**
   * All threads of `capacity` but this one must already run `serveStages` on `memory`, which has room for it.
   * `kernels` are this thread's; null = the reference in plain TypeScript.
   */
  constructor(memory: WebAssembly.Memory, capacity: Capacity, kernels: Kernels | null) {
    this.#memory = memory;
    this.#simd = kernels;
    this.#capacity = capacity;
    this.#layOut();
    this.#views.scalars.set(NO_EXPOSURE.gain, SCALAR.gain);
  }

  get views(): Views {
    return this.#views;
  }

  get memoryBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  get capacity(): Capacity {
    return this.#capacity;
  }

  get count(): number {
    return this.#views.scalars[SCALAR.count];
  }

  set count(value: number) {
    this.#views.scalars[SCALAR.count] = value;
  }

  /** Make room; Gaussians and their moments are kept, except coefficients beyond a smaller `shCount`. */
  ensure(wanted: Partial<Capacity>): void {
    const old = this.#capacity;
    const next: Capacity = {
      gaussians: Math.max(old.gaussians, wanted.gaussians ?? 0),
      shCount: wanted.shCount ?? old.shCount,
      pixels: Math.max(old.pixels, wanted.pixels ?? 0),
      pairs: Math.max(old.pairs, wanted.pairs ?? 0),
      threads: old.threads,
    };
    const moves = next.gaussians !== old.gaussians || next.shCount !== old.shCount;
    if (!moves && next.pixels === old.pixels && next.pairs === old.pairs) return;
    const kept = moves ? this.save() : null;
    growMemory(this.#memory, next);
    this.#capacity = next;
    const scalars = this.#views.scalars.slice();
    this.#layOut();
    this.#views.scalars.set(scalars);
    this.#views.scalars[SCALAR.shCount] = next.shCount;
    if (kept !== null) this.load(kept);
  }

  /** A copy of the Gaussians as they are. */
  extract(): Gaussians {
    return this.#copy("");
  }

  /** A copy of the Gaussians and of what Adam remembers of them. */
  save(): Optimised {
    return { gaussians: this.#copy(""), moments1: this.#copy("Moment1"), moments2: this.#copy("Moment2") };
  }

  /** Replace all Gaussians and moments. Higher SH degrees than the memory's are cut. */
  load({ gaussians, moments1, moments2 }: Optimised): void {
    this.ensure({ gaussians: gaussians.count });
    this.count = gaussians.count;
    this.#put("", gaussians);
    this.#put("Moment1", moments1);
    this.#put("Moment2", moments2);
  }

  /** Render the Gaussians as `camera` sees them into `views.image`. */
  render(camera: Camera, background: readonly number[]): void {
    const { width, height } = camera;
    this.ensure({ pixels: width * height });
    const { scalars } = this.#views;
    scalars[SCALAR.width] = width;
    scalars[SCALAR.height] = height;
    scalars[SCALAR.tilesX] = Math.ceil(width / TILE);
    scalars[SCALAR.tiles] = Math.ceil(width / TILE) * Math.ceil(height / TILE);
    scalars[SCALAR.bands] = Math.min(Math.ceil(height / TILE), BANDS_PER_THREAD * this.#capacity.threads);
    scalars[SCALAR.fx] = camera.fx;
    scalars[SCALAR.fy] = camera.fy;
    scalars[SCALAR.cx] = camera.cx;
    scalars[SCALAR.cy] = camera.cy;
    scalars.set(camera.rotation, SCALAR.rotation);
    scalars.set(camera.translation, SCALAR.translation);
    scalars.set(centerOf(camera), SCALAR.center);
    scalars.set(background, SCALAR.background);
    this.#pool.run(STAGE.project);
    const pairs = this.#kernels.countPairs();
    if (pairs > this.#capacity.pairs) this.#ensurePairs(pairs);
    this.#pool.run(STAGE.sortAndCount);
    this.#kernels.startTiles();
    this.#pool.run(STAGE.fillTiles);
    this.#pool.run(STAGE.rasterize);
  }

  /** Compare the render of `picture.camera`, made just before, with the picture; as `exposure` makes it. */
  compare(picture: Picture, exposure: Exposure = NO_EXPOSURE): Comparison {
    this.#loadPicture(picture);
    this.#views.scalars.set(exposure.gain, SCALAR.gain);
    this.#views.scalars.set(exposure.bias, SCALAR.bias);
    this.#pool.run(STAGE.ssimDerivatives);
    return this.#comparison();
  }

  /** Gradient of the loss in the (plain) image into `views.imageGradient`, and the comparison it came from. */
  lossGradient(picture: Picture, exposure: Exposure = NO_EXPOSURE): Comparison {
    const comparison = this.compare(picture, exposure);
    this.#pool.run(STAGE.imageGradients);
    return comparison;
  }

  /** [6] gradient of the loss in gain [3] and bias [3] of the exposure that `lossGradient` was just given. */
  exposureGradient(): Float64Array {
    const { lossSums } = this.#views;
    const total = new Float64Array(6);
    const items = lossItems(this.#views);
    for (let item = 0; item < items; item++) {
      total[item % 3] += lossSums[item * 2];
      total[3 + (item % 3)] += lossSums[item * 2 + 1];
    }
    return total;
  }

  /** Carry the image's gradient back to the Gaussians and update them; rates and weights lie in the scalars. */
  backwardAndUpdate(): void {
    this.rasterizeBackward();
    this.#pool.run(STAGE.update);
  }

  /** The first half of that: from `imageGradient` to the pairs' gradients. */
  rasterizeBackward(): void {
    this.#pool.run(STAGE.rasterizeBackward);
  }

  /**
   * [16] gradient of the loss in the camera of the last backward pass: rotation [9] row-major, translation [3],
   * fx, fy, cx, cy. Summed over chunks in order, so it does not depend on threads.
   */
  cameraGradient(): Float64Array {
    const total = new Float64Array(CAMERA_GRADIENT);
    const chunks = Math.ceil(this.count / CHUNK);
    for (let i = 0; i < chunks * CAMERA_GRADIENT; i++) {
      total[i % CAMERA_GRADIENT] += this.#views.cameraGradients[i];
    }
    return total;
  }

  /** With room to spare, where there is any. */
  #ensurePairs(pairs: number): void {
    try {
      this.ensure({ pairs: Math.ceil(pairs * 1.5) });
    } catch {
      this.ensure({ pairs });
    }
  }

  #layOut(): void {
    const { gaussians, shCount: k, pixels, pairs, threads } = this.#capacity;
    this.#views = viewsOf(this.#memory, this.#capacity);
    publishAddresses(this.#views);
    this.#views.scalars[SCALAR.shCount] = this.#capacity.shCount;
    publishCapacity(this.#views.control, [gaussians, k, pixels, pairs, threads]);
    this.#kernels = this.#simd ?? referenceKernels(this.#views);
    const stages = createStages(this.#views, this.#kernels);
    this.#pool = createPool(this.#views.control, stages, threads - 1, (stage, ms) =>
      this.onStage?.(stage, ms),
    );
  }

  #loadPicture({ camera, rgba, mask }: Picture): void {
    const { scalars, frameRgba, frameMask } = this.#views;
    const pixels = camera.width * camera.height;
    frameRgba.set(rgba.subarray(0, pixels * 4));
    scalars[SCALAR.masked] = mask === null ? 0 : 1;
    this.#counted = pixels;
    if (mask !== null) {
      frameMask.set(mask.subarray(0, pixels));
      this.#counted = frameMask.subarray(0, pixels).reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0);
    }
    const values = 3 * Math.max(1, this.#counted);
    scalars[SCALAR.l1Weight] = (1 - SSIM_WEIGHT) / values;
    scalars[SCALAR.ssimWeight] = SSIM_WEIGHT / values;
  }

  #comparison(): Comparison {
    const { lossSums } = this.#views;
    let squared = 0;
    let ssim = 0;
    const items = lossItems(this.#views);
    for (let item = 0; item < items; item++) {
      squared += lossSums[item * 2];
      ssim += lossSums[item * 2 + 1];
    }
    const values = 3 * Math.max(1, this.#counted);
    return { psnr: -10 * Math.log10(Math.max(squared / values, 1e-10)), ssim: ssim / values };
  }

  #copy(suffix: Suffix): Gaussians {
    const copy = allocateGaussians(this.count, (Math.sqrt(this.#capacity.shCount) - 1) as ShDegree);
    for (const [name, width] of parameterGroups(this.#views)) {
      copy[name].set(this.#views[`${name}${suffix}`].subarray(0, this.count * width));
    }
    return copy;
  }

  #put(suffix: Suffix, source: Gaussians): void {
    for (const [name, width] of parameterGroups(this.#views)) {
      const target = this.#views[`${name}${suffix}`];
      if (name !== "sh") target.set(source[name].subarray(0, source.count * width));
      else copyCoefficients(source.sh, shCount(source.shDegree), target, width / 3, source.count * 3);
    }
  }
}

/** Copy rows of `from` coefficients into rows of `to`, cutting or zero-filling at the end. */
function copyCoefficients(
  source: Float32Array,
  from: number,
  target: Float32Array,
  to: number,
  rows: number,
): void {
  const shared = Math.min(from, to);
  target.fill(0, 0, rows * to);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < shared; k++) target[row * to + k] = source[row * from + k];
  }
}
