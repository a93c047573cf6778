/**
 * The servo bus of a simulated SO-101 behind a stream of bytes: six STS3215 that answer PING, READ and SYNC READ as the
 * communication protocol manual has it, and let nothing be written to them.
 */
import { BROADCAST_ID } from "../robot/feetech.ts";
import { REGISTERS } from "../robot/feetech-registers.ts";
import { JOINT_NAMES } from "../robot/so101.ts";
import { preciseNowS } from "../time.ts";
import {
  ailing,
  type FaultPlan,
  FaultSchedule,
  type ReplyPacket,
  type ServoFault,
  spoil,
} from "./servo-faults.ts";
import {
  DEFAULT_HOMING_OFFSETS,
  DEFAULT_LIMITS,
  errorBitsOf,
  servoMemory,
  soundCondition,
  wrapTicks,
} from "./servo-memory.ts";
import { type Instruction, PING, READ, statusPacket, SYNC_READ, takeInstructions } from "./servo-packets.ts";

export interface ServoBusOptions {
  /** [6] raw Present_Position in motor order, signed, at a moment (Unix seconds). Rounded here. */
  readonly ticksAt: (timeS: number) => readonly number[];
  /** [6] calibrated ranges, ticks. Default: `DEFAULT_LIMITS`. */
  readonly limits?: readonly (readonly [min: number, max: number])[];
  /** [6] ticks, −2047…2047. */
  readonly homingOffsets?: readonly number[];
  /** Unix seconds. Default: the machine's clock. */
  readonly now?: () => number;
  /** Bits a second on the wire. With it, replies take the time they take there, in a timer's whole milliseconds. */
  readonly baud?: number;
  /** Faults from the beginning on. */
  readonly faults?: readonly (readonly [fault: ServoFault, plan: FaultPlan])[];
  /** 0…1, for the chance in faults. */
  readonly random?: () => number;
}

/** A position sync read that was answered. */
export interface AnsweredRead {
  /** When the positions were taken, Unix seconds. */
  readonly timeS: number;
  /** [6] ticks in motor order, as a servo gives them. */
  readonly ticks: readonly number[];
  /** Whether a fault struck it. */
  readonly isFaulty: boolean;
}

export interface ServoBus {
  /** Bytes from an asker, in pieces of any size. */
  receive(bytes: Uint8Array): void;
  /** Hear what the servos send. Returns a function that ends it. */
  onSend(listener: (bytes: Uint8Array) => void): () => void;
  /** The newest position sync reads, oldest first; at least the last 10 000. */
  readonly answered: readonly AnsweredRead[];
  /** All position sync reads so far. */
  readonly answeredCount: number;
  /** Instructions that would have changed a servo. None was obeyed. */
  readonly refusedWrites: number;
  /** Let something go wrong. Returns a function that ends it. */
  setFault(fault: ServoFault, plan?: FaultPlan): () => void;
  clearFaults(): void;
}

const KEPT_READS = 10_000;
const WRIST_ROLL = JOINT_NAMES.indexOf("wrist_roll");
/** Speeds are told from two positions this far apart. */
const SPEED_SPAN_S = 0.01;
const BITS_PER_BYTE = 10;

