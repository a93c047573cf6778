/** The single values of what programs send as joint angles: checked, and named in the message when one is refused. */
import { SplatError } from "../errors.ts";
import { JOINT_NAMES } from "./so101.ts";

/** A number, and the name under which the sender knows it. */
export interface Field {
  readonly name: string;
  readonly value: number;
}

/** Clocks of two hosts differ a little; with more, a reading would belong to no frame anyway. */
const MAX_AHEAD_S = 5;
/** September 2001: less is a clock that counts from the start of a program or machine. */
const FIRST_TIME_S = 1e9;
/** The year 5138 in seconds, 1973 in milliseconds. */
const LAST_TIME_S = 1e11;
const UNIX_HINT = "It is in Unix seconds (Python: time.time()).";
const SIX_HINT = `Six numbers, in this order: ${JOINT_NAMES.join(", ")}.`;

/** Six finite numbers. Throws `bad_input` naming the list or its element. */
export function sixNumbers(list: unknown, name: string): readonly Field[] {
  if (!Array.isArray(list)) throw refusal(`${name} is ${shown(list)}, not a list`, SIX_HINT);
  const { length } = list;
  if (length !== JOINT_NAMES.length) throw refusal(`${name} has ${length} numbers, not 6`, SIX_HINT);
  return list.map((value: unknown, joint) => finiteNumber(value, `${name}[${joint}]`));
}

/** A finite number. Throws `bad_input` naming the field. */
export function finiteNumber(value: unknown, name: string): Field {
  if (typeof value === "number" && Number.isFinite(value)) return { name, value };
  const ofNull =
    name === "captured_at"
      ? "Leave it out where it is not known."
      : "null means that this servo did not answer.";
  const hint = value === null ? ofNull : undefined;
  throw refusal(`${name} is ${shown(value)}, not a finite number`, hint);
}

/** Throws `bad_input` for the first number beyond ±`most`. */
export function requireWithin(fields: readonly Field[], most: number, inWords: string, hint: string): void {
  const beyond = fields.find(({ value }) => Math.abs(value) > most);
  if (beyond !== undefined) throw refusal(`${beyond.name} is ${beyond.value}, beyond ±${inWords}`, hint);
}

/** `captured_at`, Unix seconds; when the body came, without one. Throws `bad_input` for what is no time of today. */
export function readTime(body: Readonly<Record<string, unknown>>, receivedAtS: number): number {
  if (!("captured_at" in body)) return receivedAtS;
  const { value } = finiteNumber(body["captured_at"], "captured_at");
  if (value > LAST_TIME_S) throw refusal(`captured_at is ${value}: milliseconds or nanoseconds?`, UNIX_HINT);
  if (value < FIRST_TIME_S) throw refusal(`captured_at is ${value}, which is no time of day`, UNIX_HINT);
  const aheadS = value - receivedAtS;
  if (aheadS <= MAX_AHEAD_S) return value;
  throw refusal(
    `captured_at lies ${aheadS.toFixed(0)} s in the future`,
    "Set the clocks of both machines (NTP), or leave captured_at out.",
  );
}

/** The numbers alone. */
export function valuesOf(fields: readonly Field[]): readonly number[] {
  return fields.map(({ value }) => value);
}

/** Some of what came, for a message: short whatever it is. */
export function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  // JSON would write NaN as null.
  if (typeof value === "number") return String(value);
  return JSON.stringify(typeof value === "string" && value.length > 30 ? `${value.slice(0, 30)}…` : value);
}

/** The first of some keys, for a message. */
export function namesOf(keys: readonly string[]): string {
  if (keys.length === 0) return "nothing in it";
  const first = keys.slice(0, 8).map((key) => (key.length > 40 ? `${key.slice(0, 40)}…` : key));
  return first.join(", ") + (keys.length > 8 ? `, and ${keys.length - 8} more` : "");
}

/** An error of code `bad_input`. */
export function refusal(message: string, hint?: string): SplatError {
  return new SplatError("bad_input", message, { hint });
}
