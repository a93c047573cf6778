/**
 * Regions of the shared memory that the kernels use, each with its index in the table of addresses. The names are
 * those of `regions` in memory.ts. Plain constants, because AssemblyScript and TypeScript both read this file.
 */
export const scratch = 0;
export const means = 1;
export const logScales = 2;
export const quats = 3;
export const opacities = 4;
export const sh = 5;
export const meansMoment1 = 6;
export const logScalesMoment1 = 7;
export const quatsMoment1 = 8;
export const opacitiesMoment1 = 9;
export const shMoment1 = 10;
export const meansMoment2 = 11;
export const logScalesMoment2 = 12;
export const quatsMoment2 = 13;
export const opacitiesMoment2 = 14;
export const shMoment2 = 15;
export const splats = 16;
export const depths = 17;
export const order = 18;
export const orderSpare = 19;
export const boxes = 20;
export const cameraGradients = 21;
export const slotStart = 22;
export const tileStart = 23;
export const cursors = 24;
export const image = 25;
export const frameRgba = 26;
export const frameMask = 27;
export const target = 28;
export const imageGradient = 29;
export const ssimGradients = 30;
export const lossSums = 31;
export const pairSplat = 32;
export const pairSlot = 33;
export const pairGradients = 34;
export const pairMask = 35;
export const pairCounts = 36;
export const chunkPairs = 37;
