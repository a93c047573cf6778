/**
 * Joints from LeRobot's display: `--display_data=true --display_mode=foxglove` (v0.6.0 and later) makes every LeRobot
 * program publish what it observes on a WebSocket. Nothing is asked of it but one topic, so it sends no pictures here.
 */
import { explainShort, SplatError } from "../errors.ts";
import { preciseNowS, sleep } from "../time.ts";
import { connectFoxglove, type FoxgloveConnection } from "./foxglove-connection.ts";
import { observationOf, type MessageFrame } from "./foxglove-frames.ts";
import { parseJointBody, requireUnits, type JointUnits } from "./joint-body.ts";
import type { JointReading } from "./joint-history.ts";
import type { JointSource, SourceListener } from "./joint-source.ts";
import { newestFrom, type NewestSlot } from "./newest-slot.ts";
import { backoffMs, faultKind, Outage } from "./outage.ts";
import type { JointRange } from "./units.ts";

export interface FoxgloveOptions {
  /** Default `ws://127.0.0.1:8765`, where LeRobot listens. */
  readonly url?: string | undefined;
  /** What LeRobot's numbers are; not to be seen from them. */
  readonly units: JointUnits;
  /** [6] motor order; needed for `norm`. */
  readonly ranges?: readonly JointRange[] | undefined;
  /** Default `/observation/state`: what the arm is. (`/action/state` is what it was told.) */
  readonly topic?: string | undefined;
}

/** Without a message for this long the connection is made anew: a host that vanished says nothing. */
const SILENCE_MS = 10_000;
/** A server that is up advertises its topics at once; LeRobot logs the first values within a second. */
const TOPIC_WAIT_MS = 3000;
/** Between looks whether a subscription has brought anything. */
const RENEWAL_MS = 500;
/** The joints of one arm take under 1 KB. */
const MAX_PAYLOAD_BYTES = 64 * 1024;
/** Bad messages in a row before they are told of. */
const PATIENCE = 3;

const START_HINT = "start LeRobot (v0.6.0 or later) with --display_data=true --display_mode=foxglove";

/**
 * Readings from LeRobot's display socket, for ever. Each has the time at which LeRobot logged it, which is after it sent
 * the action, a few ms after the joints were read. Throws `bad_input` for an address that is no WebSocket's and for units
 * that cannot work; everything else is told and tried again.
 */
export function foxgloveSource(options: FoxgloveOptions): JointSource {
  const url = webSocketUrl(options.url ?? "ws://127.0.0.1:8765");
  requireUnits(options.units, options.ranges);
  return (listener, signal) =>
    newestFrom((newest, ending) => new Reader(url, options, listener, newest).run(ending), signal);
}

/** Keeps one connection after another open and puts what comes into the slot. */
class Reader {
  readonly #url: URL;
  readonly #topic: string;
  readonly #options: FoxgloveOptions;
  readonly #listener: SourceListener;
  readonly #newest: NewestSlot<JointReading>;
  readonly #outage: Outage;
  #hasTold = false;

  constructor(
    url: URL,
    options: FoxgloveOptions,
    listener: SourceListener,
    newest: NewestSlot<JointReading>,
  ) {
    this.#url = url;
    this.#topic = options.topic ?? "/observation/state";
    this.#options = options;
    this.#listener = listener;
    this.#newest = newest;
    this.#outage = new Outage(listener, `joints come from ${url.host} again`);
  }

  /** Until the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    for (let tries = 1; !signal.aborted; tries++) {
      const hadReadings = await this.#connectOnce(signal);
      if (hadReadings) tries = 1;
      await sleep(backoffMs(tries), signal).catch(() => undefined);
    }
  }

  /** One connection, from its opening to its end. Resolves with whether a usable reading came through it. */
  async #connectOnce(signal: AbortSignal): Promise<boolean> {
    let hadReadings = false;
    const connection = connectFoxglove(this.#url, this.#topic, {
      onMessage: (frame) => {
        hadReadings = this.#take(frame) || hadReadings;
        silence.refresh();
      },
    });
    const onAbort = (): void => connection.close();
    signal.addEventListener("abort", onAbort, { once: true });
    const silence = setTimeout(() => connection.close("was silent for 10 s"), SILENCE_MS);
    const topicWait = setTimeout(() => this.#checkTopic(connection), TOPIC_WAIT_MS);
    const renewal = setInterval(() => {
      if (connection.isOpen) connection.subscription.renewUnproven();
    }, RENEWAL_MS);
    const end = await connection.ended;
    clearInterval(renewal);
    clearTimeout(silence);
    clearTimeout(topicWait);
    signal.removeEventListener("abort", onAbort);
    if (!signal.aborted) this.#outage.failed(end.kind, `${end.what}: ${START_HINT}; trying again`);
    return hadReadings;
  }

  #checkTopic(connection: FoxgloveConnection): void {
    if (!connection.isOpen || connection.subscription.isSubscribed) return;
    const why = connection.subscription.whyNot;
    this.#outage.failed("topic", `${this.#url.host} answers, but ${why}; waiting for it`);
  }

  #take(frame: MessageFrame): boolean {
    try {
      const isSmall = frame.payload.byteLength <= MAX_PAYLOAD_BYTES;
      const observation = isSmall ? observationOf(frame.payload) : null;
      if (observation === null) throw new SplatError("bad_input", `${this.#topic} holds no list of scalars`);
      const { units, ranges } = this.#options;
      const body = { ...observation, captured_at: frame.timeS };
      this.#newest.put(parseJointBody(body, { units, ranges, receivedAtS: preciseNowS() }));
    } catch (thrown) {
      const what = `${this.#url.host} sends joints that cannot be used: ${explainShort(thrown)}`;
      this.#outage.failed(faultKind(what), what, PATIENCE);
      return false;
    }
    this.#outage.worked();
    if (!this.#hasTold)
      this.#listener.onNote(`joints from ${this.#url.host}, dated by LeRobot when it logs them`);
    this.#hasTold = true;
    return true;
  }
}

function webSocketUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === "ws:" || url.protocol === "wss:")) return url;
  const shown = url === null ? text : `${url.protocol}//${url.host}`;
  throw new SplatError("bad_input", `${shown} is no WebSocket address`, {
    hint: "LeRobot's display listens at ws://HOST:8765. For an HTTP address: splatctl relay http URL.",
  });
}
