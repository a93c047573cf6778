/**
 * LeRobot's calibration file: for each motor its range and homing offset. The servos hold the same numbers, so an arm on
 * the wire needs no file; values in −100…100 cannot be turned into angles without one.
 * Places: `HF_LEROBOT_CALIBRATION`, else `HF_LEROBOT_HOME/calibration`, else `HF_HOME/lerobot/calibration`, else
 * `~/.cache/huggingface/lerobot/calibration`; below it `robots/CLASS/ID.json` (LeRobot v0.3.2 to v0.6.1).
 */
import { readFile, readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { SplatError } from "../errors.ts";
import { JOINT_NAMES } from "./so101.ts";
import type { JointRange } from "./units.ts";

/** One motor, in the file's own terms. */
export interface MotorCalibration extends JointRange {
  readonly name: string;
  /** Servo id on the bus. */
  readonly id: number;
  readonly driveMode: 0 | 1;
  readonly homingOffsetTicks: number;
}

/** The variables of the environment that say where LeRobot keeps its files. */
export interface LerobotPlaces {
  readonly HF_LEROBOT_CALIBRATION?: string | undefined;
  readonly HF_LEROBOT_HOME?: string | undefined;
  readonly HF_HOME?: string | undefined;
  /** Linux: LeRobot's cache lies below it instead of `~/.cache`. */
  readonly XDG_CACHE_HOME?: string | undefined;
}

/** Folders in which the classes of SO arms keep their files: v0.4.3 and later first, then the two of before. */
const CLASS_FOLDERS = ["so_follower", "so101_follower", "so100_follower"] as const;

/** LeRobot's file name for a robot without an id. */
const NO_ID = "None";

const TICKS = z.number().int().min(-32_767).max(32_767);
const motorSchema = z.object({
  id: z.number().int().min(0).max(252),
  drive_mode: z.union([z.literal(0), z.literal(1)]),
  homing_offset: TICKS,
  range_min: TICKS,
  range_max: TICKS,
});

/**
 * The six motors, in motor order, from a file's text. Names with LeKiwi's `arm_` are accepted; other motors are ignored.
 * Throws `bad_input` naming `name` and what is wrong in it.
 */
export function parseCalibration(text: string, name: string): readonly MotorCalibration[] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw unusable(name, "is not JSON", cause);
  }
  if (typeof file !== "object" || file === null || Array.isArray(file))
    throw unusable(name, "holds no motors");
  const motors = file as Readonly<Record<string, unknown>>;
  const missing = JOINT_NAMES.filter((joint) => !(joint in motors) && !(`arm_${joint}` in motors));
  if (missing.length > 0) throw unusable(name, `has no ${missing.join(", ")}`);
  return JOINT_NAMES.map((joint) => readMotor(joint, motors[joint] ?? motors[`arm_${joint}`], name));
}

/** Read and parse a calibration file. Throws `bad_input`. */
export async function readCalibration(path: string): Promise<readonly MotorCalibration[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw unusable(path, `cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  return parseCalibration(text, path);
}

/**
 * Path of the calibration of the robot with this id (`--robot.id` of LeRobot; without one its file is `None.json`).
 * Where several classes have one, the newest class wins. Throws `bad_input` saying where it looked and which ids there
 * are.
 */
export async function findCalibration(
  robotId: string | undefined,
  environment: LerobotPlaces,
): Promise<string> {
  const id = robotId ?? NO_ID;
  if (id === "" || /[/\\\0]/.test(id)) {
    throw new SplatError("bad_input", `"${id}" is no robot id`, {
      hint: "Give the id alone, or the file's path.",
    });
  }
  const robots = join(calibrationHome(environment), "robots");
  const known: string[] = [];
  for (const folder of CLASS_FOLDERS) {
    const names = await readdir(join(robots, folder)).catch((): string[] => []);
    if (names.includes(`${id}.json`)) return join(robots, folder, `${id}.json`);
    known.push(
      ...names.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -".json".length)),
    );
  }
  const who = robotId === undefined ? "a robot without an id" : `robot "${id}"`;
  throw new SplatError("bad_input", `no calibration of ${who} in ${robots}/{${CLASS_FOLDERS.join(",")}}`, {
    hint:
      known.length === 0
        ? "Run lerobot-calibrate, or give the path of the file it wrote."
        : `There are: ${[...new Set(known)].join(", ")}.`,
  });
}

/** The folder that LeRobot writes calibrations to. */
export function calibrationHome(environment: LerobotPlaces): string {
  const { HF_LEROBOT_CALIBRATION, HF_LEROBOT_HOME, HF_HOME, XDG_CACHE_HOME } = environment;
  if (isSet(HF_LEROBOT_CALIBRATION)) return expandHome(HF_LEROBOT_CALIBRATION);
  if (isSet(HF_LEROBOT_HOME)) return join(expandHome(HF_LEROBOT_HOME), "calibration");
  const cache = isSet(XDG_CACHE_HOME) ? expandHome(XDG_CACHE_HOME) : join(homedir(), ".cache");
  const hub = isSet(HF_HOME) ? expandHome(HF_HOME) : join(cache, "huggingface");
  return join(hub, "lerobot", "calibration");
}

function readMotor(joint: string, value: unknown, file: string): MotorCalibration {
  const parsed = motorSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw unusable(file, `is wrong at ${[joint, ...issue.path].join(".")}: ${issue.message}`);
  }
  const { id, drive_mode, homing_offset, range_min, range_max } = parsed.data;
  if (range_min >= range_max) throw unusable(file, `has no range for ${joint}: ${range_min}…${range_max}`);
  return {
    name: joint,
    id,
    driveMode: drive_mode,
    homingOffsetTicks: homing_offset,
    minTicks: range_min,
    maxTicks: range_max,
  };
}

function unusable(name: string, what: string, cause?: unknown): SplatError {
  return new SplatError("bad_input", `calibration ${name} ${what}`, {
    hint: "It must be a file that lerobot-calibrate wrote for an SO-101 or SO-100 follower.",
    cause,
  });
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}
