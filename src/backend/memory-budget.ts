/** How much memory training may take: a budget for pictures, and the Gaussians that the rest has room for. */
import { totalmem } from "node:os";
import { copiedGaussianBytes, gaussianBytes } from "../trainer/footprint.ts";

const MIB = 1 << 20;
/** Default share of what is available that pictures may take, and its bounds. */
const FRAME_SHARE = 1 / 4;
const LEAST_FRAME_BYTES = 64 * MIB;
const MOST_FRAME_BYTES = 1024 * MIB;
/** Share of what pictures leave that Gaussians may take; the rest is for tiles, uploads, decoding and other programs. */
const GAUSSIAN_SHARE = 1 / 2;
/** Copies of the scene at the worst moment: a checkpoint (with two moments), the newest scene, and one on its way. */
const COPIES = 5;
/** However little there is, so many are tried. */
const FEWEST_GAUSSIANS = 1000;

/** What one training may take. */
export interface MemoryBudget {
  readonly availableBytes: number;
  /** For decoded pictures. */
  readonly frameBytes: number;
}

/** Bytes that programs can still get without swapping, the limits of a container counted. */
export function availableBytes(): number {
  const available = process.availableMemory();
  const limit = process.constrainedMemory();
  const isLimited = limit > 0 && limit < totalmem();
  // What macOS calls free, and a container, leaves out what would be given back when asked: files in the cache, mostly.
  if (process.platform !== "darwin" && !isLimited) return available;
  return Math.max(available, (isLimited ? limit : totalmem()) / 4);
}

/** The budget of a training that starts now; `frameBytes` where the user gave it. */
export function memoryBudget(frameBytes?: number, available = availableBytes()): MemoryBudget {
  const share = Math.min(MOST_FRAME_BYTES, Math.max(LEAST_FRAME_BYTES, available * FRAME_SHARE));
  return { availableBytes: available, frameBytes: frameBytes ?? share };
}

/** Bytes per Gaussian at the worst moment: in the trainer's arrays, and in copies of the scene. */
export function peakGaussianBytes(shDegree: number): number {
  const shCount = (shDegree + 1) ** 2;
  return gaussianBytes(shCount) + COPIES * copiedGaussianBytes(shCount);
}

/** How many Gaussians the budget has room for. */
export function mostGaussians(
  { availableBytes: available, frameBytes }: MemoryBudget,
  shDegree: number,
): number {
  const room = GAUSSIAN_SHARE * Math.max(0, available - frameBytes);
  return Math.max(FEWEST_GAUSSIANS, Math.floor(room / peakGaussianBytes(shDegree)));
}

/** Settings of the trainer with no more Gaussians than there is room for; `warn` is told what was asked, got, and why. */
export function withinMemory<Settings extends { readonly maxGaussians: number; readonly shDegree: number }>(
  settings: Settings,
  budget: MemoryBudget,
  warn: (message: string) => void,
): Settings {
  const { maxGaussians, shDegree } = settings;
  const most = mostGaussians(budget, shDegree);
  if (maxGaussians <= most) return settings;
  const each = peakGaussianBytes(shDegree);
  warn(
    `${maxGaussians} Gaussians of SH degree ${shDegree} may need ${mib(maxGaussians * each)} MiB ` +
      `(${Math.round(each)} bytes each): with ${mib(budget.availableBytes)} MiB of memory available, ` +
      `${mib(budget.frameBytes)} of it for pictures, there will be at most ${most}`,
  );
  return { ...settings, maxGaussians: most };
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}
