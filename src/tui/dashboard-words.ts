/** Times and counts in words, short enough for a screen. */
import type { GateCounts } from "../capture/frame-gate.ts";

/** How long ago or for how long: 3 s, 5 min, 2 h, 4 d. */
export function age(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** A latency: 34 ms, 1.2 s, 5 min. */
export function latency(ms: number | null): string {
  if (ms === null) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : age(ms / 1000);
}

/** The time of day here: 22:14:01. */
export function clock(atMs: number): string {
  const date = new Date(atMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/** What of a camera's frames was not sent, and why, as the screen and the lines name it; what is 0 goes without saying. */
export function leftOut(gate: GateCounts): (readonly [number: number, word: string])[] {
  const all = [
    [gate.blurred, "blurred"],
    [gate.exposure, "badly exposed"],
    [gate.duplicate, "duplicate"],
    [gate.still, "still"],
    [gate.surplus, "surplus"],
    [gate.damaged, "damaged"],
  ] as const;
  return all.filter(([number]) => number > 0);
}
