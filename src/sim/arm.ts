/** The simulated arm: where its joints are at any moment, and what its encoders say. */
import type { Mount } from "../robot/kinematics.ts";
import { NO_ERRORS, type ArmErrors } from "./arm-errors.ts";
import { backAndForth, pathThrough, WAVE_SPEED_DEG_S, waveAngles } from "./arm-path.ts";
import { armTrajectory } from "./trajectory.ts";

export interface SimulatedArm {
  /** [6] rad, motor order: what the joints read at a moment (Unix seconds). */
  readonly anglesAt: (timeS: number) => number[];
  /** [6] rad: where the joints really are, the hidden errors of their zeros added. The gripper has none. */
  readonly trueAnglesAt: (timeS: number) => number[];
  /** Fastest that any of the five arm joints ever turns, deg/s. */
  readonly peakSpeedDegS: number;
  /** When the motion begins, Unix seconds; before it the arm stands still. */
  readonly startS: number;
  /** Of one run of the scan, forwards or back, seconds; Infinity for the wave, which has no runs. */
  readonly durationS: number;
}

export interface ArmMotion {
  /** `scan` looks at the objects from many sides, forwards and back for ever; `wave` swings every joint, for benches. */
  readonly motion?: "scan" | "wave" | undefined;
  /** Unix seconds. */
  readonly startS: number;
  /** Of one run of the scan, seconds (30); the fastest joint then turns at 36 deg/s on average, 50 at most. */
  readonly durationS?: number | undefined;
  /** Fastest joint, deg/s, instead of a duration; the wave's own is 90. */
  readonly maxSpeedDegS?: number | undefined;
  /** Of the camera, as the arm's owner believes it to be: the scan looks through it. */
  readonly mount?: Mount | undefined;
  readonly errors?: ArmErrors | undefined;
}

const SCAN_DURATION_S = 30;
/** Poses that the scan is drawn through. */
const SCAN_POSES = 73;
const SPEED_SAMPLES = 4000;

/** An arm in motion. Angles at a moment take about a microsecond; a scan takes about 0.2 s to plan. */
export function createSimulatedArm(options: ArmMotion): SimulatedArm {
  const { jointZerosRad } = options.errors ?? NO_ERRORS;
  const { anglesAfter, peakSpeedDegS, durationS } = options.motion === "wave" ? wave(options) : scan(options);
  const anglesAt = (timeS: number): number[] => anglesAfter(Math.max(0, timeS - options.startS));
  return {
    anglesAt,
    trueAnglesAt: (timeS) => anglesAt(timeS).map((angle, joint) => angle + (jointZerosRad[joint] ?? 0)),
    peakSpeedDegS,
    startS: options.startS,
    durationS,
  };
}

interface Motion {
  readonly anglesAfter: (seconds: number) => number[];
  readonly peakSpeedDegS: number;
  readonly durationS: number;
}

function wave({ maxSpeedDegS = WAVE_SPEED_DEG_S }: ArmMotion): Motion {
  const rate = maxSpeedDegS / WAVE_SPEED_DEG_S;
  return {
    anglesAfter: (seconds) => waveAngles(rate * seconds),
    peakSpeedDegS: maxSpeedDegS,
    durationS: Infinity,
  };
}

function scan({ mount, durationS, maxSpeedDegS }: ArmMotion): Motion {
  const path = pathThrough(armTrajectory(SCAN_POSES, { mount }));
  const anglesOf = (runs: number): number[] => path(backAndForth(runs));
  const degPerRun = fastest(anglesOf);
  const seconds = durationS ?? (maxSpeedDegS === undefined ? SCAN_DURATION_S : degPerRun / maxSpeedDegS);
  return {
    anglesAfter: (elapsedS) => anglesOf(elapsedS / seconds),
    peakSpeedDegS: degPerRun / seconds,
    durationS: seconds,
  };
}

/** Fastest joint of one run, degrees per run. */
function fastest(anglesOf: (runs: number) => number[]): number {
  let fastestRad = 0;
  let before = anglesOf(0);
  for (let i = 1; i <= SPEED_SAMPLES; i++) {
    const now = anglesOf(i / SPEED_SAMPLES);
    const turns = now.map((angle, joint) => Math.abs(angle - before[joint]));
    fastestRad = Math.max(fastestRad, ...turns);
    before = now;
  }
  return (fastestRad * SPEED_SAMPLES * 180) / Math.PI;
}
