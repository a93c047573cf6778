/** What a figure was like since the start, in bounded memory: older values are thinned out as newer ones come. */

/** Points kept: more than any sparkline has columns. */
const MOST_POINTS = 512;

/** A figure over time. */
export class Series {
  /** Each the mean of `#stride` values. */
  #points: number[] = [];
  #stride = 1;
  #sum = 0;
  #count = 0;

  /** Add a value; null says nothing. */
  add(value: number | null): void {
    if (value === null || !Number.isFinite(value)) return;
    this.#sum += value;
    if (++this.#count < this.#stride) return;
    this.#points.push(this.#sum / this.#count);
    [this.#sum, this.#count] = [0, 0];
    if (this.#points.length < MOST_POINTS) return;
    this.#points = resample(this.#points, MOST_POINTS / 2);
    this.#stride *= 2;
  }

  /** At most 512, the oldest first. */
  get points(): readonly number[] {
    return this.#points;
  }

  clear(): void {
    [this.#points, this.#stride, this.#sum, this.#count] = [[], 1, 0, 0];
  }
}

/** `count` means of neighbours; the values themselves where there are no more of them. */
export function resample(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * values.length) / count);
    const to = Math.floor(((i + 1) * values.length) / count);
    return values.slice(from, to).reduce((sum, value) => sum + value, 0) / (to - from);
  });
}
