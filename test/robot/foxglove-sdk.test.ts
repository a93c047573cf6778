/** The display socket as LeRobot serves it: through the real foxglove-sdk. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, expect, it, type TestContext } from "vitest";
import { foxgloveSource } from "../../src/robot/foxglove.ts";
import { preciseNowS } from "../../src/time.ts";
import {
  PYTHON_PACKAGES,
  PYTHON_SETUP_TIMEOUT_MS,
  pythonWith,
  type PythonAnswer,
} from "../helpers/python.ts";
import { record, until, type Recording } from "../helpers/record-joints.ts";

const SCRIPT = fileURLToPath(new URL("lerobot-display.py", import.meta.url));

let answer: PythonAnswer;
beforeAll(async () => {
  answer = await pythonWith([PYTHON_PACKAGES.foxglove]);
}, PYTHON_SETUP_TIMEOUT_MS);

let display: ChildProcess | null = null;
let recording: Recording | null = null;
afterEach(async () => {
  await recording?.stop();
  await endDisplay();
});

/** Start the display; resolves with its port once it listens. */
async function startDisplay(python: string, port: number): Promise<number> {
  display = spawn(python, [SCRIPT, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(display.stdout!, "data")) as [Buffer];
  return Number(line.toString());
}

async function endDisplay(): Promise<void> {
  if (display === null) return;
  const ended = once(display, "exit");
  display.kill("SIGKILL");
  await ended;
  display = null;
}

function pythonOrSkip({ skip }: TestContext): string {
  return "python" in answer ? answer.python : skip(`foxglove-sdk: ${answer.reason}`);
}

it("reads what foxglove-sdk serves, also after LeRobot was killed and started again", async (context) => {
  const python = pythonOrSkip(context);
  const port = await startDisplay(python, 0);
  const before = preciseNowS();
  recording = record(foxgloveSource({ url: `ws://127.0.0.1:${port}`, units: "deg" }));
  const { readings, notes, warnings } = recording;
  await until(() => readings.length >= 30, "readings came");
  expect(warnings).toEqual([]);
  expect(readings[0].anglesRad[1]).toBeCloseTo((10 * Math.PI) / 180, 12);
  expect(readings[0].anglesRad[5]).toBeCloseTo(-0.174533 + 0.5 * 1.919863, 6);
  const times = readings.map(({ timeS }) => timeS);
  expect(times[0]).toBeGreaterThan(before - 1);
  expect(times.at(-1)).toBeLessThan(preciseNowS() + 0.01);
  expect(times).toEqual(times.toSorted((a, b) => a - b));

  await endDisplay();
  await until(() => warnings.length > 0, "it was warned");
  await startDisplay(python, port);
  await until(() => notes.some((note) => note.endsWith("again")), "they came again");
  expect(warnings).toHaveLength(1);
}, 30_000);
