/** Types of GPU that Modal lends, and what they cost. */
import { SplatError } from "../errors.ts";

/** When the prices were read. */
export const PRICES_OF = "September 2026";

/** List prices in dollars an hour. Regions and plans change them; `modal billing rates` says your own. */
const DOLLARS_AN_HOUR: Readonly<Record<string, number>> = {
  T4: 0.59,
  L4: 0.799,
  A10: 1.102,
  L40S: 1.951,
  "A100-40GB": 2.099,
  A100: 2.099,
  "A100-80GB": 2.498,
  H100: 3.949,
  "H100!": 3.949,
  H200: 4.54,
};

/** Lent too, but newer than the kernels that the trainer's package brings compiled. */
const TOO_NEW = ["RTX-PRO-6000", "B200", "B200+"];

/** What is asked for when nobody says: the two cheapest that have 24 GB. */
export const DEFAULT_GPUS = ["L4", "A10"] as const;

/** Parse a list such as `l4,a10`, the first that is free being taken. Throws `usage` naming what is not there. */
export function parseGpus(text: string): readonly string[] {
  const names = text
    .split(",")
    .map((name) => name.trim().toUpperCase())
    .filter((name) => name !== "");
  if (names.length === 0) throw wrong("no type of GPU is named");
  for (const name of names) {
    if (TOO_NEW.includes(name)) throw wrong(`the trainer has no kernels for ${name}`);
    if (/^[^:]+:\d+$/.test(name)) throw wrong(`"${name}" asks for several GPUs, and the trainer uses one`);
    if (!Object.hasOwn(DOLLARS_AN_HOUR, name)) throw wrong(`Modal has no GPU called "${name}"`);
  }
  return [...new Set(names)];
}

/** What an hour costs, as people read it: `about $0.80` or `about $0.80 to $1.10`. */
export function describePrice(gpus: readonly string[]): string {
  const prices = gpus.flatMap((name) => DOLLARS_AN_HOUR[name] ?? []);
  if (prices.length === 0) return "an unknown price";
  const shown = [
    ...new Set([Math.min(...prices), Math.max(...prices)].map((price) => `$${price.toFixed(2)}`)),
  ];
  return `about ${shown.join(" to ")} an hour (list price, ${PRICES_OF})`;
}

function wrong(message: string): SplatError {
  return new SplatError("usage", message, { hint: `There are: ${Object.keys(DOLLARS_AN_HOUR).join(", ")}.` });
}
