/** How the servos of an arm are: silence, heat, voltage, what they complain of; told once each, and when it is over. */
import { SERVO_IDS, servoName } from "./arm-check.ts";
import type { Conditions } from "./conditions.ts";
import { describeErrorBits } from "./feetech.ts";
import { REGISTERS, registerValue } from "./feetech-registers.ts";
import type { JointHealth } from "./joint-source.ts";
import type { ServoAnswer } from "./servo-bus-client.ts";
import { JOINT_NAMES } from "./so101.ts";

/** What the registers of a servo's state begin with, and how many bytes they take. */
export const HEALTH_ADDRESS = REGISTERS.presentVoltage.address;
export const HEALTH_LENGTH = REGISTERS.status.address + REGISTERS.status.length - HEALTH_ADDRESS;

/** A servo that has not answered for so long is told of. */
const SILENT_AFTER_MS = 1000;

/** The SDK's words for it. */
const NO_ANSWER = '"[TxRxResult] There is no status packet!"';
const ALL_SILENT = "all silent";
const ONLY_FIRST = "only servo 1";

/** Servos switch themselves off at 70 °C. */
const HOT_C = 65;
const COOL_AGAIN_C = 60;

/** Kits run 7.4 V servos at 5…7.4 V and 12 V servos at 12 V. */
const GOOD_VOLTAGES: readonly (readonly [minV: number, maxV: number])[] = [
  [4.5, 8.6],
  [10.5, 13.5],
];
/** A dip under load is no news; one that stays is. */
const BAD_VOLTAGE_READINGS = 2;

/** What the SDK says, which is what people search for, and what can be done. */
const FAULT_ADVICE: Readonly<Record<string, readonly [sdkText: string, advice: string]>> = {
  voltage: ["Input voltage error!", "does the power supply fit the servos (5…7.4 V or 12 V)?"],
  "angle sensor": ["Angle sen error!", "its position may be wrong; it may need to be replaced"],
  overheat: ["Overheat error!", "let it cool with the torque off"],
  "over-current": ["OverEle error!", "does something block it?"],
  overload: [
    "Overload error!",
    "does something block it? It lasts until the arm's power is switched off and on",
  ],
};

/** Kept from connection to connection, so that the same is not told again after a loose cable. */
export class ServoWatch {
  readonly #conditions: Conditions;
  readonly #heardMs = new Map<number, number>();
  readonly #silent = new Set<number>();
  /** Of each servo's last answer, and those that two answers in a row had since the last report. */
  readonly #lastBits = new Map<number, number>();
  readonly #errorBits = new Map<number, number>();
  #badVoltageReadings = 0;
  /** What was told of many servos fitted no more at the last look. */
  #isOutdated = false;

  constructor(conditions: Conditions) {
    this.#conditions = conditions;
  }

  /** Servos that have not answered for a second. */
  get silent(): ReadonlySet<number> {
    return this.#silent;
  }

