/** Colours of the simulated scene as functions of the place on a surface: sharp at any distance, no image files. */

/** [3] linear light, 0…1. */
export type Rgb = readonly [number, number, number];

/** [3] metres. */
export type Vector3 = readonly [number, number, number];

/** Colour at a point, given in the solid's own axes, its centre at the origin. */
export type Texture = (point: Vector3) => Rgb;

/** Bands across one axis (0 x, 1 y, 2 z) that repeat after `periodM`. */
export function stripes(axis: 0 | 1 | 2, periodM: number, first: Rgb, second: Rgb): Texture {
  return (point) => (fraction(point[axis] / periodM) < 0.5 ? first : second);
}

/** Three-dimensional chessboard with cells of `sizeM`. */
export function checks(sizeM: number, first: Rgb, second: Rgb): Texture {
  return ([x, y, z]) => {
    const cells = Math.floor(x / sizeM) + Math.floor(y / sizeM) + Math.floor(z / sizeM);
    return (cells & 1) === 0 ? first : second;
  };
}

/** One colour, lightened and darkened in soft patches of about `sizeM`. */
export function mottled(sizeM: number, color: Rgb, depth = 0.5): Texture {
  return ([x, y, z]) =>
    scale(color, 1 + depth * (2 * smoothNoise(x / sizeM + z / sizeM, y / sizeM - z / sizeM) - 1));
}

/** Spots of a second colour, scattered like those of a ladybird, about one per `sizeM`. */
export function spots(sizeM: number, ground: Rgb, spot: Rgb): Texture {
  return ([x, y, z]) => {
    const u = (x + 0.7 * z) / sizeM;
    const v = (y - 0.7 * z) / sizeM;
    return nearestSeed(u, v).distance < 0.33 ? spot : ground;
  };
}

/**
 * A mosaic of stones of about `sizeM`, each with its own shade out of `palette`, set in dark joints, with soft
 * stains across it. Nothing repeats, so that each place on the table looks like no other.
 */
export function mosaic(sizeM: number, palette: readonly Rgb[]): Texture {
  return ([x, y]) => {
    const seed = nearestSeed(x / sizeM, y / sizeM);
    const stone = palette[Math.floor(seed.shade * palette.length)];
    const stain = 0.7 + 0.6 * smoothNoise(x / (6 * sizeM) + 31, y / (6 * sizeM) - 17);
    const tint = 0.8 + 0.4 * fraction(seed.shade * 97);
    return scale(stone, stain * tint * (seed.margin < 0.09 ? 0.25 : 1));
  };
}

/** Nearest of the seeds scattered one per unit cell: its distance, how much farther the next one is, its random shade. */
function nearestSeed(u: number, v: number): { distance: number; margin: number; shade: number } {
  let nearest = Infinity;
  let second = Infinity;
  let at: readonly [number, number] = [0, 0];
  const column = Math.floor(u);
  const row = Math.floor(v);
  for (let i = column - 1; i <= column + 1; i++) {
    for (let j = row - 1; j <= row + 1; j++) {
      const du = i + 0.15 + 0.7 * random(i, j, 1) - u;
      const dv = j + 0.15 + 0.7 * random(i, j, 2) - v;
      const squared = du * du + dv * dv;
      if (squared < nearest) {
        second = nearest;
        nearest = squared;
        at = [i, j];
      } else if (squared < second) {
        second = squared;
      }
    }
  }
  const distance = Math.sqrt(nearest);
  return { distance, margin: Math.sqrt(second) - distance, shade: random(at[0], at[1], 3) };
}

/** Value noise, 0…1, smooth, features of about one unit. */
function smoothNoise(u: number, v: number): number {
  const i = Math.floor(u);
  const j = Math.floor(v);
  const x = ease(u - i);
  const y = ease(v - j);
  const low = random(i, j, 0) * (1 - x) + random(i + 1, j, 0) * x;
  const high = random(i, j + 1, 0) * (1 - x) + random(i + 1, j + 1, 0) * x;
  return low * (1 - y) + high * y;
}

/** 0…1, the same for the same integers on every machine (integer hash with the murmur3 finaliser). */
function random(i: number, j: number, salt: number): number {
  let hash = Math.imul(i, 0x9e3779b1) ^ Math.imul(j, 0x85ebca77) ^ Math.imul(salt + 1, 0xc2b2ae3d);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

function ease(t: number): number {
  return t * t * (3 - 2 * t);
}

function fraction(value: number): number {
  return value - Math.floor(value);
}

function scale([r, g, b]: Rgb, factor: number): Rgb {
  return [r * factor, g * factor, b * factor];
}

/** Printed plastic: one colour in fine layers across z, each a little lighter or darker, with faint patches. */
export function printed(layerM: number, color: Rgb): Texture {
  return ([x, y, z]) => {
    const layer = 0.25 * (random(Math.floor(z / layerM), 0, 4) - 0.5);
    const patch = 0.5 * (smoothNoise(x / 0.006 + z / 0.008, y / 0.006 - z / 0.008) - 0.5);
    return scale(color, 1 + layer + patch);
  };
}
