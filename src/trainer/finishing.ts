/** The finishing phase: how much of it is over, and how it survives a pause. */

/** When a finishing phase began and when it ends: in steps, and in Unix seconds. */
export interface Finishing {
  readonly fromStep: number;
  readonly fromS: number;
  /** From `fromStep` on; Infinity = no limit. */
  readonly steps: number;
  readonly deadlineS: number;
}

/** How far the finishing phase has come; null where there is no limit. */
export interface FinishProgress {
  readonly stepsMade: number;
  readonly steps: number | null;
  readonly elapsedS: number;
  readonly durationS: number | null;
}

/** 0…1, by whichever of the two limits is nearer. */
export function finishedShare(
  { fromStep, fromS, steps, deadlineS }: Finishing,
  step: number,
  nowS: number,
): number {
  const done = step - fromStep;
  const byStep = done >= steps ? 1 : done / steps;
  const byTime = nowS >= deadlineS ? 1 : deadlineS === Infinity ? 0 : (nowS - fromS) / (deadlineS - fromS);
  return Math.max(byStep, byTime);
}

/** A finishing phase as it stands at `step` and `nowS`, free of the clock: time spent stopped does not count. */
export function finishProgress(finishing: Finishing, step: number, nowS: number): FinishProgress {
  const { fromStep, fromS, steps, deadlineS } = finishing;
  return {
    stepsMade: step - fromStep,
    steps: Number.isFinite(steps) ? steps : null,
    elapsedS: nowS - fromS,
    durationS: Number.isFinite(deadlineS) ? deadlineS - fromS : null,
  };
}

/** The phase that goes on at `step` and `nowS` with what was left. */
export function finishingAgain(progress: FinishProgress, step: number, nowS: number): Finishing {
  const fromS = nowS - progress.elapsedS;
  return {
    fromStep: step - progress.stepsMade,
    fromS,
    steps: progress.steps ?? Infinity,
    deadlineS: progress.durationS === null ? Infinity : fromS + progress.durationS,
  };
}
