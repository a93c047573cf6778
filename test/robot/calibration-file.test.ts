import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SplatError } from "../../src/errors.ts";
import {
  calibrationHome,
  findCalibration,
  parseCalibration,
  readCalibration,
} from "../../src/robot/calibration-file.ts";
import { JOINT_NAMES } from "../../src/robot/so101.ts";

type Motors = Record<string, Record<string, unknown>>;

const golden = JSON.parse(
  readFileSync(new URL("lerobot-normalise-vectors.json", import.meta.url), "utf8"),
) as { calibration_file_example: Motors };

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "splatctl-calibration-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

/** The example with some of a motor's values replaced. */
function changed(joint: string, values: Record<string, unknown>): string {
  const example = golden.calibration_file_example;
  return JSON.stringify({ ...example, [joint]: { ...example[joint], ...values } });
}

async function write(...path: string[]): Promise<string> {
  const file = join(dir, ...path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(golden.calibration_file_example));
  return file;
}

describe("parseCalibration", () => {
  it("reads LeRobot's file, in motor order whatever its order", () => {
    const entries = Object.entries(golden.calibration_file_example).toReversed();
    const motors = parseCalibration(JSON.stringify(Object.fromEntries(entries)), "a.json");
    expect(motors.map(({ name }) => name)).toEqual(JOINT_NAMES);
    expect(motors[0]).toEqual({
      name: "shoulder_pan",
      id: 1,
      driveMode: 0,
      homingOffsetTicks: -1480,
      minTicks: 748,
      maxTicks: 3410,
    });
  });

  it("reads LeKiwi's, whose base has motors too", () => {
    const arm = Object.entries(golden.calibration_file_example).map(([name, motor]) => [
      `arm_${name}`,
      motor,
    ]);
    const text = JSON.stringify({ ...Object.fromEntries(arm), base_left_wheel: {} });
    expect(parseCalibration(text, "kiwi.json").map(({ minTicks }) => minTicks)).toEqual([
      748, 837, 793, 910, 0, 1500,
    ]);
  });

  it.each<[string, string, RegExp]>([
    ["half a file", `{"shoulder_pan": {"id"`, /calibration a\.json is not JSON/],
    ["an empty file", "", /is not JSON/],
    ["a list", "[]", /holds no motors/],
    ["null", "null", /holds no motors/],
    ["another robot's", `{"joint_1": {}}`, /has no shoulder_pan, .*, gripper/],
    ["text for a number", changed("elbow_flex", { range_min: "793" }), /wrong at elbow_flex\.range_min/],
    ["a value left out", changed("gripper", { homing_offset: undefined }), /wrong at gripper\.homing_offset/],
    ["a drive mode of 2", changed("gripper", { drive_mode: 2 }), /wrong at gripper\.drive_mode/],
    ["half ticks", changed("wrist_roll", { range_max: 4095.5 }), /wrong at wrist_roll\.range_max/],
    ["no range", changed("wrist_flex", { range_min: 3277 }), /has no range for wrist_flex: 3277…3277/],
    [
      "a motor that is null",
      JSON.stringify({ ...golden.calibration_file_example, gripper: null }),
      /gripper/,
    ],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseCalibration(text, "a.json")).toThrow(SplatError);
    expect(() => parseCalibration(text, "a.json")).toThrow(message);
  });
});

describe("findCalibration", () => {
  it("looks in the folders of all versions, the newest first", async () => {
    const places = { HF_LEROBOT_CALIBRATION: dir };
    const old = await write("robots", "so100_follower", "blue.json");
    expect(await findCalibration("blue", places)).toBe(old);
    const later = await write("robots", "so101_follower", "blue.json");
    expect(await findCalibration("blue", places)).toBe(later);
    const newest = await write("robots", "so_follower", "blue.json");
    expect(await findCalibration("blue", places)).toBe(newest);
    expect(await readCalibration(newest)).toHaveLength(6);
  });

  it("finds a robot without an id", async () => {
    const path = await write("lerobot", "calibration", "robots", "so_follower", "None.json");
    expect(await findCalibration(undefined, { HF_HOME: dir })).toBe(path);
  });

  it("says where it looked and what is there", async () => {
    const places = { HF_LEROBOT_HOME: dir };
    await expect(findCalibration("blue", places)).rejects.toThrow(
      /robot "blue" in .*so_follower,so101_follower/,
    );
    await write("calibration", "robots", "so_follower", "red.json");
    await write("calibration", "robots", "so101_follower", "red.json");
    const failure = await findCalibration(undefined, places).catch((thrown: unknown) => thrown as SplatError);
    expect(failure).toMatchObject({ code: "bad_input", hint: "There are: red." });
    expect((failure as SplatError).message).toMatch(/a robot without an id/);
  });

  it("takes no path for an id", async () => {
    await expect(findCalibration("../../secret", { HF_HOME: dir })).rejects.toThrow(/no robot id/);
    await expect(findCalibration("", { HF_HOME: dir })).rejects.toThrow(/no robot id/);
  });
});

it("knows LeRobot's variables, the most exact first", () => {
  expect(calibrationHome({ HF_LEROBOT_CALIBRATION: "/c", HF_LEROBOT_HOME: "/l", HF_HOME: "/h" })).toBe("/c");
  expect(calibrationHome({ HF_LEROBOT_HOME: "/l", HF_HOME: "/h" })).toBe(join("/l", "calibration"));
  expect(calibrationHome({ HF_HOME: "~/h" })).toBe(join(homedir(), "h", "lerobot", "calibration"));
  expect(calibrationHome({ HF_LEROBOT_CALIBRATION: "" })).toBe(
    join(homedir(), ".cache", "huggingface", "lerobot", "calibration"),
  );
});

it("says why a file cannot be read", async () => {
  await expect(readCalibration(join(dir, "none.json"))).rejects.toThrow(
    /none\.json cannot be read \(ENOENT\)/,
  );
});
