/** Frames of the real SDK, and bytes written as the manuals write them. */
import { readFileSync } from "node:fs";
import { pingRequest, readRequest, syncReadRequest } from "../../src/robot/feetech.ts";
import type { REGISTERS } from "../../src/robot/feetech-registers.ts";

/** Which request it is, as the arguments of the function that builds it. */
type Ask =
  | { readonly ping: number }
  | { readonly read: [id: number, address: number, length: number] }
  | { readonly syncRead: [address: number, length: number, ids: number[]] };

interface GoldenFrames {
  readonly reads: readonly {
    readonly name: string;
    readonly ask: Ask;
    readonly request: string;
    readonly responses: readonly string[];
  }[];
  readonly writes: readonly { readonly name: string; readonly request: string }[];
  readonly values: readonly {
    readonly name: string;
    readonly response: string;
    readonly register: keyof typeof REGISTERS;
    readonly id: number;
    readonly errorBits: number;
    readonly value: number;
  }[];
}

export const GOLDEN = JSON.parse(
  readFileSync(new URL("../robot/feetech-frames.json", import.meta.url), "utf8"),
) as GoldenFrames;

export function buildRequest(ask: Ask): Uint8Array {
  if ("ping" in ask) return pingRequest(ask.ping);
  if ("read" in ask) return readRequest(...ask.read);
  return syncReadRequest(...ask.syncRead);
}

/** `FF FF 01 …` → bytes. */
export function bytesOf(...hex: readonly string[]): Uint8Array {
  return Uint8Array.from(hex.flatMap((text) => text.split(" ")).map((byte) => Number.parseInt(byte, 16)));
}

export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");
}
