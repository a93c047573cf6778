/** Requests to the servos of a bus and the answers to them, one request at a time. */
import { SplatError } from "../errors.ts";
import { preciseNowS, steadyMs } from "../time.ts";
import type { ByteLine } from "./byte-line.ts";
import { pingRequest, readRequest, StatusParser, syncReadRequest, type StatusPacket } from "./feetech.ts";
import { BUS_BAUD } from "./serial-line.ts";

/** What one servo answered, and when. */
export interface ServoAnswer {
  readonly id: number;
  readonly errorBits: number;
  /** What was asked for; may be longer than that. */
  readonly parameters: Uint8Array;
  /** Unix seconds: the middle between the request and the last byte of the answers to it. */
  readonly timeS: number;
}

export interface AskOptions {
  /** How often to ask, those missing alone after the first time; 3 unless told. */
  readonly attempts?: number | undefined;
  /** On the steady clock: nothing is begun and nothing is waited for after this. */
  readonly untilMs?: number | undefined;
  /** A servo that is not asked again when it alone is missing. */
  readonly spare?: number | undefined;
}

/** Eight bits, start and stop. */
const MS_PER_BYTE = (10 / BUS_BAUD) * 1000;

/** FF FF, ID, LEN, error and checksum around what a servo tells. */
const FRAME_BYTES = 6;

/** Beyond the time on the wire. Adapters take 1–4 ms, a busy machine several more. */
const ANSWER_MARGIN_MS = 12;

/** Answers come back to back: after such a silence the rest does not come. */
const SILENCE_MS = 4;

/** All bytes are there and do not make the answers: what is still under way is soon over. */
const LAST_BYTES_MS = 1;

/** A timer this late found the process busy elsewhere: the answers may lie in the system, not looked at yet. */
const LATE_TIMER_MS = 2;

/** As many lengths an answer can have: one that is late by less than so many time-outs passes for no other. */
const LENGTHS = 6;

/** Nothing comes later than this: the shortest length will do again. */
const FORGET_LATE_MS = 1000;

interface Exchange {
  /** Servos that have not answered yet. */
  readonly missing: Set<number>;
  readonly parameterCount: number;
  readonly packets: StatusPacket[];
  readonly sentS: number;
  /** On the steady clock, which no one sets. */
  readonly sentMs: number;
  lastByteS: number;
  lastByteMs: number;
  bytesToCome: number;
  deadlineMs: number;
  isExtended: boolean;
  timer: NodeJS.Timeout;
  readonly finish: () => void;
}

/**
 * Speaks with servos over a line. What no request asked for is dropped. A late answer to an earlier request cannot pass
 * for one to a later: after an answer stayed away, the next request asks for a few bytes more or less, and answers of another
 * length do not count. (Servos' answers carry no number of the request; the SDK mistakes late ones for new.)
 */
export class ServoBusClient {
  readonly #line: ByteLine;
  readonly #now: () => number;
  readonly #parser = new StatusParser();
  readonly #requests = new Map<string, Uint8Array>();
  #exchange: Exchange | null = null;
  /** Bytes asked for beyond what is wanted. */
  #extraBytes = 0;
  #stayedAwayMs = 0;
  #retried = 0;
  #roundTripMs = 0;
  #ended: string | null = null;

  constructor(line: ByteLine, now: () => number = preciseNowS) {
    this.#line = line;
    this.#now = now;
    line.onBytes((bytes) => this.#take(bytes));
    line.onEnd((reason) => this.end(reason));
  }

  /** Take the line for ended: nothing is asked any more, and a request under way is over. */
  end(reason: string): void {
    this.#ended ??= reason;
    this.#exchange?.finish();
  }

  /** Why the line ended; null while it is open. */
  get ended(): string | null {
    return this.#ended;
  }

  /**
   * From the newest request that all answered to the last byte of their answers, milliseconds: half of it is how far off
   * their time can be.
   */
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  /** Requests that had to be made again, since the beginning. */
  get retried(): number {
    return this.#retried;
  }

  /** Whether a servo is there, of whatever series; null when it does not answer. */
  async ping(id: number, options: AskOptions = {}): Promise<ServoAnswer | null> {
    const [answer] = await this.#ask([id], 0, () => pingRequest(id), options);
    return answer ?? null;
  }

  /** Bytes of one servo's memory, in a form that servos without SYNC READ answer too; null when none came. */
  async read(
    id: number,
    address: number,
    length: number,
    options: AskOptions = {},
  ): Promise<ServoAnswer | null> {
    const request = (size: number): Uint8Array => readRequest(id, address, size);
    const [answer] = await this.#ask([id], length, request, options);
    return answer ?? null;
  }

  /** The same bytes of several servos. Those that did not answer, asked again and again, are missing from the result. */
  syncRead(
    address: number,
    length: number,
    ids: readonly number[],
    options: AskOptions = {},
  ): Promise<ServoAnswer[]> {
    const request = (size: number, missing: readonly number[]): Uint8Array =>
      this.#syncReadRequest(address, size, missing);
    return this.#ask(ids, length, request, options);
  }

  /** The same request goes out a hundred times a second: it is built once. */
  #syncReadRequest(address: number, length: number, ids: readonly number[]): Uint8Array {
    const key = `${address},${length},${ids.join()}`;
    let request = this.#requests.get(key);
    if (request === undefined) {
      request = syncReadRequest(address, length, ids);
      this.#requests.set(key, request);
    }
    return request;
  }

