/** How much is downloaded at a time. */

/** Files at a time unless it is said otherwise. */
export const PARALLEL = 16;
/** Requests beside the first of each file, for large ones: more do not make one file faster. */
export const MOST_SPARE_STREAMS = 7;

/** Most requests that are under way when `parallel` files come at a time: a reader needs as many connections. */
export function requestsAtATime(parallel: number): number {
  return parallel + MOST_SPARE_STREAMS;
}
