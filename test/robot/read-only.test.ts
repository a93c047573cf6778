/** What speaks to an arm here may look and never touch: no torque, no goal, no memory of a servo is ever written. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as feetech from "../../src/robot/feetech.ts";
import * as registers from "../../src/robot/feetech-registers.ts";
import { seededRandom } from "../helpers/random.ts";

const READING = [0x01, 0x02, 0x82];

/** WRITE, REG WRITE, ACTION, restore, reboot, backup, reset, set position, SYNC WRITE, as somebody would type them. */
const WRITING_NUMBERS = /\b0x0*(3|4|5|6|8|9|a|b|83)\b/i;
/** Names of such instructions and of functions that would build them. A port that bytes are written to is none. */
const WRITING_NAMES = [
  /\b((REG|SYNC|BULK)_?)?WRITE(_INSTRUCTION)?\b/,
  /\b(reg|sync|bulk)_?write/i,
  /\bwrite_?(request|frame|packet|instruction|register|goal|torque|position)/i,
  /\bset_?(goal|torque|position|register)|\b(goal|torque)_?request|\breboot|\bfactory_?reset/i,
];
const HEADER = /\b(0xff|255)\s*,\s*(0xff|255)\b/i;

interface SourceFile {
  readonly name: string;
  readonly text: string;
}

function breaches({ name, text }: SourceFile): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
  const found: string[] = [];
  if (WRITING_NUMBERS.test(code)) found.push(`${name} holds the number of an instruction that writes`);
  if (WRITING_NAMES.some((pattern) => pattern.test(code)))
    found.push(`${name} names an instruction that writes`);
  if (name !== "feetech.ts" && HEADER.test(code)) found.push(`${name} builds a frame by itself`);
  return found;
}

test("no source file that speaks to an arm knows an instruction that writes", () => {
  const root = new URL("../../src/robot/", import.meta.url);
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  expect(files).toContain("feetech.ts");
  expect(
    files.flatMap((name) => breaches({ name, text: readFileSync(new URL(name, root), "utf8") })),
  ).toEqual([]);
});

test.each([
  ["const WRITE = 0x03;", /number/],
  ["const all = 0x83;", /number/],
  ["export function writeRequest(id: number) {}", /names/],
  ["export function syncWrite() {}", /names/],
  ["const reboot = 8;", /names/],
  ["port.send(Uint8Array.of(0xff, 0xFF, 1));", /by itself/],
])("the scan finds %s", (text, message) => {
  expect(breaches({ name: "serial.ts", text }).join()).toMatch(message);
});

test.each([
  "port.write(pingRequest(1));",
  "interface Line { write(bytes: Uint8Array): void }",
  "// 0x03 would write",
  "const mask = 0xff;",
])("the scan lets %s be", (text) => expect(breaches({ name: "serial.ts", text })).toEqual([]));

test("whatever any function of the codec is given, the frames that come out only read", () => {
  const random = seededRandom(3);
  const numbers = [0, 1, 2, 3, 4, 5, 6, 8, 56, 0x83, 252, 253, 254, 255, 256];
  const odd = [...numbers, -1, 1.5, Number.NaN, "3", null, undefined];
  const pick = (): unknown => (random() < 0.2 ? [pick(), pick()] : odd[Math.floor(random() * odd.length)]);
  const seen = new Map<string, Set<number>>();
  for (const [name, value] of Object.entries({ ...feetech, ...registers })) {
    if (typeof value !== "function" || value === feetech.StatusParser) continue;
    for (let round = 0; round < 3000; round++) {
      const made = resultOf(() => (value as (...all: unknown[]) => unknown)(pick(), pick(), pick()));
      if (!(made instanceof Uint8Array)) continue;
      expect(made.slice(0, 2)).toEqual(Uint8Array.of(0xff, 0xff));
      expect(made).toHaveLength(made[3] + 4);
      expect(READING).toContain(made[4]);
      seen.set(name, (seen.get(name) ?? new Set()).add(made[4]));
    }
  }
  // Every builder came to work, with its own instruction alone.
  expect(Object.fromEntries([...seen].map(([name, codes]) => [name, [...codes]]))).toEqual({
    pingRequest: [0x01],
    readRequest: [0x02],
    syncReadRequest: [0x82],
  });
});

function resultOf(call: () => unknown): unknown {
  try {
    return call();
  } catch {
    return null;
  }
}