/** A bus with servos 1…6. */
export function createServoBus(options: ServoBusOptions): ServoBus {
  const now = options.now ?? preciseNowS;
  const random = options.random ?? Math.random;
  const schedule = new FaultSchedule(random);
  for (const [fault, plan] of options.faults ?? []) schedule.add(fault, plan, now());
  const listeners = new Set<(bytes: Uint8Array) => void>();
  const answered: AnsweredRead[] = [];
  let answeredCount = 0;
  let refusedWrites = 0;
  let pending: Uint8Array = new Uint8Array();

  function send(bytes: Uint8Array, delayMs: number): void {
    if (bytes.length === 0) return;
    const tell = (): void => {
      for (const listener of listeners) listener(bytes);
    };
    if (delayMs > 0) setTimeout(tell, delayMs).unref();
    else tell();
  }

  function answer(instruction: Instruction): void {
    const request = readingOf(instruction);
    if (request === "writes") refusedWrites++;
    if (typeof request === "string") return;
    const timeS = now();
    const faults = schedule.strike(timeS);
    const servos = servosAt(options, timeS);
    const packets = request.ids
      .filter((id) => servos[id - 1] !== undefined)
      .map((id) => replyOf(servos[id - 1], id, request, faults));
    const { bytes, delayMs } = spoil(packets, faults, random);
    if (instruction.code === SYNC_READ && holdsPosition(request)) {
      answeredCount++;
      answered.push({ timeS, ticks: servos.map(({ ticks }) => ticks), isFaulty: faults.length > 0 });
      // Cut in batches: one at a time would move all others each time.
      if (answered.length >= 2 * KEPT_READS) answered.splice(0, KEPT_READS);
    }
    send(bytes, delayMs + wireMs(options.baud, instruction.parameters.length + 6 + bytes.length));
  }

  return {
    receive(bytes) {
      const { found, rest } = takeInstructions(Uint8Array.of(...pending, ...bytes));
      pending = rest;
      for (const instruction of found) answer(instruction);
    },
    onSend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    answered,
    get answeredCount() {
      return answeredCount;
    },
    get refusedWrites() {
      return refusedWrites;
    },
    setFault: (fault, plan = {}) => schedule.add(fault, plan, now()),
    clearFaults: () => schedule.clear(),
  };
}

interface Reading {
  readonly ids: readonly number[];
  readonly address: number;
  /** Bytes; none for a ping. */
  readonly length: number;
}

/** What an instruction asks for, if it asks; `malformed` ones are met with silence. */
function readingOf({ id, code, parameters }: Instruction): Reading | "writes" | "malformed" {
  if (code === PING) {
    const ids = id === BROADCAST_ID ? JOINT_NAMES.map((_, joint) => joint + 1) : [id];
    return parameters.length === 0 ? { ids, address: 0, length: 0 } : "malformed";
  }
  if (code !== READ && code !== SYNC_READ) return "writes";
  if (parameters.length < 2 || (code === READ && parameters.length > 2)) return "malformed";
  if ((code === SYNC_READ) !== (id === BROADCAST_ID)) return "malformed";
  const [address, length, ...ids] = parameters;
  if (length === 0 || length > 248 || address + length > 256) return "malformed";
  return { ids: code === READ ? [id] : ids, address, length };
}

interface SimulatedServo {
  readonly ticks: number;
  readonly ticksPerS: number;
  readonly condition: ReturnType<typeof soundCondition>;
}

function servosAt(options: ServoBusOptions, timeS: number): SimulatedServo[] {
  const positions = options.ticksAt(timeS);
  const before = options.ticksAt(timeS - SPEED_SPAN_S);
  const limits = options.limits ?? DEFAULT_LIMITS;
  const homingOffsets = options.homingOffsets ?? DEFAULT_HOMING_OFFSETS;
  return JOINT_NAMES.map((_, joint) => ({
    // The one joint that turns all the way round.
    ticks: joint === WRIST_ROLL ? wrapTicks(positions[joint]) : Math.round(positions[joint]),
    ticksPerS: (positions[joint] - before[joint]) / SPEED_SPAN_S,
    condition: soundCondition(joint, limits, homingOffsets),
  }));
}

function replyOf(
  servo: SimulatedServo,
  id: number,
  request: Reading,
  faults: readonly ServoFault[],
): ReplyPacket {
  const condition = ailing(servo.condition, id, faults);
  const memory = servoMemory(id, condition, servo);
  const parameters = memory.slice(request.address, request.address + request.length);
  return { id, bytes: statusPacket(id, errorBitsOf(condition), parameters) };
}

function holdsPosition({ address, length }: Reading): boolean {
  const { address: position, length: size } = REGISTERS.presentPosition;
  return address <= position && address + length >= position + size;
}

function wireMs(baud: number | undefined, byteCount: number): number {
  return baud === undefined ? 0 : (byteCount * BITS_PER_BYTE * 1000) / baud;
}
