/** The registers of Feetech's STS3215 that are read here. Source: the STS memory table. */
import { decodeSignMagnitude } from "./feetech.ts";

/** Where a value lies in a servo's memory, low byte first. */
export interface Register {
  readonly address: number;
  /** Bytes. */
  readonly length: 1 | 2;
  /** Place of the sign, for values that have one beside their magnitude. */
  readonly signBit?: number;
}

/** Model number of the servos of an SO-101 and SO-100. */
export const STS3215_MODEL = 777;

/** Names of models that turn up on such a bus. */
export const MODEL_NAMES: Readonly<Record<number, string>> = {
  777: "STS3215",
  1284: "SCS0009",
  2825: "STS3250",
  11272: "SM8512BL",
};

/** Steps of one turn in position registers. */
export const TICKS_PER_TURN = 4096;

/** By name; the units are those of the memory table. */
export const REGISTERS = {
  firmwareMajor: { address: 0, length: 1 },
  firmwareMinor: { address: 1, length: 1 },
  modelNumber: { address: 3, length: 2 },
  id: { address: 5, length: 1 },
  /** A code: 0 = 1 Mbaud. */
  baudRate: { address: 6, length: 1 },
  /** 2 µs. */
  returnDelay: { address: 7, length: 1 },
  /** 0: only PING and READ are answered. */
  responseLevel: { address: 8, length: 1 },
  /** Ticks. LeRobot keeps its calibrated range in these two; 0 and 4095 mean not calibrated. */
  minPositionLimit: { address: 9, length: 2 },
  maxPositionLimit: { address: 11, length: 2 },
  /** °C. */
  maxTemperature: { address: 13, length: 1 },
  /** 0.1 V. */
  maxVoltage: { address: 14, length: 1 },
  minVoltage: { address: 15, length: 1 },
  /** 0.1 %. */
  maxTorqueLimit: { address: 16, length: 2 },
  /** Bit 4: position over several turns, beyond 0…4095. */
  phase: { address: 18, length: 1 },
  pGain: { address: 21, length: 1 },
  dGain: { address: 22, length: 1 },
  iGain: { address: 23, length: 1 },
  /** 6.5 mA. */
  protectionCurrent: { address: 28, length: 2 },
  angularResolution: { address: 30, length: 1 },
  /** Ticks: present position = actual − offset. */
  homingOffset: { address: 31, length: 2, signBit: 11 },
  /** 0 position, 1 velocity, 2 PWM, 3 step. */
  operatingMode: { address: 33, length: 1 },
  /** %. */
  overloadTorque: { address: 36, length: 1 },
  torqueEnable: { address: 40, length: 1 },
  acceleration: { address: 41, length: 1 },
  goalPosition: { address: 42, length: 2, signBit: 15 },
  torqueLimit: { address: 48, length: 2 },
  lock: { address: 55, length: 1 },
  /** Ticks. */
  presentPosition: { address: 56, length: 2, signBit: 15 },
  /** Ticks/s, or 50 ticks/s when bit 2 of the phase register is set. */
  presentVelocity: { address: 58, length: 2, signBit: 15 },
  /** 0.1 % of full drive. */
  presentLoad: { address: 60, length: 2, signBit: 10 },
  /** 0.1 V. */
  presentVoltage: { address: 62, length: 1 },
  /** °C. */
  presentTemperature: { address: 63, length: 1 },
  /** Error bits, the same as in a status packet. */
  status: { address: 65, length: 1 },
  moving: { address: 66, length: 1 },
  /** 6.5 mA. */
  presentCurrent: { address: 69, length: 2 },
  maximumAcceleration: { address: 85, length: 1 },
} as const satisfies Readonly<Record<string, Register>>;

/**
 * The value of a register in what a servo sent of its memory from `fromAddress` on; null when the bytes do not cover it.
 */
export function registerValue(
  register: Register,
  memory: Uint8Array,
  fromAddress: number = register.address,
): number | null {
  const at = register.address - fromAddress;
  if (at < 0 || at + register.length > memory.length) return null;
  const raw = register.length === 1 ? memory[at] : memory[at] | (memory[at + 1] << 8);
  return register.signBit === undefined ? raw : decodeSignMagnitude(raw, register.signBit);
}
