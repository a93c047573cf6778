/** Joint angles straight from the arm's servo bus. Nothing is ever written to a servo: an arm that is limp stays so. */
import { explainShort, SplatError, toSplatError } from "../errors.ts";
import { preciseNowS, sleep, steadyMs } from "../time.ts";
import { ArmSession, type SerialCounts } from "./arm-session.ts";
import { Conditions } from "./conditions.ts";
import type { JointReading } from "./joint-history.ts";
import type { JointSource, SourceListener } from "./joint-source.ts";
import { newestFrom, type NewestSlot } from "./newest-slot.ts";
import { describeHolders } from "./port-holders.ts";
import { MACHINE_PORTS, openArmPort, type OpenPort, type PortSystem } from "./serial-connect.ts";
import { ServoBusClient } from "./servo-bus-client.ts";
import { ServoWatch } from "./servo-watch.ts";
import type { JointRange } from "./units.ts";

export interface SerialOptions {
  /** Port to open; without it the only one that looks like an arm's. */
  readonly path?: string | undefined;
  /** Readings a second, 1…500; 100 unless told. */
  readonly hz?: number | undefined;
  /** [6] ranges of a calibration file, used instead of those that the servos hold. */
  readonly calibration?: readonly JointRange[] | undefined;
  /** Wait for a port that is not there yet, instead of throwing. */
  readonly wait?: boolean | undefined;
  /** Called about once a second, and at the end, with how it goes. */
  readonly onCounts?: ((counts: Readonly<SerialCounts>) => void) | undefined;
  /** The machine's ports unless told; simulations bring their own. */
  readonly system?: Partial<PortSystem> | undefined;
  /** Unix seconds for the readings' times. */
  readonly now?: (() => number) | undefined;
}

export const DEFAULT_SERIAL_HZ = 100;
const MAX_SERIAL_HZ = 500;

/** A lost port is looked for so often. */
const SEARCH_EVERY_MS = 500;
/** A connection that ends sooner may do so again and again. */
const SHORT_MS = 1000;
/** After replugging the system needs a moment to set the port's permissions: no trouble before that is told. */
const PATIENCE_MS = 2000;
/** So many repeated requests a second are not the odd damaged answer. */
const MANY_RETRIES = 10;
/** Noise comes and goes: it is over after so long without. */
const QUIET_AFTER_MS = 10_000;
/** Looking through all processes is not for every second. */
const HOLDERS_EVERY_MS = 5000;

/**
 * Readings of an SO-101 over its serial bus, at `hz`, each with the time in the middle between the request and the last
 * byte of the answer. The port is found again after it was unplugged; damaged answers are asked for again.
 * Iterating throws `bad_input` when there is no port to begin with (unless `wait`), it is in use or does not open, and
 * `not_configured` when the serial library does not load. Throws `usage` at once for an impossible `hz`.
 */
export function serialSource(options: SerialOptions = {}): JointSource {
  const hz = options.hz ?? DEFAULT_SERIAL_HZ;
  if (!(hz >= 1 && hz <= MAX_SERIAL_HZ)) {
    throw new SplatError("usage", `an arm cannot be read ${hz} times a second`, {
      hint: `Take 1 to ${MAX_SERIAL_HZ}; ${DEFAULT_SERIAL_HZ} is usual.`,
    });
  }
  return (listener, signal) =>
    newestFrom((slot, ending) => new SerialArm({ ...options, hz }, listener, slot).run(ending), signal);
}

