/** The frames that a spool keeps, by number, identity and state. */
import type { KeptFrame } from "./spool-contents.ts";

type FrameState = KeptFrame["state"];

/** Bookkeeping in memory; the files are the spool's. */
export class KeptFrames {
  readonly #bySeq: Map<number, KeptFrame>;
  readonly #byId = new Map<string, KeptFrame>();
  readonly #inState: Record<FrameState, number> = { waiting: 0, sending: 0, accepted: 0, durable: 0 };
  /** Numbers of those that wait, in order. */
  #waiting = new Set<number>();
  #sizeBytes = 0;

  constructor(frames: ReadonlyMap<number, KeptFrame>) {
    this.#bySeq = new Map([...frames].sort(([a], [b]) => a - b));
    for (const frame of this.#bySeq.values()) this.#index(frame);
  }

  get size(): number {
    return this.#bySeq.size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get bySeq(): ReadonlyMap<number, KeptFrame> {
    return this.#bySeq;
  }

  /** How many frames are in each state. */
  get inState(): Readonly<Record<FrameState, number>> {
    return this.#inState;
  }

  get(seq: number): KeptFrame | undefined {
    return this.#bySeq.get(seq);
  }

  byId(frameId: string): KeptFrame | undefined {
    return this.#byId.get(frameId);
  }

  /** Add a frame with a number above all others. */
  add(frame: KeptFrame): void {
    this.#bySeq.set(frame.seq, frame);
    this.#index(frame);
  }

  delete(frame: KeptFrame): void {
    this.#bySeq.delete(frame.seq);
    this.#byId.delete(frame.frameId);
    this.#waiting.delete(frame.seq);
    this.#inState[frame.state]--;
    this.#sizeBytes -= frame.sizeBytes;
  }

  move(frame: KeptFrame, state: FrameState): void {
    this.#inState[frame.state]--;
    this.#inState[state]++;
    frame.state = state;
    if (state !== "waiting") this.#waiting.delete(frame.seq);
  }

  /** These have been sent and wait again, in their old places. */
  waitAgain(frames: readonly KeptFrame[]): void {
    for (const frame of frames) this.move(frame, "waiting");
    const seqs = [...this.#waiting, ...frames.map(({ seq }) => seq)];
    this.#waiting = new Set(seqs.sort((a, b) => a - b));
  }

  firstWaiting(): KeptFrame | null {
    const [seq] = this.#waiting;
    return seq === undefined ? null : (this.#bySeq.get(seq) ?? null);
  }

  oldestDurable(): KeptFrame | null {
    if (this.#inState.durable === 0) return null;
    for (const frame of this.#bySeq.values()) if (frame.state === "durable") return frame;
    return null;
  }

  /** Those that the backend has accepted. */
  sent(): KeptFrame[] {
    return [...this.#bySeq.values()].filter(({ state }) => state === "accepted" || state === "durable");
  }

  #index(frame: KeptFrame): void {
    this.#byId.set(frame.frameId, frame);
    this.#inState[frame.state]++;
    this.#sizeBytes += frame.sizeBytes;
    if (frame.state === "waiting") this.#waiting.add(frame.seq);
  }
}
