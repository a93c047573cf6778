/** The newest snapshot of the scene: one place, overwritten, never waited for. */
import type { Gaussians } from "../splat/gaussians.ts";
import { finiteGaussians, selectGaussians } from "../splat/select.ts";

/** The scene at one version. */
export interface Snapshot {
  readonly version: number;
  readonly step: number;
  readonly gaussians: Gaussians;
}

/** How many versions are reserved on disk at a time, so that a crash cannot make them fall. */
const RESERVE = 1000;

/** Holds the newest snapshot and numbers them. */
export class SnapshotSlot {
  #latest: Snapshot | null = null;
  #selected: { readonly snapshot: Snapshot; readonly max: number; readonly gaussians: Gaussians } | null =
    null;
  #version: number;
  #ceiling: number;

  /** Versions go on above `floor`, the ceiling that was saved last. */
  constructor(floor: number) {
    this.#version = floor;
    this.#ceiling = floor + RESERVE;
  }

  get version(): number {
    return this.#version;
  }

  /** To be saved: no version above it was ever given out. */
  get ceiling(): number {
    return this.#ceiling;
  }

  /** Null while there are no Gaussians. */
  get latest(): Snapshot | null {
    return this.#latest;
  }

  get gaussianCount(): number {
    return this.#latest?.gaussians.count ?? 0;
  }

  /** @returns whether the ceiling rose, which has to be saved soon. */
  put(gaussians: Gaussians, step: number): boolean {
    const sound = finiteGaussians(gaussians);
    this.#version++;
    this.#latest = sound.count === 0 ? null : { version: this.#version, step, gaussians: sound };
    this.#selected = null;
    if (this.#version + RESERVE / 2 < this.#ceiling) return false;
    this.#ceiling += RESERVE;
    return true;
  }

  /** The `max` Gaussians of a snapshot that matter most; the last answer is kept, pollers ask again and again. */
  select(snapshot: Snapshot, max: number | undefined): Gaussians {
    if (max === undefined) return snapshot.gaussians;
    if (this.#selected?.snapshot !== snapshot || this.#selected.max !== max) {
      this.#selected = { snapshot, max, gaussians: selectGaussians(snapshot.gaussians, max) };
    }
    return this.#selected.gaussians;
  }
}
