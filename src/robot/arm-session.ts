/** One connection to an arm, from meeting its servos until the line ends. */
import { steadyMs } from "../time.ts";
import { armFindings, meetServos, readRanges, SERVO_IDS } from "./arm-check.ts";
import type { Conditions } from "./conditions.ts";
import { REGISTERS, registerValue } from "./feetech-registers.ts";
import type { JointReading } from "./joint-history.ts";
import type { SourceListener } from "./joint-source.ts";
import type { AskOptions, ServoAnswer, ServoBusClient } from "./servo-bus-client.ts";
import { ServoRanges } from "./servo-ranges.ts";
import { HEALTH_ADDRESS, HEALTH_LENGTH, type ServoWatch } from "./servo-watch.ts";
import { JOINT_NAMES } from "./so101.ts";
import { TickGrid } from "./tick-grid.ts";
import { TickTracker } from "./tick-tracker.ts";
import { ticksToRad, type JointRange } from "./units.ts";

/** What a serial source has done so far. */
export interface SerialCounts {
  /** Readings taken. */
  samples: number;
  /** Moments of the grid that passed because the bus or this machine was busy. */
  missed: number;
  /** Readings given up, because an arm joint did not answer. */
  dropped: number;
  /** Readings with an old angle of the gripper, which moves no camera. */
  partial: number;
  /** Requests made again. */
  retried: number;
  /** Readings that nobody took before the next was there. */
  skipped: number;
  /** Times the port was lost and found again. */
  reconnects: number;
}

export interface SessionOptions {
  readonly bus: ServoBusClient;
  readonly path: string;
  readonly hz: number;
  /** [6] ranges instead of the servos' own. */
  readonly calibration: readonly JointRange[] | null;
  readonly listener: SourceListener;
  readonly conditions: Conditions;
  readonly watch: ServoWatch;
  readonly counts: SerialCounts;
  readonly onReading: (reading: JointReading) => void;
  /** About once a second, with the requests that had to be repeated since the last time. */
  readonly onSecond: (retried: number) => void;
}

const POSITION = REGISTERS.presentPosition;
const GRIPPER = JOINT_NAMES.length - 1;

const SECOND_MS = 1000;
/** Silent servos are looked for so often. */
const PROBE_EVERY_MS = 200;
/** Beside positions other things are asked only in a pause at least this long, */
const PAUSE_MS = 4;
/** except when they have waited for so long, as at rates that leave none. */
const OVERDUE_MS = 2000;

/** An answer this much later than usual is asked for again. */
const SLOW_MS = 0.8;

interface Position {
  readonly ticks: number;
  readonly timeS: number;
}

