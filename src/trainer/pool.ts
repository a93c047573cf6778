/**
 * Workers that share the items of one stage at a time.
 *
 * The owner publishes a stage and everybody, the owner included, takes items from a common counter until none is
 * left. Which worker runs an item never changes its result: an item writes only what no other item writes.
 * Only `Atomics` on shared memory are used, so the same code runs in Node and in a browser's workers.
 */

const GENERATION = 0; // rises with every stage; what idle workers wait on
const STAGE = 1;
const NEXT = 2; // next item to take
const FINISHED = 3; // workers done with this stage
const READY = 4; // workers that have started
const LAYOUT = 5; // rises when the arrays have moved: make the views anew
const CAPACITY = 6; // [5] gaussians, shCount, pixels, pairs, threads
const FAILED = 11; // a helper threw: the results of this stage are not whole
const STOP_STAGE = -1;
/** Looks at a word before sleeping: some 20 µs. */
const LOOKS = 5000;

/** One kind of work, split into items that are independent of each other. */
export interface Stage {
  /** Number of items for the current step. */
  items(): number;
  run(item: number): void;
}

/** Shares a stage out and waits until all its items are done. */
export interface Pool {
  readonly threads: number;
  run(stage: number): void;
}

/** Capacity as it lies in the control block: gaussians, shCount, pixels, pairs, threads. */
export type CapacityWords = readonly [number, number, number, number, number];

/** Tell the workers that the arrays lie elsewhere from the next stage on. */
export function publishCapacity(control: Int32Array, words: CapacityWords): void {
  control.set(words, CAPACITY);
  Atomics.add(control, LAYOUT, 1);
}

/**
 * The owner's side. `stages` are the owner's own; `helpers` other threads are running `serveStages`. `onRun` is told
 * what each stage took, ms.
 */
export function createPool(
  control: Int32Array,
  stages: readonly Stage[],
  helpers: number,
  onRun?: (stage: number, ms: number) => void,
): Pool {
  return {
    threads: helpers + 1,
    run(stage) {
      const startMs = performance.now();
      Atomics.store(control, STAGE, stage);
      Atomics.store(control, NEXT, 0);
      Atomics.store(control, FINISHED, 0);
      Atomics.add(control, GENERATION, 1);
      Atomics.notify(control, GENERATION);
      drain(control, stages[stage]);
      for (let done; (done = Atomics.load(control, FINISHED)) < helpers;) {
        waitForChange(control, FINISHED, done);
      }
      if (Atomics.load(control, FAILED) !== 0) throw new Error(`a helper failed in stage ${stage}`);
      onRun?.(stage, performance.now() - startMs);
    },
  };
}

/** How many helpers have started. */
export function readyHelpers(control: Int32Array): number {
  return Atomics.load(control, READY);
}

/** Let the helpers return from `serveStages`. */
export function stopHelpers(control: Int32Array): void {
  Atomics.store(control, STAGE, STOP_STAGE);
  Atomics.add(control, GENERATION, 1);
  Atomics.notify(control, GENERATION);
}

/**
 * A helper's life: wait for a stage, take items, say when done; return on `stopHelpers`.
 * `stagesOf` makes the stages over the arrays as they lie now for this thread (1, 2, …; the owner is 0), and is called
 * again after they moved.
 */
export function serveStages(
  control: Int32Array,
  stagesOf: (words: CapacityWords, thread: number) => readonly Stage[],
): void {
  let generation = Atomics.load(control, GENERATION);
  let layout = -1;
  let stages: readonly Stage[] = [];
  const thread = Atomics.add(control, READY, 1) + 1;
  for (;;) {
    waitForChange(control, GENERATION, generation);
    const now = Atomics.load(control, GENERATION);
    if (now === generation) continue;
    generation = now;
    const stage = Atomics.load(control, STAGE);
    if (stage === STOP_STAGE) return;
    if (layout !== Atomics.load(control, LAYOUT)) {
      layout = Atomics.load(control, LAYOUT);
      const [n, k, pixels, pairs, threads] = control.subarray(CAPACITY, CAPACITY + 5);
      stages = stagesOf([n, k, pixels, pairs, threads], thread);
    }
    try {
      drain(control, stages[stage]);
    } catch (error) {
      Atomics.store(control, FAILED, 1);
      throw error;
    } finally {
      Atomics.add(control, FINISHED, 1);
      Atomics.notify(control, FINISHED);
    }
  }
}

/**
 * Wait until a word is no longer `value`. Most waits are shorter than waking a thread takes, so a short while is spent
 * looking before the thread sleeps.
 */
function waitForChange(control: Int32Array, word: number, value: number): void {
  for (let look = 0; look < LOOKS; look++) if (Atomics.load(control, word) !== value) return;
  Atomics.wait(control, word, value);
}

function drain(control: Int32Array, stage: Stage): void {
  const items = stage.items();
  for (let item; (item = Atomics.add(control, NEXT, 1)) < items;) stage.run(item);
}