  async #ask(
    ids: readonly number[],
    length: number,
    request: (length: number, ids: readonly number[]) => Uint8Array,
    { attempts = 3, untilMs = Infinity, spare }: AskOptions,
  ): Promise<ServoAnswer[]> {
    const answers: ServoAnswer[] = [];
    let missing = ids;
    for (let attempt = 0; attempt < attempts && missing.length > 0; attempt++) {
      if (this.#ended !== null || steadyMs() >= untilMs) break;
      if (attempt > 0) this.#retried++;
      if (steadyMs() - this.#stayedAwayMs > FORGET_LATE_MS) this.#extraBytes = 0;
      const size = length === 0 ? 0 : length + this.#extraBytes;
      const exchange = await this.#send(request(size, missing), missing, size, untilMs);
      const timeS = (exchange.sentS + exchange.lastByteS) / 2;
      if (exchange.missing.size === 0) this.#roundTripMs = exchange.lastByteMs - exchange.sentMs;
      for (const packet of exchange.packets) answers.push({ ...packet, timeS });
      if (exchange.missing.size === 0) break;
      this.#extraBytes = (this.#extraBytes + 1) % LENGTHS;
      this.#stayedAwayMs = steadyMs();
      missing = missing.filter((id) => exchange.missing.has(id));
      if (missing.length === 1 && missing[0] === spare) break;
    }
    return answers;
  }

  /** Send one request and wait for the answers: until all are there, they stay away, or the line ends. */
  async #send(
    request: Uint8Array,
    ids: readonly number[],
    parameterCount: number,
    untilMs: number,
  ): Promise<Exchange> {
    if (this.#exchange !== null) throw new SplatError("internal", "the bus is asked while it answers");
    const bytesToCome = ids.length * (FRAME_BYTES + parameterCount);
    const wireMs = (request.length + bytesToCome) * MS_PER_BYTE;
    const exchange = await new Promise<Exchange>((resolve) => {
      this.#parser.clear(parameterCount);
      const deadlineMs = Math.min(steadyMs() + wireMs + ANSWER_MARGIN_MS, untilMs);
      const sentS = this.#now();
      const sentMs = steadyMs();
      const begun: Exchange = {
        missing: new Set(ids),
        parameterCount,
        packets: [],
        sentS,
        sentMs,
        lastByteS: sentS,
        lastByteMs: sentMs,
        bytesToCome,
        deadlineMs,
        isExtended: false,
        timer: setTimeout(() => this.#onTimer(begun), deadlineMs - steadyMs()),
        finish: () => {
          clearTimeout(begun.timer);
          this.#exchange = null;
          resolve(begun);
        },
      };
      this.#exchange = begun;
      this.#line.write(request);
    });
    return exchange;
  }

  #take(bytes: Uint8Array): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    exchange.lastByteS = this.#now();
    exchange.lastByteMs = steadyMs();
    exchange.bytesToCome -= bytes.length;
    for (const packet of this.#parser.push(bytes)) {
      if (packet.parameters.length !== exchange.parameterCount) continue;
      if (exchange.missing.delete(packet.id)) exchange.packets.push(packet);
    }
    if (exchange.missing.size === 0) exchange.finish();
    else this.#shorten(exchange, exchange.bytesToCome > 0 ? SILENCE_MS : LAST_BYTES_MS);
  }

  #shorten(exchange: Exchange, waitMs: number): void {
    const deadlineMs = Math.min(exchange.deadlineMs, steadyMs() + waitMs);
    clearTimeout(exchange.timer);
    exchange.timer = setTimeout(() => this.#onTimer(exchange, deadlineMs), deadlineMs - steadyMs());
  }

  #onTimer(exchange: Exchange, dueMs = exchange.deadlineMs): void {
    if (exchange !== this.#exchange) return;
    if (exchange.isExtended || steadyMs() - dueMs < LATE_TIMER_MS) {
      exchange.finish();
      return;
    }
    exchange.isExtended = true;
    exchange.timer = setTimeout(() => this.#onTimer(exchange), SILENCE_MS);
  }
}
