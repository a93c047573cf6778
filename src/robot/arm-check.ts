/** What the servos of an arm say of themselves when it is met, and what is wrong with that. */
import { MODEL_NAMES, REGISTERS, registerValue, STS3215_MODEL } from "./feetech-registers.ts";
import type { AskOptions, ServoBusClient } from "./servo-bus-client.ts";
import { JOINT_NAMES } from "./so101.ts";
import type { JointRange } from "./units.ts";

/** Addresses of the six servos, motor order. */
export const SERVO_IDS: readonly number[] = JOINT_NAMES.map((_, joint) => joint + 1);

/** What a servo holds that does not change while it runs. */
export interface ServoFacts {
  readonly id: number;
  /** Such as 777; null when it was not told. */
  readonly model: number | null;
  /** Such as `3.10`. */
  readonly firmware: string | null;
  /** Its position limits, where LeRobot keeps the calibrated range; null for a servo that does not tell them. */
  readonly range: JointRange | null;
}

/** How people name a servo: its address and its joint. */
export function servoName(id: number): string {
  return `servo ${id} (${JOINT_NAMES[id - 1]})`;
}

const FACTS_ADDRESS = REGISTERS.firmwareMajor.address;
const FACTS_LENGTH = REGISTERS.modelNumber.address + REGISTERS.modelNumber.length - FACTS_ADDRESS;
const LIMITS_ADDRESS = REGISTERS.minPositionLimit.address;
const LIMITS_LENGTH = 4;

/** Ask these servos for what they are; those that do not answer in any form are missing from the result. */
export async function meetServos(bus: ServoBusClient, ids: readonly number[]): Promise<ServoFacts[]> {
  const answers = await bus.syncRead(FACTS_ADDRESS, FACTS_LENGTH, ids);
  const answered = new Set(answers.map(({ id }) => id));
  const ranges = await readRanges(bus, [...answered]);
  const facts = answers.map(({ id, parameters }): ServoFacts => {
    const value = (register: (typeof REGISTERS)[keyof typeof REGISTERS]): number | null =>
      registerValue(register, parameters, FACTS_ADDRESS);
    return {
      id,
      model: value(REGISTERS.modelNumber),
      firmware: `${value(REGISTERS.firmwareMajor)}.${value(REGISTERS.firmwareMinor)}`,
      range: ranges.get(id) ?? null,
    };
  });
  for (const id of ids.filter((one) => !answered.has(one))) {
    const other = await meetOtherSeries(bus, id);
    if (other !== null) facts.push(other);
  }
  return facts.toSorted((a, b) => a.id - b.id);
}

/** Position limits of those of these servos that tell them. */
export async function readRanges(
  bus: ServoBusClient,
  ids: readonly number[],
  options: AskOptions = {},
): Promise<Map<number, JointRange>> {
  const answers = ids.length === 0 ? [] : await bus.syncRead(LIMITS_ADDRESS, LIMITS_LENGTH, ids, options);
  const ranges = new Map<number, JointRange>();
  for (const { id, parameters } of answers) {
    const range = rangeIn(parameters);
    if (range !== null) ranges.set(id, range);
  }
  return ranges;
}

function rangeIn(parameters: Uint8Array): JointRange | null {
  const minTicks = registerValue(REGISTERS.minPositionLimit, parameters, LIMITS_ADDRESS);
  const maxTicks = registerValue(REGISTERS.maxPositionLimit, parameters, LIMITS_ADDRESS);
  return minTicks === null || maxTicks === null ? null : { minTicks, maxTicks };
}

/** Servos of the SCS series do not know SYNC READ, but a PING they answer, and say which model they are. */
async function meetOtherSeries(bus: ServoBusClient, id: number): Promise<ServoFacts | null> {
  if ((await bus.ping(id, { attempts: 1 })) === null) return null;
  const answer = await bus.read(id, REGISTERS.modelNumber.address, REGISTERS.modelNumber.length);
  const model = answer === null ? null : registerValue(REGISTERS.modelNumber, answer.parameters);
  // That series has the high byte first.
  const swapped = model === null ? null : ((model & 0xff) << 8) | (model >> 8);
  const isSwapped = swapped !== null && swapped in MODEL_NAMES;
  return { id, model: isSwapped ? swapped : model, firmware: null, range: null };
}

