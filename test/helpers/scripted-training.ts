/** A trainer without a renderer: it keeps the interface's promises on an in-memory scene, one step per turn. */
import type {
  Budget,
  SceneMask,
  StartTraining,
  Training,
  TrainingEvent,
  TrainingFrame,
  TrainingSettings,
} from "../../src/backend/training.ts";
import { allocateGaussians, type Gaussians } from "../../src/splat/gaussians.ts";
import type { Camera } from "../../src/trainer/camera.ts";
import { untrainedState, type TrainerState } from "../../src/trainer/state.ts";

/** What the backend asked of the trainer, and means to make it fail. */
export interface ScriptedTraining extends Training {
  readonly frames: ReadonlyMap<number, TrainingFrame>;
  readonly settings: TrainingSettings;
  readonly mask: SceneMask | null;
  readonly step: number;
  /** What it was told to go on from. */
  readonly restored: TrainerState | null;
  readonly isClosed: boolean;
  /** While true no step is made. */
  paused: boolean;
  fail(message: string): void;
}

/** Starts scripted trainers and remembers them, newest last. */
export function scriptedTrainer(options: { readonly gaussiansPerFrame?: number } = {}): {
  readonly start: StartTraining;
  readonly started: ScriptedTraining[];
} {
  const started: ScriptedTraining[] = [];
  const start: StartTraining = (settings, onEvent) => {
    const training = new InMemoryTraining(settings, onEvent, options.gaussiansPerFrame ?? 10);
    started.push(training);
    return Promise.resolve(training);
  };
  return { start, started };
}

class InMemoryTraining implements ScriptedTraining {
  readonly frames = new Map<number, TrainingFrame>();
  settings: TrainingSettings;
  mask: SceneMask | null = null;
  step = 0;
  restored: TrainerState | null = null;
  isClosed = false;
  paused = false;
  readonly #onEvent: (event: TrainingEvent) => void;
  readonly #perFrame: number;
  readonly #seen = new Set<number>();
  #gaussians: Gaussians | null = null;
  #phase: "training" | "finishing" | "done" = "training";
  #lastStep = Infinity;
  #deadlineS = Infinity;
  readonly #timer: NodeJS.Timeout;

  constructor(settings: TrainingSettings, onEvent: (event: TrainingEvent) => void, perFrame: number) {
    this.settings = settings;
    this.#onEvent = onEvent;
    this.#perFrame = perFrame;
    this.#timer = setInterval(() => this.#turn(), 2);
  }

  addFrame(frame: TrainingFrame): void {
    this.frames.set(frame.index, frame);
  }

  setCamera(index: number, camera: Camera): void {
    const frame = this.frames.get(index);
    if (frame !== undefined) this.frames.set(index, { ...frame, camera });
  }

  addPoints(): void {
    // Nothing is placed by points here.
  }

  setMask(mask: SceneMask | null): void {
    this.mask = mask;
  }

  setSettings(settings: Partial<TrainingSettings>): void {
    this.settings = { ...this.settings, ...settings };
  }

  restore(state: TrainerState): void {
    this.restored = state;
    this.#gaussians = state.gaussians;
    this.step = state.step;
    for (const { index, steps } of state.frames) if (steps > 0) this.#seen.add(index);
    if (state.finish !== null) this.finish({ steps: (state.finish.steps ?? 0) - state.finish.stepsMade });
  }

  checkpoint(): Promise<TrainerState | null> {
    if (this.#gaussians === null) return Promise.resolve(null);
    const isFinishing = this.#phase !== "training";
    return Promise.resolve({
      ...untrainedState(this.#gaussians),
      step: this.step,
      frames: [...this.frames.keys()].map((index) => {
        return { index, steps: this.#seen.has(index) ? 1 : 0, psnr: null, seeded: true };
      }),
      finish: isFinishing ? { stepsMade: 0, steps: this.#left(), elapsedS: 0, durationS: null } : null,
      done: this.#phase === "done",
    });
  }

  snapshot(): Promise<{ gaussians: Gaussians; step: number } | null> {
    return Promise.resolve(this.#gaussians === null ? null : { gaussians: this.#gaussians, step: this.step });
  }

  finish({ steps, deadlineS }: Budget): void {
    this.#phase = "finishing";
    this.#lastStep = this.step + (steps ?? Infinity);
    this.#deadlineS = deadlineS ?? Infinity;
  }

  score(): Promise<[]> {
    return Promise.resolve([]);
  }

  render(camera: Camera): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(camera.width * camera.height * 3));
  }

  close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.#timer);
    return Promise.resolve();
  }

  fail(message: string): void {
    clearInterval(this.#timer);
    this.#onEvent({ type: "failed", message });
  }

  #turn(): void {
    if (this.paused || this.#phase === "done") return;
    if (!this.settings.live && this.#phase === "training") return;
    if (
      this.#phase === "finishing" &&
      (this.step >= this.#lastStep || Date.now() / 1000 >= this.#deadlineS)
    ) {
      this.#end();
      return;
    }
    const trained = [...this.frames.values()].filter((frame) => !frame.holdout);
    if (trained.length === 0) return;
    this.step++;
    this.#grow(trained.length * this.#perFrame);
    const fresh = trained.map(({ index }) => index).filter((index) => !this.#seen.has(index));
    for (const index of fresh) this.#seen.add(index);
    if (fresh.length > 0) this.#onEvent({ type: "trained", indices: fresh });
    if (fresh.length > 0 || this.step % 50 === 0) this.#report(fresh);
  }

  /** Steps that finishing still calls for. */
  #left(): number {
    return Number.isFinite(this.#lastStep) ? this.#lastStep - this.step : 0;
  }

  #grow(count: number): void {
    if (this.#gaussians !== null && this.#gaussians.count >= count) return;
    const scene = allocateGaussians(Math.min(count, this.settings.maxGaussians), this.settings.shDegree);
    for (let i = 0; i < scene.count; i++) {
      scene.means[i * 3] = i;
      scene.quats[i * 4] = 1;
      scene.opacities[i] = i;
    }
    this.#gaussians = scene;
  }

  #report(fresh: readonly number[]): void {
    if (this.#gaussians === null) return;
    this.#onEvent({ type: "snapshot", step: this.step, gaussians: this.#gaussians });
    this.#onEvent({
      type: "progress",
      phase: this.#phase,
      step: this.step,
      stepsPerSecond: 500,
      gaussianCount: this.#gaussians.count,
      psnrTrain: 20,
      psnrHoldout: null,
      framePsnr: fresh.map((index) => [index, 20]),
      memoryBytes: 0,
      pictureBytes: 0,
      pictureWaitMs: 0,
    });
  }

  #end(): void {
    this.#phase = "done";
    const gaussians = this.#gaussians ?? allocateGaussians(0, this.settings.shDegree);
    this.#onEvent({ type: "finished", step: this.step, gaussians, endedAtS: Date.now() / 1000 });
  }
}
