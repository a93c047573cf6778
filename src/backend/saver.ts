/** Keeps what a session has learned on disk: its Gaussians and the facts about it. */
import { createSerial } from "./serial.ts";
import type { SnapshotSlot } from "./snapshot-slot.ts";
import type { SavedSession, SessionStore } from "./store.ts";

/** A crash costs at most this much training. */
const SAVE_EVERY_MS = 30_000;

/** Saves one session, one write at a time. */
export class Saver {
  readonly #store: SessionStore;
  readonly #slot: SnapshotSlot;
  readonly #facts: () => SavedSession;
  readonly #serial = createSerial();
  #savedVersion = 0;
  #savedAtMs = Date.now();
  #closed = false;

  constructor(store: SessionStore, slot: SnapshotSlot, facts: () => SavedSession) {
    this.#store = store;
    this.#slot = slot;
    this.#facts = facts;
  }

  /** Whether the last save is too long ago. */
  get isDue(): boolean {
    return Date.now() - this.#savedAtMs > SAVE_EVERY_MS;
  }

  /**
   * Write the newest Gaussians, if they are newer than those on disk, then the facts; nothing after `close`.
   * Throws `storage_full`.
   */
  save(): Promise<void> {
    this.#savedAtMs = Date.now();
    return this.#serial(async () => {
      if (this.#closed) return;
      const { latest } = this.#slot;
      if (latest !== null && latest.version !== this.#savedVersion) {
        await this.#store.writeScene(latest.gaussians);
        this.#savedVersion = latest.version;
      }
      await this.#store.writeSession(this.#facts());
    });
  }

  /** Write nothing more; resolves when nothing is being written. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#serial(() => Promise.resolve());
  }
}
