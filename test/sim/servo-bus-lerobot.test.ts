/** The simulated bus as LeRobot's own bus class sees it, and its units beside ours. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { ticksToDegrees, ticksToNorm, ticksToPercent, type JointRange } from "../../src/robot/units.ts";
import { createServoBus } from "../../src/sim/servo-bus.ts";
import { serveServoBus } from "../../src/sim/servo-port.ts";
import { ptyPairFor } from "../helpers/pty.ts";
import { lerobotPython, PYTHON_SETUP_TIMEOUT_MS } from "../helpers/python.ts";
import { seededRandom } from "../helpers/random.ts";

const LIMITS: readonly (readonly [number, number])[] = [
  [748, 3410],
  [837, 3341],
  [793, 2995],
  [910, 3277],
  [0, 4095],
  [1500, 3000],
];

it(
  "is read by the real LeRobot, whose units are ours to the last bit",
  { timeout: PYTHON_SETUP_TIMEOUT_MS },
  async (context) => {
    const found = lerobotPython();
    const python = "reason" in found ? context.skip(found.reason) : found.python;
    const pair = await ptyPairFor(context);
    let ticks: readonly number[] = LIMITS.map(([min]) => min);
    const bus = createServoBus({ ticksAt: () => ticks, limits: LIMITS });
    const served = await serveServoBus(bus, pair.a);
    context.onTestFinished(() => served.close());
    const script = fileURLToPath(new URL("read-lerobot.py", import.meta.url));
    const child = spawn(python, [script, pair.b], { stdio: ["pipe", "pipe", "inherit"] });
    context.onTestFinished(() => void child.kill());
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async (): Promise<Record<string, unknown>> =>
      JSON.parse((await lines.next()).value ?? "null");

    expect(await next()).toEqual({ ranges: LIMITS, is_calibrated: true });
    const random = seededRandom(5);
    for (let round = 0; round < 20; round++) {
      // Somewhat past the ends too.
      ticks = LIMITS.map(([min, max]) => clamp(Math.round(min - 60 + random() * (max - min + 120))));
      child.stdin.write("\n");
      expect(await next()).toEqual({ raw: ticks, ...ours(ticks) });
    }
    expect(bus.refusedWrites).toBe(0);
  },
);

function ours(ticks: readonly number[]): { readonly degrees: number[]; readonly norm: number[] } {
  const ranges: JointRange[] = LIMITS.map(([minTicks, maxTicks]) => ({ minTicks, maxTicks }));
  const opened = ticksToPercent(ticks[5], ranges[5]);
  const joints = ticks.slice(0, 5);
  return {
    degrees: [...joints.map((raw, i) => ticksToDegrees(raw, ranges[i])), opened],
    norm: [...joints.map((raw, i) => ticksToNorm(raw, ranges[i])), opened],
  };
}

function clamp(ticks: number): number {
  return Math.min(Math.max(ticks, 0), 4095);
}
