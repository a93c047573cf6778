/** The arm: what its servos say of themselves. They are pinged and read; nothing is ever written to one. */
import { resolveLerobotPlaces } from "../config.ts";
import { messageOf, SplatError } from "../errors.ts";
import { meetServos, SERVO_IDS, type ServoFacts } from "../robot/arm-check.ts";
import { findCalibration, readCalibration } from "../robot/calibration-file.ts";
import { ServoBusClient, type ServoAnswer } from "../robot/servo-bus-client.ts";
import { HEALTH_ADDRESS, HEALTH_LENGTH } from "../robot/servo-watch.ts";
import type { JointRange } from "../robot/units.ts";
import { sleep } from "../time.ts";
import { armReport } from "./arm-report.ts";
import type { Check, Finding } from "./check.ts";
import type { DoctorContext } from "./context.ts";
import { checkPorts, seenPorts, type SeenPort } from "./ports.ts";
import { relayFindings } from "./relay-look.ts";
import { failure } from "./run-checks.ts";

/** The checks, in order. */
export const armChecks: readonly Check[] = [
  { id: "ports", group: "arm", run: checkPorts },
  { id: "calibration-file", group: "arm", run: checkCalibrationFile },
  // Silence takes its time on a busy machine, and there may be two arms.
  { id: "arm", group: "arm", limitMs: 15_000, run: checkArm },
];

async function checkArm(context: DoctorContext, signal: AbortSignal): Promise<Finding[]> {
  const relayed = await relayFindings(context);
  // Windows lets one program alone open a port, and so tells by itself.
  const isSafe = context.system.platform === "win32";
  const ports = (await seenPorts(context)).filter(
    ({ isArm, access, holders }) =>
      isArm && access.mayOpen && (holders?.length === 0 || (holders === null && isSafe)),
  );
  const calibration = await wantedCalibration(context).catch(() => null);
  const looked: Finding[] = [];
  // One after the other: a hub may be slow, and times matter.
  for (const port of ports) looked.push(...(await lookAt(port, calibration, context, signal)));
  return [...relayed, ...looked];
}

async function lookAt(
  { path }: SeenPort,
  calibration: readonly JointRange[] | null,
  { system }: DoctorContext,
  signal: AbortSignal,
): Promise<Finding[]> {
  const id = `arm:${path}`;
  const line = await system.ports.open(path).catch((error: unknown) => error as Error);
  if (line instanceof Error) return [{ id, ...failure(line) }];
  const bus = new ServoBusClient(line);
  const stop = (): void => bus.end("given up");
  signal.addEventListener("abort", stop, { once: true });
  try {
    const asked = await ask(bus, signal);
    signal.throwIfAborted();
    if (bus.ended !== null) {
      const fix = "Check the cable, and look again: `splatctl doctor arm`";
      return [
        { id, state: "failed", message: `${path} was lost while the arm was looked at: ${bus.ended}`, fix },
      ];
    }
    return armReport({ path, ...asked, calibration });
  } finally {
    signal.removeEventListener("abort", stop);
    await line.close();
  }
}

/** How often servos are asked that did not answer, while others do: a machine that is busy hears some answers too late. */
const MOST_ROUNDS = 6;
/** Where none answers the power is off, most likely. */
const ROUNDS_OF_SILENCE = 3;
const BETWEEN_ROUNDS_MS = 100;
/** A bit that is set once may be noise. */
const STATES = 2;

interface AskedServos {
  readonly facts: readonly ServoFacts[];
  readonly states: readonly (readonly ServoAnswer[])[];
  readonly retried: number;
}

/** What the servos are, and how they are, told twice by each. Throws the signal's reason. */
async function ask(bus: ServoBusClient, signal: AbortSignal): Promise<AskedServos> {
  const known = new Map<number, ServoFacts>();
  const isWhole = (id: number): boolean => {
    const facts = known.get(id);
    return facts !== undefined && facts.range !== null && facts.firmware !== null;
  };
  for (let round = 0; round < (known.size === 0 ? ROUNDS_OF_SILENCE : MOST_ROUNDS); round++) {
    const missing = SERVO_IDS.filter((id) => !isWhole(id));
    if (missing.length === 0 || bus.ended !== null) break;
    if (round > 0) await sleep(BETWEEN_ROUNDS_MS, signal);
    for (const facts of await meetServos(bus, missing)) {
      const before = known.get(facts.id);
      // Of several answers the parts that are known count.
      known.set(facts.id, {
        id: facts.id,
        model: facts.model ?? before?.model ?? null,
        firmware: facts.firmware ?? before?.firmware ?? null,
        range: facts.range ?? before?.range ?? null,
      });
    }
  }
  const facts = [...known.values()].toSorted((a, b) => a.id - b.id);
  return { facts, states: await askStates(bus, [...known.keys()], signal), retried: bus.retried };
}

async function askStates(
  bus: ServoBusClient,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<readonly (readonly ServoAnswer[])[]> {
  const heard = new Map<number, ServoAnswer[]>(ids.map((id) => [id, []]));
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const missing = ids.filter((id) => (heard.get(id)?.length ?? 0) < STATES);
    if (missing.length === 0 || bus.ended !== null) break;
    if (round >= STATES) await sleep(BETWEEN_ROUNDS_MS, signal);
    for (const answer of await bus.syncRead(HEALTH_ADDRESS, HEALTH_LENGTH, missing)) {
      heard.get(answer.id)?.push(answer);
    }
  }
  return Array.from({ length: STATES }, (_, look) =>
    [...heard.values()].flatMap((answers) => answers[look] ?? []),
  );
}

/** The calibration file that the project names; null when it names none. Throws `bad_input` when it cannot be read. */
async function wantedCalibration({ config }: DoctorContext): Promise<readonly JointRange[] | null> {
  const relay = config?.project.relay;
  if (relay?.calibration === undefined && relay?.robot_id === undefined) return null;
  return await readCalibration(
    relay.calibration ?? (await findCalibration(relay.robot_id, resolveLerobotPlaces())),
  );
}

async function checkCalibrationFile(context: DoctorContext): Promise<Finding[]> {
  try {
    if ((await wantedCalibration(context)) === null) return [];
    return [{ state: "ok", message: "the calibration file of this folder's project can be read" }];
  } catch (error) {
    if (error instanceof SplatError) return [{ state: "failed", message: error.message, fix: error.hint }];
    return [{ state: "failed", message: messageOf(error) }];
  }
}
