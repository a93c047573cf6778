/** Joints asked for over HTTP, again and again, from a program that has them: phosphobot, or a user's own. */
import { explainShort, SplatError } from "../errors.ts";
import { preciseNowS, sleep } from "../time.ts";
import { HttpEndpoint, type EndpointOptions } from "./http-endpoint.ts";
import { parseJointBody, requireUnits, type JointUnits } from "./joint-body.ts";
import type { JointReading } from "./joint-history.ts";
import type { JointSource, SourceListener } from "./joint-source.ts";
import { backoffMs, faultKind, Outage } from "./outage.ts";
import { TickGrid } from "./tick-grid.ts";
import type { JointRange } from "./units.ts";

export interface HttpPollOptions {
  /** Path `/joints/read`: phosphobot. The root: whatever answers there, else phosphobot's path. Else: GET, JSON. */
  readonly url: string;
  /** Readings a second, 30 by default. */
  readonly hz?: number | undefined;
  /** What LeRobot's numbers are, where the answer is its observation; the other forms name their unit. */
  readonly units?: JointUnits | undefined;
  /** [6] motor order; needed for `norm` and for phosphobot's `motor_units`. */
  readonly ranges?: readonly JointRange[] | undefined;
  /** phosphobot's number of the arm, 0 by default. */
  readonly robotId?: number | undefined;
}

/** Failures in a row before they are told of, and before the grid gives way to longer pauses. */
const PATIENCE = 3;
/** An answer that is of no use will hardly be another soon. */
const UNUSABLE_PAUSE_MS = 2000;

/**
 * Readings from an HTTP address on a fixed grid, one request at a time; what the grid misses is skipped, never caught up.
 * A reading has the answer's `captured_at`, else the middle of request and response. Throws `bad_input` for an address
 * that is not HTTP and for units that cannot work; everything else is told and tried again, for ever.
 */
export function httpPollSource(options: HttpPollOptions): JointSource {
  const endpointOptions = checked(options);
  return async function* readings(listener, signal) {
    const endpoint = new HttpEndpoint(endpointOptions);
    const poll = new Poll(endpoint, options, listener);
    const grid = new TickGrid(1000 / (options.hz ?? 30));
    let lastTimeS = Number.NaN;
    try {
      while (!signal.aborted) {
        await grid.next(signal).catch(() => undefined);
        if (signal.aborted) return;
        const reading = await poll.once(signal);
        // An answer with the same time of its own is the same reading.
        if (reading !== null && reading.timeS !== lastTimeS) yield reading;
        lastTimeS = reading?.timeS ?? lastTimeS;
        if (poll.pauseMs > 0) await sleep(poll.pauseMs, signal).catch(() => undefined);
      }
    } finally {
      await endpoint.close();
    }
  };
}

/** Asks, and tells the listener what goes wrong. */
class Poll {
  readonly #endpoint: HttpEndpoint;
  readonly #options: HttpPollOptions;
  readonly #listener: SourceListener;
  readonly #outage: Outage;
  #hasTold = false;
  /** Until the next request, beside the grid. */
  pauseMs = 0;

  constructor(endpoint: HttpEndpoint, options: HttpPollOptions, listener: SourceListener) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#listener = listener;
    this.#outage = new Outage(listener, `joints come from ${endpoint.name} again`);
  }

  /** One request. Null when it gave no reading. */
  async once(signal: AbortSignal): Promise<JointReading | null> {
    const answer = await this.#endpoint.ask(signal);
    if (signal.aborted) return null;
    if (answer.kind === "failed") {
      const failures = this.#outage.failed("failed", `${answer.what}; trying again`, PATIENCE);
      this.pauseMs = failures < PATIENCE ? 0 : backoffMs(failures - PATIENCE + 1);
      return null;
    }
    if (answer.kind === "refused") return this.#unusable(answer.what);
    return this.#read(answer.body, answer.middleS);
  }

  #read(body: unknown, middleS: number): JointReading | null {
    const { units, ranges } = this.#options;
    let reading: JointReading;
    try {
      reading = parseJointBody(body, { units, ranges, receivedAtS: middleS });
    } catch (thrown) {
      return this.#unusable(
        `${this.#endpoint.name} answers joints that cannot be used: ${explainShort(thrown)}`,
      );
    }
    this.pauseMs = 0;
    this.#outage.worked();
    if (!this.#hasTold) {
      const by = reading.timeS === middleS ? "the middle of request and response" : "their captured_at";
      this.#listener.onNote(`joints from ${this.#endpoint.name}, dated by ${by}`);
      this.#hasTold = true;
    }
    return reading;
  }

  #unusable(what: string): null {
    const failures = this.#outage.failed(faultKind(what), `${what}; trying again`, PATIENCE);
    this.pauseMs = failures < PATIENCE ? 0 : UNUSABLE_PAUSE_MS;
    return null;
  }
}

/** Throws `bad_input` for what can never work, before anything is asked. */
function checked({ url: text, hz, units, ranges, robotId }: HttpPollOptions): EndpointOptions {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new SplatError("bad_input", `${url === null ? text : url.protocol} is no HTTP address`, {
      hint: "Such as http://127.0.0.1:8020/joints/read. LeRobot's display: splatctl relay lerobot.",
    });
  }
  if (!isDecodable(url.username) || !isDecodable(url.password)) {
    throw new SplatError("bad_input", "the address has a % in its user or password that stands for nothing", {
      hint: "Write % itself as %25.",
    });
  }
  if (hz !== undefined && !(hz > 0 && hz <= 1000)) {
    throw new SplatError("bad_input", `${hz} readings a second are not possible`, { hint: "Give 1…1000." });
  }
  if (units === "norm") requireUnits(units, ranges);
  return {
    url,
    robotId: robotId ?? 0,
    unit: units === "deg" ? "degrees" : "rad",
    holdsJoints: (body) => holdsJoints(body, { units, ranges }),
  };
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function holdsJoints(body: unknown, { units, ranges }: Pick<HttpPollOptions, "units" | "ranges">): boolean {
  try {
    parseJointBody(body, { units, ranges, receivedAtS: preciseNowS() });
    return true;
  } catch {
    return false;
  }
}
