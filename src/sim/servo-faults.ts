/** What goes wrong on a real bus, to be put on a simulated one: when it strikes, and what it does to the bytes. */
import type { ServoCondition } from "./servo-memory.ts";

/** `servo`: an ID, 1…6; where it may be left out, all of them. */
export type ServoFault =
  /** These servos do not answer: a loose plug. */
  | { readonly kind: "dropped"; readonly servo?: number }
  /** Some bits of the reply are turned over. */
  | { readonly kind: "bit flips"; readonly bits?: number }
  /** Bytes that belong to nothing come before the reply. */
  | { readonly kind: "stale bytes"; readonly bytes?: Uint8Array }
  /** The reply breaks off. */
  | { readonly kind: "half a reply" }
  /** The reply comes so late that the asker may have given up, and meets the next one. */
  | { readonly kind: "late reply"; readonly delayMs: number }
  /** The servos answer in the wrong order. */
  | { readonly kind: "wrong order" }
  /** Error bits, in the packets and in the status register. */
  | { readonly kind: "error bits"; readonly servo?: number; readonly bits: number }
  /** Another model of servo, such as 1284, SCS0009. */
  | { readonly kind: "wrong model"; readonly servo?: number; readonly model: number }
  /** Limits as the factory left them, 0 and 4095. */
  | { readonly kind: "not calibrated"; readonly servo?: number }
  | { readonly kind: "voltage"; readonly servo?: number; readonly voltageV: number }
  | { readonly kind: "temperature"; readonly servo?: number; readonly temperatureC: number };

/** When a fault strikes: always from now on, unless told otherwise. */
export interface FaultPlan {
  /** Seconds from when the plan is made. */
  readonly afterS?: number;
  /** For how long. */
  readonly forS?: number;
  /** How many requests at most. */
  readonly requests?: number;
  /** The share of requests that it strikes, 0…1. */
  readonly share?: number;
}

interface PlannedFault {
  readonly fault: ServoFault;
  readonly fromS: number;
  readonly untilS: number;
  readonly share: number;
  requestsLeft: number;
}

/** The faults that are planned. All chance is drawn from `random`, 0…1. */
export class FaultSchedule {
  readonly #planned = new Set<PlannedFault>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Returns a function that ends the fault. */
  add(fault: ServoFault, plan: FaultPlan, nowS: number): () => void {
    const fromS = nowS + (plan.afterS ?? 0);
    const planned: PlannedFault = {
      fault,
      fromS,
      untilS: fromS + (plan.forS ?? Number.POSITIVE_INFINITY),
      share: plan.share ?? 1,
      requestsLeft: plan.requests ?? Number.POSITIVE_INFINITY,
    };
    this.#planned.add(planned);
    return () => this.#planned.delete(planned);
  }

  clear(): void {
    this.#planned.clear();
  }

  /** The faults that strike a request made at this moment. */
  strike(nowS: number): ServoFault[] {
    const striking: ServoFault[] = [];
    for (const planned of this.#planned) {
      if (nowS < planned.fromS) continue;
      if (nowS >= planned.untilS || planned.requestsLeft <= 0) {
        this.#planned.delete(planned);
        continue;
      }
      if (planned.share < 1 && this.#random() >= planned.share) continue;
      planned.requestsLeft--;
      striking.push(planned.fault);
    }
    return striking;
  }
}

/** A servo's condition under the faults of its own. */
export function ailing(condition: ServoCondition, id: number, faults: readonly ServoFault[]): ServoCondition {
  let ailed = condition;
  for (const fault of faults) {
    if ("servo" in fault && fault.servo !== undefined && fault.servo !== id) continue;
    ailed = { ...ailed, ...symptom(fault, ailed) };
  }
  return ailed;
}

function symptom(fault: ServoFault, condition: ServoCondition): Partial<ServoCondition> {
  switch (fault.kind) {
    case "error bits":
      return { errorBits: condition.errorBits | fault.bits };
    case "wrong model":
      return { model: fault.model };
    case "not calibrated":
      return { limits: [0, 4095], homingOffset: 0 };
    case "voltage":
      return { voltageV: fault.voltageV };
    case "temperature":
      return { temperatureC: fault.temperatureC };
    default:
      return {};
  }
}

/** A packet of one servo's. */
export interface ReplyPacket {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** What of a reply reaches the wire, and how much later than it should. */
export interface WireReply {
  readonly bytes: Uint8Array;
  readonly delayMs: number;
}

/** A reply under the faults of the wire. */
export function spoil(
  packets: readonly ReplyPacket[],
  faults: readonly ServoFault[],
  random: () => number,
): WireReply {
  let kept = packets;
  for (const fault of faults) {
    if (fault.kind === "dropped") kept = kept.filter(({ id }) => id !== (fault.servo ?? id));
    if (fault.kind === "wrong order") kept = kept.toReversed();
  }
  let bytes = Uint8Array.from(kept.flatMap((packet) => [...packet.bytes]));
  let delayMs = 0;
  for (const fault of faults) {
    if (fault.kind === "bit flips") flipBits(bytes, fault.bits ?? 1, random);
    if (fault.kind === "half a reply") bytes = bytes.slice(0, bytes.length >> 1);
    if (fault.kind === "stale bytes") bytes = Uint8Array.of(...(fault.bytes ?? STALE), ...bytes);
    if (fault.kind === "late reply") delayMs += fault.delayMs;
  }
  return { bytes, delayMs };
}

/** The end of one packet and the beginning of another. */
const STALE = Uint8Array.of(0x04, 0xf5, 0xff, 0xff, 0x03, 0x04, 0x00);

function flipBits(bytes: Uint8Array, count: number, random: () => number): void {
  for (let i = 0; i < count && bytes.length > 0; i++) {
    bytes[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8);
  }
}