/** Reads one arm over one line. */
export class ArmSession {
  readonly #options: SessionOptions;
  readonly #tracker = new TickTracker();
  readonly #ranges: ServoRanges;
  #secondDueMs = steadyMs();
  #probeDueMs = 0;
  #retriedBefore = 0;
  /** How long an answer takes when nothing holds it up. */
  #usualMs = 2;
  #missedBefore = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#ranges = new ServoRanges(options.calibration, options.conditions, steadyMs());
  }

  /** Read until the line ends or the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { bus, hz } = this.#options;
    await this.#meet(SERVO_IDS);
    const grid = new TickGrid(1000 / hz);
    const isOver = (): boolean => signal.aborted || bus.ended !== null;
    while (!isOver()) {
      await grid.next(signal).catch(() => undefined);
      if (isOver()) return;
      await this.#readPositions(grid.nextMs);
      this.#count(grid.missed);
      if (!isOver()) await this.#useThePause(grid.nextMs);
    }
  }

  /** Learn what these servos are; nothing is told of those whose facts are all right. */
  async #meet(ids: readonly number[]): Promise<void> {
    const { bus, calibration, conditions, watch, path } = this.#options;
    const facts = await meetServos(bus, ids);
    if (bus.ended !== null) return;
    const nowMs = steadyMs();
    for (const { id, range } of facts) {
      if (range !== null) watch.heard(id, 0, nowMs);
      this.#ranges.take(id, range, nowMs);
    }
    const isMissing = (id: number): boolean => !facts.some((one) => one.id === id);
    watch.missed(ids.filter(isMissing), nowMs, path);
    for (const { key, line } of armFindings(facts, calibration)) conditions.begin(key, line);
  }

  async #readPositions(nextMs: number): Promise<void> {
    const { watch, counts, onReading } = this.#options;
    // Without each of the arm's joints there is no reading; the gripper's may be an old one.
    if (this.#isArmSilent()) {
      counts.dropped++;
      return;
    }
    const asked = SERVO_IDS.filter((id) => !watch.silent.has(id));
    const positions = await this.#confirmed(await this.#askQuickly(asked, nextMs));
    for (let joint = 0; joint < GRIPPER; joint++) {
      if (positions[joint] === undefined) {
        counts.dropped++;
        return;
      }
    }
    counts.samples++;
    if (positions[GRIPPER] === undefined) counts.partial++;
    onReading(this.#readingOf(positions));
  }

  /** Whether an arm joint has no angle: its servo does not answer, or has not told what its positions mean. */
  #isArmSilent(): boolean {
    return this.#unheard().some((id) => id !== SERVO_IDS[GRIPPER]);
  }

  /** Servos to be looked for: those that are silent, and those that have not told their limits. */
  #unheard(): number[] {
    return [...new Set([...this.#options.watch.silent, ...this.#ranges.unknown])];
  }

  /**
   * Positions whose time is known well. An answer that took longer than usual was held up before or after the servos
   * looked, nobody knows which: while there is time it is asked for again, and the quicker one counts.
   */
  async #askQuickly(ids: readonly number[], nextMs: number): Promise<(Position | undefined)[]> {
    const { bus } = this.#options;
    const isWhole = (positions: readonly (Position | undefined)[]): boolean =>
      ids.every((id) => positions[id - 1] !== undefined);
    const askedBefore = bus.retried;
    const first = await this.#ask(ids);
    const firstMs = bus.roundTripMs;
    // What came in pieces, or not at all, says nothing of how long an answer takes, and its time is known no better.
    if (!isWhole(first) || bus.retried > askedBefore) return first;
    const isSlow = firstMs > this.#usualMs + SLOW_MS;
    // Falls at once and rises slowly: what is usual is what the line can do.
    this.#usualMs += (firstMs - this.#usualMs) * (firstMs < this.#usualMs ? 0.2 : 0.01);
    if (!isSlow || bus.ended !== null || nextMs - steadyMs() < PAUSE_MS) return first;
    const second = await this.#ask(ids, { attempts: 1, untilMs: nextMs - 1 });
    return isWhole(second) && bus.roundTripMs < firstMs ? second : first;
  }

  /** Positions by joint; those that did not answer are holes. */
  async #ask(ids: readonly number[], options: AskOptions = {}): Promise<(Position | undefined)[]> {
    const { bus, watch, path } = this.#options;
    const answers = await bus.syncRead(POSITION.address, POSITION.length, ids, {
      spare: SERVO_IDS[GRIPPER],
      ...options,
    });
    const positions: (Position | undefined)[] = SERVO_IDS.map(() => undefined);
    const nowMs = steadyMs();
    for (const { id, errorBits, parameters, timeS } of answers) {
      watch.heard(id, errorBits, nowMs);
      positions[id - 1] = { ticks: registerValue(POSITION, parameters) ?? 0, timeS };
    }
    if (answers.length < ids.length && bus.ended === null) {
      watch.missed(
        ids.filter((id) => positions[id - 1] === undefined),
        nowMs,
        path,
      );
    }
    return positions;
  }

  /** Positions that no servo can have reached since the last are asked for again: a damaged answer can look whole. */
  async #confirmed(positions: (Position | undefined)[]): Promise<(Position | undefined)[]> {
    const isOdd = (id: number): boolean => {
      const position = positions[id - 1];
      return position !== undefined && this.#judge(id - 1, position).kind !== "sure";
    };
    const odd = SERVO_IDS.filter(isOdd);
    const again = odd.length === 0 ? [] : await this.#ask(odd);
    return positions.map((first, joint) => {
      if (first === undefined || !odd.includes(joint + 1)) return first && this.#accept(joint, first);
      const second = again[joint];
      return second && this.#accept(joint, second, first);
    });
  }

  #judge(joint: number, { ticks, timeS }: Position): ReturnType<TickTracker["judge"]> {
    const { minTicks, maxTicks } = this.#ranges.all[joint];
    return this.#tracker.judge(joint, ticks, timeS, (minTicks + maxTicks) / 2);
  }

  /** Take a position for true. `doubted`: what was read before it and was odd; an odd one counts when both agree. */
  #accept(joint: number, position: Position, doubted?: Position): Position | undefined {
    const { ticks, kind } = this.#judge(joint, position);
    if (kind !== "sure") {
      if (doubted === undefined || Math.abs(doubted.ticks - position.ticks) > AGREEING_TICKS)
        return undefined;
      if (kind === "wrap") this.#tellWrap(joint);
    }
    this.#tracker.accept(joint, position.ticks, ticks, position.timeS);
    return { ticks, timeS: position.timeS };
  }

  #tellWrap(joint: number): void {
    const name = JOINT_NAMES[joint];
    this.#options.conditions.begin(
      `wrap ${name}`,
      `${name} passed the end of its encoder within its travel: its angles may be a turn off; run lerobot-calibrate`,
    );
  }

  /** All joints at the middle of their times, which differ only after a repeated request. */
  #readingOf(positions: readonly (Position | undefined)[]): JointReading {
    let sumS = 0;
    for (let joint = 0; joint < GRIPPER; joint++) sumS += positions[joint]?.timeS ?? 0;
    const timeS = sumS / GRIPPER;
    const ticks = positions.map((position, joint) => {
      const known = position === undefined ? this.#tracker.last(joint) : this.#tracker.at(joint, timeS);
      return known ?? this.#ranges.all[joint].minTicks;
    });
    return { timeS, anglesRad: ticksToRad(ticks, this.#ranges.all) };
  }

  #count(missed: number): void {
    const { counts } = this.#options;
    counts.missed += missed - this.#missedBefore;
    this.#missedBefore = missed;
  }

  /** What is done beside reading positions, as long as it does not make the next reading late. */
  async #useThePause(nextMs: number): Promise<void> {
    const nowMs = steadyMs();
    const isFree = this.#isArmSilent() || nowMs - this.#secondDueMs > OVERDUE_MS;
    if (!isFree && nextMs - nowMs < PAUSE_MS) return;
    const untilMs = isFree ? Infinity : nextMs - 1;
    if (nowMs >= this.#secondDueMs) {
      this.#secondDueMs = nowMs + SECOND_MS;
      await this.#everySecond(untilMs);
    } else if (nowMs >= this.#probeDueMs && this.#unheard().length > 0) {
      this.#probeDueMs = nowMs + PROBE_EVERY_MS;
      await this.#probe(untilMs);
    }
  }

  async #everySecond(untilMs: number): Promise<void> {
    const { bus, counts, listener, onSecond, path, watch } = this.#options;
    const asked = SERVO_IDS.filter((id) => !watch.silent.has(id));
    const answers =
      asked.length === 0
        ? []
        : await bus.syncRead(HEALTH_ADDRESS, HEALTH_LENGTH, asked, { attempts: 1, untilMs });
    if (answers.length > 0) listener.onHealth?.(watch.report(answers.toSorted(byId)));
    // Their last voltage is no longer theirs.
    else if (asked.length === 0) listener.onHealth?.([]);
    watch.review(path);
    this.#ranges.report(watch.silent, steadyMs());
    const retried = bus.retried - this.#retriedBefore;
    this.#retriedBefore = bus.retried;
    counts.retried += retried;
    onSecond(retried);
  }

  /** Look whether silent servos are back; those that are may be others, or have been calibrated anew. */
  async #probe(untilMs: number): Promise<void> {
    const { bus, watch, path } = this.#options;
    const asked = this.#unheard();
    const answers = await bus.syncRead(POSITION.address, POSITION.length, asked, { attempts: 1, untilMs });
    if (bus.ended !== null) return;
    const nowMs = steadyMs();
    const answered = new Set(answers.map(({ id }) => id));
    const back = [...answered].filter((id) => watch.silent.has(id)).toSorted((a, b) => a - b);
    const known = answers.filter(({ id }) => !back.includes(id));
    for (const { id, errorBits } of known) watch.heard(id, errorBits, nowMs);
    watch.missed(
      asked.filter((id) => !answered.has(id)),
      nowMs,
      path,
    );
    if (back.length > 0) await this.#meet(back);
    else
      await this.#askRanges(
        known.map(({ id }) => id),
        untilMs,
      );
  }

  async #askRanges(ids: readonly number[], untilMs: number): Promise<void> {
    const { bus, calibration, conditions } = this.#options;
    const ranges = await readRanges(bus, ids, { attempts: 1, untilMs });
    for (const [id, range] of ranges) {
      this.#ranges.take(id, range, steadyMs());
      const facts = [{ id, model: null, firmware: null, range }];
      for (const { key, line } of armFindings(facts, calibration)) conditions.begin(key, line);
    }
  }
}

/** Two readings within milliseconds, of a joint that is being swung. */
const AGREEING_TICKS = 400;

function byId(a: ServoAnswer, b: ServoAnswer): number {
  return a.id - b.id;
}