/** A thing to warn of, with a name that is the same as long as it lasts. */
export interface ArmFinding {
  readonly key: string;
  readonly line: string;
}

/**
 * What is wrong with an arm, going by what its servos say.
 * `calibration`: [6] ranges from a file, used instead of the servos' own; null when they are used.
 */
export function armFindings(
  facts: readonly ServoFacts[],
  calibration: readonly JointRange[] | null,
): ArmFinding[] {
  return [
    ...wrongModels(facts),
    ...firmwareTrouble(facts),
    ...(calibration === null ? notCalibrated(facts) : otherCalibration(facts, calibration)),
  ];
}

function wrongModels(facts: readonly ServoFacts[]): ArmFinding[] {
  return facts
    .filter(({ model }) => model !== null && model !== STS3215_MODEL)
    .map(({ id, model }) => {
      const name = MODEL_NAMES[model ?? 0] ?? "of a model not known here";
      return {
        key: `model ${id}`,
        line: `${servoName(id)} is ${name} (model ${model}), not an STS3215: its angle may be wrong`,
      };
    });
}

function firmwareTrouble(facts: readonly ServoFacts[]): ArmFinding[] {
  const versions = [...new Set(facts.map(({ firmware }) => firmware).filter((one) => one !== null))];
  if (versions.length > 1) {
    const of = (version: string): string =>
      facts
        .filter(({ firmware }) => firmware === version)
        .map(({ id }) => id)
        .join(", ");
    const each = versions.map((version) => `${version} in servo ${of(version)}`).join("; ");
    return [
      {
        key: "firmware",
        line: `the servos have different firmware (${each}), which LeRobot refuses: update them with Feetech's own program`,
      },
    ];
  }
  if (versions[0] !== "3.9") return [];
  return [
    {
      key: "firmware",
      line:
        'the servos have firmware 3.9, known for "[TxRxResult] Incorrect status packet!"; ' +
        "3.10 is good: update them with Feetech's own program if readings are lost",
    },
  ];
}

/** LeRobot gives `wrist_roll` the whole turn; on any other joint it is what a servo has before calibration. */
function notCalibrated(facts: readonly ServoFacts[]): ArmFinding[] {
  const joints = facts
    .filter(({ id, range }) => range !== null && !isCalibrated(id, range))
    .map(({ id }) => JOINT_NAMES[id - 1]);
  if (joints.length === 0) return [];
  return [
    {
      key: "calibration",
      line: `the arm is not calibrated (${joints.join(", ")}): angles are counted from the middle of the encoder and may be far off; run lerobot-calibrate, or give a calibration file`,
    },
  ];
}

function isCalibrated(id: number, { minTicks, maxTicks }: JointRange): boolean {
  if (maxTicks <= minTicks) return false;
  return JOINT_NAMES[id - 1] === "wrist_roll" || minTicks > 0 || maxTicks < 4095;
}

function otherCalibration(facts: readonly ServoFacts[], calibration: readonly JointRange[]): ArmFinding[] {
  const others = facts.filter(({ id, range }) => {
    const file = calibration[id - 1];
    return range !== null && (range.minTicks !== file.minTicks || range.maxTicks !== file.maxTicks);
  });
  if (others.length === 0) return [];
  const { id, range } = others[0];
  const file = calibration[id - 1];
  return [
    {
      key: "calibration",
      line:
        `the calibration file says otherwise than the arm for ${others.map((one) => JOINT_NAMES[one.id - 1]).join(", ")} ` +
        `(${JOINT_NAMES[id - 1]}: ${file.minTicks}…${file.maxTicks} in the file, ${range?.minTicks}…${range?.maxTicks} in the servo): ` +
        "the file is used; is it this arm's?",
    },
  ];
}
