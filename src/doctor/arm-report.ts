/** What the servos of one arm said, as findings. */
import { armFindings, SERVO_IDS, servoName, type ServoFacts } from "../robot/arm-check.ts";
import { Conditions } from "../robot/conditions.ts";
import { MODEL_NAMES } from "../robot/feetech-registers.ts";
import type { JointHealth } from "../robot/joint-source.ts";
import type { ServoAnswer } from "../robot/servo-bus-client.ts";
import { ServoWatch } from "../robot/servo-watch.ts";
import { JOINT_NAMES } from "../robot/so101.ts";
import type { JointRange } from "../robot/units.ts";
import type { Finding } from "./check.ts";

/** What was asked of an arm. */
export interface AskedArm {
  readonly path: string;
  readonly facts: readonly ServoFacts[];
  /** What they said of their state, twice. */
  readonly states: readonly (readonly ServoAnswer[])[];
  /** Requests that had to be made again; a machine that is busy is late for answers, so no judgement of the cable. */
  readonly retried: number;
  /** [6] ranges of a file; null when the servos' own count. */
  readonly calibration: readonly JointRange[] | null;
}

/** Between them no servo works: below, a 7.4 V kit; above, one of 12 V. */
const KIT_BORDER_V = 9.5;
/** A 5 V supply gives this much when all is well; a 12 V one at the other end of its range. */
const KITS = [
  { name: "5…7.4 V", minV: 5, maxV: 8.6 },
  { name: "12 V", minV: 10.5, maxV: 13.5 },
] as const;
/** Everything about one arm, the good news first. */
export function armReport(arm: AskedArm): Finding[] {
  const { path, facts } = arm;
  if (facts.length === 0) return [nobody(path)];
  const { health, told } = healthOf(arm);
  const silent = SERVO_IDS.filter((id) => !facts.some((one) => one.id === id));
  const found = [
    ...silentServos(path, silent),
    ...factTrouble(arm),
    ...voltageTrouble(path, health),
    ...told.map((line) => stateTrouble(path, line)),
  ];
  const isCalibrated = !found.some(({ id }) => id?.startsWith("calibration:"));
  return [summary(arm, health, isCalibrated), ...found];
}

function nobody(path: string): Finding {
  return {
    id: `arm:${path}`,
    state: "failed",
    message: `no servo answers on ${path}`,
    fix: "Switch the arm's power supply on, and check the cable between adapter and servo 1",
    facts: { path, servos: [] },
  };
}

function summary(
  { path, facts, retried }: AskedArm,
  health: readonly JointHealth[],
  isCalibrated: boolean,
): Finding {
  const servos = facts.map(({ id, model, firmware, range }) => {
    const own = health.find(({ name }) => name === JOINT_NAMES[id - 1]);
    return {
      id,
      joint: JOINT_NAMES[id - 1],
      model: model === null ? null : (MODEL_NAMES[model] ?? String(model)),
      firmware,
      range_ticks: range === null ? null : [range.minTicks, range.maxTicks],
      voltage_v: own?.voltageV ?? null,
      temperature_c: own?.temperatureC ?? null,
      faults: own?.faults ?? [],
    };
  });
  const models = [...new Set(servos.map(({ model }) => model ?? "unknown"))].join(", ");
  const versions = [...new Set(servos.flatMap(({ firmware }) => firmware ?? []))].join(", ");
  const parts = [
    `${servos.length} of ${SERVO_IDS.length} servos answer (${models}${versions === "" ? "" : `, firmware ${versions}`})`,
    ...(health.length === 0
      ? []
      : [
          span(
            health.map(({ voltageV }) => voltageV),
            "V",
            1,
          ),
        ]),
    ...(health.length === 0
      ? []
      : [
          span(
            health.map(({ temperatureC }) => temperatureC),
            "°C",
            0,
          ),
        ]),
    ...(isCalibrated ? ["calibrated"] : []),
  ];
  const state = servos.length === SERVO_IDS.length ? "ok" : "warning";
  return {
    id: `arm:${path}`,
    state,
    message: `arm on ${path}: ${parts.join(", ")}`,
    facts: { path, servos, retried },
  };
}

function span(values: readonly number[], unit: string, digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  return `${least === most ? least : `${least}…${most}`} ${unit}`;
}