  /**
   * A servo answered. Error bits are kept until the next report, as they may be there for a moment only; but not those of
   * a single answer, which may be damaged.
   */
  heard(id: number, errorBits: number, nowMs: number): void {
    this.#heardMs.set(id, nowMs);
    const lastingBits = errorBits & (this.#lastBits.get(id) ?? 0);
    this.#lastBits.set(id, errorBits);
    if (lastingBits !== 0) this.#errorBits.set(id, (this.#errorBits.get(id) ?? 0) | lastingBits);
    if (this.#silent.delete(id)) this.#tellBack(id);
  }

  /** Servos did not answer, asked several times; `path` is the port they are expected on. */
  missed(ids: readonly number[], nowMs: number, path: string): void {
    const isNewlySilent = (id: number): boolean =>
      !this.#silent.has(id) && nowMs - (this.#heardMs.get(id) ?? -Infinity) >= SILENT_AFTER_MS;
    const silent = ids.filter(isNewlySilent);
    for (const id of silent) this.#silent.add(id);
    if (silent.length > 0) this.#tellSilent(path);
  }

  #tellSilent(path: string): void {
    const many = this.#manySilent();
    if (many === ALL_SILENT) {
      this.#conditions.begin(
        ALL_SILENT,
        `no servo answers on ${path}: ${NO_ANSWER}; is the arm's power on, and its cable in?`,
      );
      return;
    }
    if (many === ONLY_FIRST) {
      this.#conditions.begin(
        ONLY_FIRST,
        `only servo 1 answers on ${path}: ${NO_ANSWER}; do the others still have the factory's ID 1, or is a cable out?`,
      );
      return;
    }
    for (const id of this.#silent) {
      const line = `${servoName(id)} does not answer: ${NO_ANSWER}; is its cable in?`;
      this.#conditions.begin(silence(id), line);
    }
  }

  #tellBack(id: number): void {
    this.#conditions.end(silence(id), `${servoName(id)} answers again`);
    if (this.#silent.size > 0) return;
    this.#conditions.end(ALL_SILENT, "all servos answer again");
    this.#conditions.end(ONLY_FIRST, "all servos answer again");
  }

  /**
   * Once a second: where only some came back, what was told of all is over, and the rest is told. They come back one after
   * another, which is no news: so only when it is the same at the second look.
   */
  review(path: string): void {
    const outdated = [ALL_SILENT, ONLY_FIRST].filter(
      (key) => this.#conditions.lasts(key) && key !== this.#manySilent(),
    );
    const isNew = outdated.length > 0 && !this.#isOutdated;
    this.#isOutdated = isNew;
    if (isNew || outdated.length === 0) return;
    const count = SERVO_IDS.length - this.#silent.size;
    const note = count === 0 ? undefined : `${count} of ${SERVO_IDS.length} servos answer`;
    for (const key of outdated) this.#conditions.end(key, note);
    this.#tellSilent(path);
  }

  /** What is told of many servos at once, when it fits. */
  #manySilent(): typeof ALL_SILENT | typeof ONLY_FIRST | null {
    if (this.#silent.size === SERVO_IDS.length) return ALL_SILENT;
    return this.#silent.size === SERVO_IDS.length - 1 && !this.#silent.has(1) ? ONLY_FIRST : null;
  }

  /** Once a second: what the servos say of their state. */
  report(answers: readonly ServoAnswer[]): JointHealth[] {
    const health = answers.map((answer) => this.#healthOf(answer));
    this.#checkVoltage(health);
    return health;
  }

  #healthOf({ id, errorBits, parameters }: ServoAnswer): JointHealth {
    const value = (
      register: (typeof REGISTERS)["status" | "presentVoltage" | "presentTemperature"],
    ): number => registerValue(register, parameters, HEALTH_ADDRESS) ?? 0;
    // The packet's bits and the register's are the same, unless one was damaged.
    const bits = (errorBits & value(REGISTERS.status)) | (this.#errorBits.get(id) ?? 0);
    this.#errorBits.delete(id);
    const health = {
      name: JOINT_NAMES[id - 1],
      voltageV: value(REGISTERS.presentVoltage) / 10,
      temperatureC: value(REGISTERS.presentTemperature),
      faults: describeErrorBits(bits),
    };
    this.#checkFaults(id, health.faults);
    this.#checkTemperature(id, health.temperatureC);
    return health;
  }

  #checkFaults(id: number, faults: readonly string[]): void {
    for (const [word, [sdkText, advice]] of Object.entries(FAULT_ADVICE)) {
      const key = `${word} ${id}`;
      if (faults.includes(word)) {
        this.#conditions.begin(
          key,
          `${servoName(id)} reports ${word}: "[RxPacketError] ${sdkText}"; ${advice}`,
        );
      } else this.#conditions.end(key, `${servoName(id)} no longer reports ${word}`);
    }
  }

  #checkTemperature(id: number, temperatureC: number): void {
    if (temperatureC >= HOT_C) {
      const line = `${servoName(id)} is at ${temperatureC} °C and switches off at 70 °C: let it cool with the torque off`;
      this.#conditions.begin(`hot ${id}`, line);
    } else if (temperatureC < COOL_AGAIN_C) {
      this.#conditions.end(`hot ${id}`, `${servoName(id)} has cooled to ${temperatureC} °C`);
    }
  }

  #checkVoltage(health: readonly JointHealth[]): void {
    const isBad = ({ voltageV }: JointHealth): boolean =>
      !GOOD_VOLTAGES.some(([minV, maxV]) => voltageV >= minV && voltageV <= maxV);
    const bad = health.find(isBad);
    this.#badVoltageReadings = bad === undefined ? 0 : this.#badVoltageReadings + 1;
    if (bad === undefined) this.#conditions.end("voltage", "the servos' voltage is good again");
    else if (this.#badVoltageReadings >= BAD_VOLTAGE_READINGS) {
      const line = `the servos get ${bad.voltageV} V (${bad.name}): 5…7.4 V or 12 V are right; check the power supply`;
      this.#conditions.begin("voltage", line);
    }
  }
}

function silence(id: number): string {
  return `silent ${id}`;
}
