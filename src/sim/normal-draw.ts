/** Noise for simulations. */

/** One number of the standard normal distribution, from two of a stream in [0, 1) (Box and Muller 1958). */
export function normalDraw(random: () => number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}