function silentServos(path: string, silent: readonly number[]): Finding[] {
  if (silent.length === 0) return [];
  const facts = { silent: silent.map((id) => JOINT_NAMES[id - 1]) };
  if (silent.length === SERVO_IDS.length - 1 && !silent.includes(1)) {
    const message = "only servo 1 answers";
    const fix = `Check the cable from servo 1 to 2; servos that still have the factory's ID 1 get theirs with \`lerobot-setup-motors --robot.type=so101_follower --robot.port=${path}\``;
    return [{ id: `servos:${path}`, state: "failed", message, fix, facts }];
  }
  const message = `${silent.map(servoName).join(", ")} ${silent.length === 1 ? "does" : "do"} not answer`;
  const fix = `Check the cable into ${servoName(silent[0])}, and switch the arm's power off and on`;
  return [{ id: `servos:${path}`, state: "failed", message, fix, facts }];
}

/** Models, firmware and calibration. */
function factTrouble({ path, facts, calibration }: AskedArm): Finding[] {
  return armFindings(facts, calibration).map(({ key, line }): Finding => {
    const [kind] = key.split(" ");
    const id = `${kind}:${path}`;
    if (kind === "calibration")
      return { id, state: "warning", ...calibrationWords(path, line, calibration !== null) };
    const [message, advice] = cut(line, /: (?=update them)/);
    const fix = advice ?? "Put an STS3215 in its place, or do without its joint";
    return { id, state: "warning", message, fix: capital(fix) };
  });
}

function calibrationWords(path: string, line: string, hasFile: boolean): Pick<Finding, "message" | "fix"> {
  if (hasFile) {
    const message = line.replace(/: the file is used; is it this arm's\?$/, ", and the file is used");
    return { message, fix: "Name this arm's own file in splatctl.json (relay.robot_id), or none" };
  }
  const command = `lerobot-calibrate --robot.type=so101_follower --robot.port=${path} --robot.id=my_arm`;
  return {
    message: line.replace(/; run lerobot-calibrate.*$/, ""),
    fix: `\`${command}\`, with a name of your own for my_arm`,
  };
}

/** State as the relay judges it: what it would warn of after two readings. */
function healthOf({ states }: AskedArm): {
  readonly health: readonly JointHealth[];
  readonly told: readonly string[];
} {
  const told: string[] = [];
  const watch = new ServoWatch(
    new Conditions({ onNote: () => undefined, onWarning: (line) => void told.push(line) }),
  );
  let health: readonly JointHealth[] = [];
  for (const answers of states) {
    for (const { id, errorBits } of answers) watch.heard(id, errorBits, 0);
    health = watch.report(answers);
  }
  // Of the voltage more is said here.
  return { health, told: told.filter((line) => !line.startsWith("the servos get ")) };
}

function voltageTrouble(path: string, health: readonly JointHealth[]): Finding[] {
  const odd = health
    .map(({ name, voltageV }) => ({ name, voltageV, kit: KITS[voltageV < KIT_BORDER_V ? 0 : 1] }))
    .filter(({ voltageV, kit }) => voltageV < kit.minV || voltageV > kit.maxV);
  if (odd.length === 0) return [];
  const worst = odd.toSorted((a, b) => a.voltageV - b.voltageV)[0];
  const isLow = worst.voltageV < worst.kit.minV;
  const who = odd.length === health.length ? "all servos" : odd.map(({ name }) => name).join(", ");
  const message = `${who}: ${worst.voltageV} V is too ${isLow ? "little" : "much"} for a kit of ${worst.kit.name}`;
  const fix = isLow
    ? "Use the supply of the kit (5 V 4 A or more; 12 V for 12 V servos), and short thick leads"
    : "Take that supply off at once, and use the one of the kit";
  return [{ id: `voltage:${path}`, state: isLow ? "warning" : "failed", message, fix }];
}

function stateTrouble(path: string, line: string): Finding {
  const [message, advice] = cut(line, /; |: (?=let it cool)/);
  return {
    id: `servo-state:${path}`,
    state: "warning",
    message,
    fix: advice === undefined ? undefined : capital(advice),
  };
}

function cut(line: string, at: RegExp): readonly [string, string | undefined] {
  const found = at.exec(line);
  if (found === null) return [line, undefined];
  return [line.slice(0, found.index), line.slice(found.index + found[0].length)];
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
