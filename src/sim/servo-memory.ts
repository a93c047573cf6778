/** What the six servos of a simulated arm hold in their memories. Addresses and units: the STS memory table. */
import { encodeSignMagnitude } from "../robot/feetech.ts";
import { type Register, REGISTERS, STS3215_MODEL, TICKS_PER_TURN } from "../robot/feetech-registers.ts";

/** How a servo is, beside where it stands. */
export interface ServoCondition {
  readonly model: number;
  /** Ticks, as LeRobot's calibration left them; 0 and 4095 where it never ran. */
  readonly limits: readonly [min: number, max: number];
  readonly homingOffset: number;
  readonly voltageV: number;
  readonly temperatureC: number;
  /** Beside what follows from voltage and temperature. */
  readonly errorBits: number;
}

/** Where a servo stands and how it turns. */
export interface ServoMotion {
  /** Raw, signed. */
  readonly ticks: number;
  readonly ticksPerS: number;
}

/** Calibrated ranges of an arm as people have them, [6] in motor order. */
export const DEFAULT_LIMITS: readonly (readonly [min: number, max: number])[] = [
  [748, 3410],
  [837, 3341],
  [793, 2995],
  [910, 3277],
  [0, 4095],
  [1500, 3000],
];

/** Homing offsets to go with them, [6] ticks. */
export const DEFAULT_HOMING_OFFSETS: readonly number[] = [-710, 1018, -1221, 85, 1993, -344];

const MIN_VOLTAGE_V = 4;
const MAX_VOLTAGE_V = 14;
const MAX_TEMPERATURE_C = 70;
const UNDER_WAY_TICKS_PER_S = 20;

/** As the arm was bought: what calibration and LeRobot write, and what the factory did. */
const CONSTANTS: readonly (readonly [Register, number])[] = [
  [REGISTERS.firmwareMajor, 3],
  [REGISTERS.firmwareMinor, 10],
  [REGISTERS.responseLevel, 1],
  [REGISTERS.maxTemperature, MAX_TEMPERATURE_C],
  [REGISTERS.maxVoltage, MAX_VOLTAGE_V * 10],
  [REGISTERS.minVoltage, MIN_VOLTAGE_V * 10],
  [REGISTERS.maxTorqueLimit, 1000],
  [REGISTERS.phase, 8],
  [REGISTERS.pGain, 16],
  [REGISTERS.dGain, 32],
  [REGISTERS.protectionCurrent, 250],
  [REGISTERS.angularResolution, 1],
  [REGISTERS.overloadTorque, 25],
  [REGISTERS.acceleration, 254],
  [REGISTERS.torqueLimit, 1000],
  [REGISTERS.lock, 1],
  [REGISTERS.maximumAcceleration, 254],
];

/** The 256 bytes that a servo would be read from at a moment. */
export function servoMemory(id: number, condition: ServoCondition, motion: ServoMotion): Uint8Array {
  const memory = new Uint8Array(256);
  for (const [register, value] of CONSTANTS) store(memory, register, value);
  store(memory, REGISTERS.id, id);
  store(memory, REGISTERS.modelNumber, condition.model);
  store(memory, REGISTERS.minPositionLimit, condition.limits[0]);
  store(memory, REGISTERS.maxPositionLimit, condition.limits[1]);
  store(memory, REGISTERS.homingOffset, condition.homingOffset);
  store(memory, REGISTERS.presentVoltage, clamp(Math.round(condition.voltageV * 10), 0, 255));
  store(memory, REGISTERS.presentTemperature, clamp(Math.round(condition.temperatureC), 0, 255));
  store(memory, REGISTERS.status, errorBitsOf(condition));
  storeMotion(memory, motion);
  return memory;
}

/** Limp, and led by a hand: it drives nothing itself, and the load is what the gears hold against being turned. */
function storeMotion(memory: Uint8Array, { ticks, ticksPerS }: ServoMotion): void {
  const position = clamp(Math.round(ticks), -0x7fff, 0x7fff);
  const velocity = clamp(Math.round(ticksPerS), -0x7fff, 0x7fff);
  const load = clamp(Math.round(-ticksPerS / 20), -1000, 1000);
  store(memory, REGISTERS.presentPosition, position);
  store(memory, REGISTERS.goalPosition, position);
  store(memory, REGISTERS.presentVelocity, velocity);
  store(memory, REGISTERS.presentLoad, load);
  store(memory, REGISTERS.presentCurrent, Math.round(Math.abs(load) / 10));
  store(memory, REGISTERS.moving, Math.abs(ticksPerS) > UNDER_WAY_TICKS_PER_S ? 1 : 0);
}

/** What the servo's status register says and every packet of it carries. */
export function errorBitsOf(condition: ServoCondition): number {
  const isVoltageBad = condition.voltageV < MIN_VOLTAGE_V || condition.voltageV > MAX_VOLTAGE_V;
  const isHot = condition.temperatureC > MAX_TEMPERATURE_C;
  return condition.errorBits | (isVoltageBad ? 1 : 0) | (isHot ? 4 : 0);
}

/** A servo as it should be: the one of a joint, 0…5. */
export function soundCondition(
  joint: number,
  limits: readonly (readonly [number, number])[],
  homingOffsets: readonly number[],
): ServoCondition {
  return {
    model: STS3215_MODEL,
    limits: limits[joint],
    homingOffset: homingOffsets[joint],
    voltageV: 12.1 - 0.1 * (joint % 2),
    temperatureC: 31 + joint,
    errorBits: 0,
  };
}

/** A joint that turns on beyond a whole turn reads as the same place on the circle. */
export function wrapTicks(ticks: number): number {
  const whole = Math.round(ticks);
  return ((whole % TICKS_PER_TURN) + TICKS_PER_TURN) % TICKS_PER_TURN;
}

function store(memory: Uint8Array, register: Register, value: number): void {
  const raw = register.signBit === undefined ? value : encodeSignMagnitude(value, register.signBit);
  memory[register.address] = raw & 0xff;
  if (register.length === 2) memory[register.address + 1] = raw >> 8;
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
