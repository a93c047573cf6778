/** The simulated bus as the vendor's own driver sees it, where Python can have it. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, type TestContext } from "vitest";
import { encodeSignMagnitude } from "../../src/robot/feetech.ts";
import { createServoBus } from "../../src/sim/servo-bus.ts";
import { DEFAULT_HOMING_OFFSETS, DEFAULT_LIMITS } from "../../src/sim/servo-memory.ts";
import { serveServoBus } from "../../src/sim/servo-port.ts";
import { ptyPairFor } from "../helpers/pty.ts";
import { PYTHON_PACKAGES, PYTHON_SETUP_TIMEOUT_MS, pythonWith } from "../helpers/python.ts";

const POSITIONS = [2047, 1024, 3072, -100, 4095, 251];
/** The SDK's COMM_SUCCESS and COMM_RX_TIMEOUT. */
const GOOD = 0;
const NO_STATUS_PACKET = -6;

interface SdkFindings {
  /** value, result, error bits */
  readonly pings: readonly (readonly number[])[];
  readonly temperatures: readonly (readonly number[])[];
  readonly offsets: readonly (readonly number[])[];
  readonly positions: { readonly result: number; readonly values: readonly number[] };
  readonly limits: { readonly result: number; readonly values: readonly number[] };
  readonly nobody: readonly number[];
  /** result, error bits */
  readonly torque: readonly number[];
  readonly repeated: readonly number[];
}

async function pythonFor(context: TestContext): Promise<string> {
  const found = await pythonWith([PYTHON_PACKAGES.feetech, PYTHON_PACKAGES.serial]);
  return "reason" in found ? context.skip(found.reason) : found.python;
}

it("is read by feetech-servo-sdk", { timeout: PYTHON_SETUP_TIMEOUT_MS }, async (context) => {
  const python = await pythonFor(context);
  const pair = await ptyPairFor(context);
  const bus = createServoBus({ ticksAt: () => POSITIONS });
  const served = await serveServoBus(bus, pair.a);
  context.onTestFinished(() => served.close());

  const script = fileURLToPath(new URL("read-servos.py", import.meta.url));
  const { stdout } = await promisify(execFile)(python, [script, pair.b], { timeout: 60_000 });
  const said = JSON.parse(stdout) as SdkFindings;

  expect(said.pings).toEqual(POSITIONS.map(() => [777, GOOD, 0]));
  expect(said.temperatures).toEqual(POSITIONS.map((_, joint) => [31 + joint, GOOD, 0]));
  expect(said.offsets).toEqual(
    DEFAULT_HOMING_OFFSETS.map((offset) => [encodeSignMagnitude(offset, 11), GOOD, 0]),
  );
  expect(said.positions).toEqual({ result: GOOD, values: [2047, 1024, 3072, 0x8064, 4095, 251] });
  expect(said.limits).toEqual({
    result: GOOD,
    values: DEFAULT_LIMITS.map(([min, max]) => min + max * 0x10000),
  });
  expect(said.nobody[1]).toBe(NO_STATUS_PACKET);
  expect(said.torque[0]).toBe(NO_STATUS_PACKET);
  expect(said.repeated).toEqual(said.repeated.map(() => GOOD));
  expect(bus.refusedWrites).toBe(1);
  expect(bus.answeredCount).toBe(51);
});
