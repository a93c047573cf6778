/**
 * The wire protocol of Feetech STS servos, as far as it reads: PING, READ, SYNC READ and the status packets they bring.
 * No instruction that writes can be built here: a relay that could move an arm might.
 *
 * Frames: `FF FF ID LEN BYTE4 parameters… checksum`, LEN = parameters + 2; 16-bit values have the low byte first.
 * Source: Feetech's communication protocol manual and the SDK `scservo_sdk` (protocol 0).
 */
import { SplatError } from "../errors.ts";

/** Address that every servo listens to. Only a ping to it is answered, by each servo in turn. */
export const BROADCAST_ID = 0xfe;

/** Highest address that a servo can have. */
export const MAX_SERVO_ID = 0xfc;

/** LEN is at most 250: the SDK takes more for a false header. */
const MAX_PARAMETERS = 248;

const PING = 0x01;
const READ = 0x02;
const SYNC_READ = 0x82;
type ReadingInstruction = typeof PING | typeof READ | typeof SYNC_READ;

/** Ask a servo whether it is there; with `BROADCAST_ID`, all of them. Throws `internal` for an address out of range. */
export function pingRequest(id: number): Uint8Array {
  if (id !== BROADCAST_ID) checkRange("servo id", id, 0, MAX_SERVO_ID);
  return frame(id, PING, []);
}

/** Ask one servo for `length` bytes of its memory. Throws `internal` for arguments that no servo could answer. */
export function readRequest(id: number, address: number, length: number): Uint8Array {
  checkRange("servo id", id, 0, MAX_SERVO_ID);
  checkSpan(address, length);
  return frame(id, READ, [address, length]);
}

/**
 * Ask several servos for the same bytes of their memories: each answers with a packet of its own, in this order.
 * Throws `internal` for arguments that no bus could answer.
 */
export function syncReadRequest(address: number, length: number, ids: readonly number[]): Uint8Array {
  checkSpan(address, length);
  checkRange("number of servos", ids.length, 1, MAX_PARAMETERS - 2);
  for (const id of ids) checkRange("servo id", id, 0, MAX_SERVO_ID);
  if (new Set(ids).size !== ids.length) throw new SplatError("internal", "a servo is asked twice at once");
  return frame(BROADCAST_ID, SYNC_READ, [address, length, ...ids]);
}

function frame(id: number, instruction: ReadingInstruction, parameters: readonly number[]): Uint8Array {
  const body = [id, parameters.length + 2, instruction, ...parameters];
  return Uint8Array.of(0xff, 0xff, ...body, checksum(body));
}

function checkSpan(address: number, length: number): void {
  checkRange("register address", address, 0, 0xff);
  checkRange("number of bytes", length, 1, Math.min(MAX_PARAMETERS, 0x100 - address));
}

function checkRange(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new SplatError("internal", `${what} ${value} is not a whole number from ${min} to ${max}`);
}

/** Checksum of what lies between the two header bytes and the checksum itself. */
export function checksum(body: Iterable<number>): number {
  let sum = 0;
  for (const byte of body) sum += byte;
  return ~sum & 0xff;
}

/** What a servo answered. */
export interface StatusPacket {
  readonly id: number;
  /** As in the servo's status register; the parameters are good whatever it says. See `describeErrorBits`. */
  readonly errorBits: number;
  readonly parameters: Uint8Array;
}

/**
 * Finds status packets in a stream of bytes that may hold anything else: noise, echoes, what an earlier request left.
 * How the bytes are cut into pieces makes no difference. Keeps at most one packet's bytes.
 */
export class StatusParser {
  #pending = new Uint8Array();
  #longest = MAX_PARAMETERS;
  #skippedBytes = 0;

  /** Packets that these bytes complete, in the order they came. */
  push(bytes: Uint8Array): StatusPacket[] {
    const stream = this.#pending.length === 0 ? bytes : joined(this.#pending, bytes);
    const packets: StatusPacket[] = [];
    let at = 0;
    for (;;) {
      const size = packetSize(stream, at, this.#longest);
      if (size === "more") break;
      if (size === "none") {
        // One byte only: a good packet may begin inside what looked like one.
        at++;
        this.#skippedBytes++;
        continue;
      }
      const end = at + size;
      packets.push({
        id: stream[at + 2],
        errorBits: stream[at + 4],
        parameters: stream.slice(at + 5, end - 1),
      });
      at = end;
    }
    this.#pending = stream.slice(at);
    return packets;
  }

  /**
   * Forget what came so far, as before a new request. With the number of parameters that its replies will have, a longer
   * packet is known to be false at its fourth byte, rather than waited for while good ones go by.
   */
  clear(longestParameters: number = MAX_PARAMETERS): void {
    checkRange("number of parameters", longestParameters, 0, MAX_PARAMETERS);
    this.#skippedBytes += this.#pending.length;
    this.#pending = new Uint8Array();
    this.#longest = longestParameters;
  }

  /** Bytes that belonged to no good packet, since the parser was made: how noisy the line is. */
  get skippedBytes(): number {
    return this.#skippedBytes;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/**
 * Bytes of the packet at a place; `none` when none can begin there, `more` when the next bytes will tell.
 * Each field is judged as soon as it is there. An ID of FF falls out by itself: a checksum of FF before a packet makes
 * three FF in a row, and the header is the last two.
 */
function packetSize(stream: Uint8Array, at: number, longestParameters: number): number | "more" | "none" {
  const seen = stream.length - at;
  if (seen > 0 && stream[at] !== 0xff) return "none";
  if (seen > 1 && stream[at + 1] !== 0xff) return "none";
  if (seen > 2 && stream[at + 2] > MAX_SERVO_ID + 1) return "none";
  if (seen > 3 && (stream[at + 3] < 2 || stream[at + 3] > longestParameters + 2)) return "none";
  if (seen > 4 && stream[at + 4] > 0x7f) return "none";
  if (seen < 4 || seen < stream[at + 3] + 4) return "more";
  const size = stream[at + 3] + 4;
  const body = stream.subarray(at + 2, at + size - 1);
  return checksum(body) === stream[at + size - 1] ? size : "none";
}

/** A number whose sign stands in a bit of its own, as in the servos' registers. `signBit`: 1…15, its place. */
export function decodeSignMagnitude(raw: number, signBit: number): number {
  const magnitude = raw & ((1 << signBit) - 1);
  return ((raw >> signBit) & 1) === 1 && magnitude > 0 ? -magnitude : magnitude;
}

/** The inverse of `decodeSignMagnitude`. Throws `internal` for what does not fit. */
export function encodeSignMagnitude(value: number, signBit: number): number {
  const max = (1 << signBit) - 1;
  checkRange("value", value, -max, max);
  return value < 0 ? (1 << signBit) | -value : value;
}

/** Words for the bits of `ERRBIT_*` in the SDK; the others are reserved. */
const ERROR_WORDS: readonly (readonly [bit: number, word: string])[] = [
  [1, "voltage"],
  [2, "angle sensor"],
  [4, "overheat"],
  [8, "over-current"],
  [32, "overload"],
];

/** What a servo complains of, in words; empty when all is well. Reserved bits are named by their value. */
export function describeErrorBits(bits: number): string[] {
  const words = ERROR_WORDS.filter(([bit]) => (bits & bit) !== 0).map(([, word]) => word);
  const reserved = [16, 64, 128].filter((bit) => (bits & bit) !== 0);
  return [...words, ...reserved.map((bit) => `unknown error ${bit}`)];
}
