/** GET requests to one server over a few connections that stay open: what comes, when it stalls, and how it ends. */
import { setMaxListeners } from "node:events";
import { SplatError } from "../errors.ts";
import type { AnswerHead } from "./http1-answer.ts";
import { Http1Pool, type Exchange, type Flow } from "./http1-pool.ts";

export interface WireOptions {
  /** Requests at a time; more wait for their turn. Default 16. */
  readonly connections?: number | undefined;
  /** An answer of which nothing comes for this long is given up; waiting for whoever takes it does not count. Default 30 000. */
  readonly idleTimeoutMs?: number | undefined;
}

export interface WireRequest {
  /** With the query, encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** How an answer begins. */
export type WireAnswer = AnswerHead;

/** Where the body of an answer goes. Throwing or rejecting ends the request with that error. */
export interface WireBody {
  /** A promise when no more shall come before it is kept. */
  take(piece: Uint8Array): Promise<void> | undefined;
  /** What to throw when the connection breaks in the midst of it. */
  broken(error: SplatError): Error;
}

/** Sends GET requests; made by `openWire`. */
export interface Wire {
  /**
   * One request. `open` judges the answer and says where its body goes; throwing there ends the request. Resolves when
   * the body was taken as far as the server says it goes. Throws what `open` and the body throw, the signal's reason,
   * and for a connection that fails what `explain` makes of it.
   */
  get(request: WireRequest, open: (answer: WireAnswer) => WireBody, signal: AbortSignal): Promise<void>;
  /** Let the connections go, requests under way with them. */
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 30_000;
const CONNECTIONS = 16;
/** Whoever asks again within this time needs no new handshake; servers mostly keep a connection for longer. */
const KEEP_ALIVE_MS = 20_000;

/** A way to the server at `origin`; `explain` puts its connection errors into words. Nothing is sent yet. */
export function openWire(
  origin: string,
  { connections = CONNECTIONS, idleTimeoutMs = IDLE_TIMEOUT_MS }: WireOptions,
  explain: (error: Error) => SplatError,
): Wire {
  const pool = new Http1Pool(origin, {
    connections,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    keepAliveMs: KEEP_ALIVE_MS,
  });
  return {
    get: ({ path, headers }, open, signal) =>
      new Promise((resolve, reject) => {
        // All requests of a command listen to one signal; Node would take the eleventh for a leak.
        setMaxListeners(0, signal);
        const cancel = (): void => pool.cancel(exchange);
        const exchange = new WireExchange({ open, explain, idleTimeoutMs, signal, resolve, reject, cancel });
        if (signal.aborted) exchange.giveUp();
        else pool.get(path, headers, exchange);
      }),
    close: async () => pool.destroy(),
  };
}

interface ExchangeDeps {
  readonly open: (answer: WireAnswer) => WireBody;
  readonly explain: (error: Error) => SplatError;
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly cancel: () => void;
}

/** One request and its answer. */
class WireExchange implements Exchange {
  readonly #deps: ExchangeDeps;
  #flow: Flow | undefined;
  #body: WireBody | undefined;
  /** What the body's taker still does with the last piece. */
  #taking: Promise<void> | undefined;
  /** Runs while something is to come; not while it waits for a connection or for the body's taker. */
  #idle: NodeJS.Timeout | undefined;
  #moves = 0;
  #isOver = false;

  constructor(deps: ExchangeDeps) {
    this.#deps = deps;
    deps.signal.addEventListener("abort", this.giveUp, { once: true });
  }

  readonly giveUp = (): void => {
    this.#fail(reasonOf(this.#deps.signal));
  };

  onStart(flow: Flow): void {
    this.#flow = flow;
    this.#expect();
  }

  onHead(head: AnswerHead): void {
    if (this.#isOver) return;
    this.#moved();
    try {
      this.#body = this.#deps.open(head);
    } catch (thrown) {
      this.#fail(thrown as Error);
    }
  }

  onPiece(piece: Uint8Array): void {
    if (this.#isOver) return;
    this.#moved();
    try {
      const taking = this.#body?.take(piece);
      if (taking === undefined) return;
      this.#flow?.pause();
      this.#expectNothing();
      this.#taking = this.#waitFor(taking);
    } catch (thrown) {
      this.#fail(thrown as Error);
    }
  }

  onEnd(): void {
    this.#flow = undefined;
    if (this.#taking === undefined) this.#end();
    else void this.#taking.then(() => this.#end());
  }

  onError(error: Error): void {
    this.#flow = undefined;
    this.#fail(this.#broken(error));
  }

  async #waitFor(taking: Promise<void>): Promise<void> {
    try {
      await taking;
      this.#taking = undefined;
      if (this.#isOver || this.#flow === undefined) return;
      this.#expect();
      this.#flow.resume();
    } catch (thrown) {
      this.#fail(thrown as Error);
    }
  }

  #expect(): void {
    this.#expectNothing();
    this.#idle = setTimeout(() => {
      const moves = this.#moves;
      // When this process was held up, what came meanwhile is read before that.
      setImmediate(() => {
        if (this.#moves === moves) this.#fail(this.#broken(stalled()));
      });
    }, this.#deps.idleTimeoutMs);
  }

  #expectNothing(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
  }

  #moved(): void {
    this.#moves++;
    this.#idle?.refresh();
  }

  #broken(error: Error): Error {
    const explained = this.#deps.explain(error);
    return this.#body?.broken(explained) ?? explained;
  }

  #end(): void {
    if (this.#settle()) this.#deps.resolve();
  }

  #fail(error: Error): void {
    if (!this.#settle()) return;
    this.#deps.reject(error);
    if (this.#flow === undefined) this.#deps.cancel();
    else this.#flow.abort();
  }

  /** Whether it was not over yet. */
  #settle(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#expectNothing();
    this.#deps.signal.removeEventListener("abort", this.giveUp);
    return true;
  }
}

function stalled(): Error {
  return Object.assign(new Error("nothing moved on the connection"), { code: "ERR_STALLED" });
}

/** Whoever aborts without saying why gave up. */
function reasonOf({ reason }: AbortSignal): Error {
  const isBare = !(reason instanceof Error) || reason.name === "AbortError";
  return isBare ? new SplatError("interrupted", "the request to the bucket was given up") : reason;
}
