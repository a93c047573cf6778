/** The servos' side of the wire: instruction packets taken apart, status packets put together. */
import { checksum } from "../robot/feetech.ts";

/** Instructions that are obeyed here; all others would change something. */
export const PING = 0x01;
export const READ = 0x02;
export const SYNC_READ = 0x82;

/** What an asker sent. */
export interface Instruction {
  readonly id: number;
  readonly code: number;
  readonly parameters: Uint8Array;
}

/** Instructions in a stream of bytes, and what is left of it: the beginning of one. Damaged ones are passed over. */
export function takeInstructions(stream: Uint8Array): { found: Instruction[]; rest: Uint8Array } {
  const found: Instruction[] = [];
  let at = 0;
  while (at < stream.length) {
    const size = instructionSize(stream, at);
    if (size === "more") break;
    if (size === "none") {
      at++;
      continue;
    }
    found.push({
      id: stream[at + 2],
      code: stream[at + 4],
      parameters: stream.slice(at + 5, at + size - 1),
    });
    at += size;
  }
  return { found, rest: stream.slice(at) };
}

function instructionSize(stream: Uint8Array, at: number): number | "more" | "none" {
  const seen = stream.length - at;
  if (stream[at] !== 0xff || (seen > 1 && stream[at + 1] !== 0xff)) return "none";
  if (seen > 2 && stream[at + 2] === 0xff) return "none";
  if (seen > 3 && (stream[at + 3] < 2 || stream[at + 3] > 250)) return "none";
  if (seen < 4 || seen < stream[at + 3] + 4) return "more";
  const size = stream[at + 3] + 4;
  const good = checksum(stream.subarray(at + 2, at + size - 1)) === stream[at + size - 1];
  return good ? size : "none";
}

/** What a servo answers. */
export function statusPacket(id: number, errorBits: number, parameters: Uint8Array): Uint8Array {
  const body = [id, parameters.length + 2, errorBits, ...parameters];
  return Uint8Array.of(0xff, 0xff, ...body, checksum(body));
}