/** One arm over all its connections. */
class SerialArm {
  readonly #options: SerialOptions & { readonly hz: number };
  readonly #system: PortSystem;
  readonly #listener: SourceListener;
  readonly #conditions: Conditions;
  readonly #watch: ServoWatch;
  readonly #slot: NewestSlot<JointReading>;
  readonly #counts: SerialCounts = {
    samples: 0,
    missed: 0,
    dropped: 0,
    partial: 0,
    retried: 0,
    skipped: 0,
    reconnects: 0,
  };
  #port: OpenPort | null = null;
  #holdersDueMs = 0;
  #noisyMs = 0;
  /** What was told last of a port that does not open. */
  #trouble = "";

  constructor(
    options: SerialOptions & { readonly hz: number },
    listener: SourceListener,
    slot: NewestSlot<JointReading>,
  ) {
    this.#options = options;
    this.#system = { ...MACHINE_PORTS, ...options.system };
    this.#listener = listener;
    this.#conditions = new Conditions(listener);
    this.#watch = new ServoWatch(this.#conditions);
    this.#slot = slot;
  }

  /** Read until the signal aborts. Throws only before the first connection. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const port = await this.#connect(signal);
        if (port === null) return;
        const beganMs = steadyMs();
        const { samples } = this.#counts;
        await this.#readFrom(port, signal);
        if (signal.aborted) return;
        const isShort = steadyMs() - beganMs < SHORT_MS || this.#counts.samples === samples;
        if (isShort) await sleep(SEARCH_EVERY_MS, signal).catch(() => undefined);
      }
    } finally {
      this.#options.onCounts?.({ ...this.#counts });
    }
  }

  /** Open the port, tried again for ever once it has been open; null when the signal aborts. */
  async #connect(signal: AbortSignal): Promise<OpenPort | null> {
    const before = this.#port;
    const mayWait = before !== null || this.#options.wait === true;
    const sinceMs = steadyMs();
    while (!signal.aborted) {
      try {
        const port = await openArmPort(this.#system, this.#options.path, before);
        if (port !== null) {
          this.#port = port;
          this.#tellOpen(port, before);
          return port;
        }
      } catch (thrown) {
        const error = toSplatError(thrown);
        if (!mayWait || error.code !== "bad_input") throw error;
        if (before === null || steadyMs() - sinceMs >= PATIENCE_MS) this.#tellTrouble(error);
      }
      await sleep(SEARCH_EVERY_MS, signal).catch(() => undefined);
    }
    return null;
  }

  #tellTrouble(error: SplatError): void {
    if (error.message !== this.#trouble) this.#conditions.end(`port ${this.#trouble}`);
    this.#trouble = error.message;
    this.#conditions.begin(`port ${error.message}`, explainShort(error));
  }

  #tellOpen(port: OpenPort, before: OpenPort | null): void {
    this.#conditions.end(`port ${this.#trouble}`);
    if (before === null) {
      this.#listener.onNote(`reading the arm on ${port.path}, ${this.#options.hz} times a second`);
      return;
    }
    this.#counts.reconnects++;
  }

  async #readFrom(port: OpenPort, signal: AbortSignal): Promise<void> {
    const { hz, calibration, now = preciseNowS } = this.#options;
    const bus = new ServoBusClient(port.line, now);
    const session = new ArmSession({
      bus,
      path: port.path,
      hz,
      calibration: calibration ?? null,
      listener: this.#listener,
      conditions: this.#conditions,
      watch: this.#watch,
      counts: this.#counts,
      onReading: (reading) => {
        if (this.#slot.put(reading)) this.#counts.skipped++;
      },
      onSecond: (retried) => this.#everySecond(port, bus, retried),
    });
    try {
      await session.run(signal);
    } finally {
      await port.line.close();
    }
    if (signal.aborted) return;
    this.#conditions.begin(
      "gone",
      `the port ${port.path} has gone (${bus.ended ?? "no reason given"}): is the adapter unplugged? Looking for it`,
    );
  }

  #everySecond(port: OpenPort, bus: ServoBusClient, retried: number): void {
    this.#options.onCounts?.({ ...this.#counts });
    // Not when it opened: some ports open, and end at once.
    this.#conditions.end("gone", `the arm is back on ${port.path}`);
    this.#tellNoise(port, retried);
    const isTroubled = retried >= MANY_RETRIES || this.#watch.silent.size > 0;
    if (!isTroubled && !this.#conditions.lasts("shared")) return;
    if (steadyMs() >= this.#holdersDueMs) {
      this.#holdersDueMs = steadyMs() + HOLDERS_EVERY_MS;
      void this.#lookForHolders(port).catch(() => undefined);
    }
    void this.#checkDevice(port, bus).catch(() => undefined);
  }

  /** A port that is gone may look as if nobody answered. */
  async #checkDevice(port: OpenPort, bus: ServoBusClient): Promise<void> {
    if ((await this.#system.identity(port.path)) !== port.identity) bus.end("its device is gone");
  }

  #tellNoise({ path }: OpenPort, retried: number): void {
    // Of a silent servo it is told already, and requests are repeated for that.
    if (retried >= MANY_RETRIES && this.#watch.silent.size === 0) {
      this.#noisyMs = steadyMs();
      this.#conditions.begin(
        "noise",
        `many answers on ${path} are late, damaged or missing ("[TxRxResult] Incorrect status packet!"): a loose cable, another program on the port, or a machine too busy?`,
      );
    } else if (steadyMs() - this.#noisyMs > QUIET_AFTER_MS) {
      this.#conditions.end("noise", `the answers on ${path} come whole and in time again`);
    }
  }

  async #lookForHolders({ path }: OpenPort): Promise<void> {
    const holders = (await this.#system.holders(path)) ?? [];
    if (holders.length === 0) this.#conditions.end("shared", `nobody else has ${path} open any more`);
    else {
      this.#conditions.begin(
        "shared",
        `${path} was also opened by ${describeHolders(holders)}: each takes the other's answers; stop it, or use \`splatctl relay lerobot\` or \`splatctl relay http\``,
      );
    }
  }
}
