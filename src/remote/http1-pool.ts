/**
 * GET requests over a few connections of HTTP/1.1 that stay open. In place of Node's and undici's clients, which take
 * three to five times the CPU time for each byte: here the system reads straight into blocks of memory that go on to
 * whoever takes the body, with neither streams nor copies in between.
 */
import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AnswerParser, type AnswerHead } from "./http1-answer.ts";
import { giveBack, lend, ReadMemory } from "./r2-memory.ts";

export interface PoolOptions {
  readonly connections: number;
  readonly connectTimeoutMs: number;
  /** How long a connection that nobody uses stays open. */
  readonly keepAliveMs: number;
}

/** A connection as whoever takes an answer sees it. */
export interface Flow {
  /** Bring nothing more until `resume`. */
  pause(): void;
  resume(): void;
  /** End the request, and the connection with it. */
  abort(): void;
}

/** What becomes of a request. */
export interface Exchange {
  /** It is on its way. */
  onStart(flow: Flow): void;
  onHead(head: AnswerHead): void;
  /** The bytes are the taker's own until it gives them back (`r2-memory.ts`). */
  onPiece(piece: Uint8Array): void;
  onEnd(): void;
  /** The connection failed, in whatever state the request was. Errors have Node's codes. */
  onError(error: Error): void;
}

interface Waiting {
  readonly text: string;
  readonly exchange: Exchange;
}

/** See the top of the file. */
export class Http1Pool {
  readonly #origin: URL;
  readonly #options: PoolOptions;
  readonly #connections = new Set<Connection>();
  readonly #waiting: Waiting[] = [];

  constructor(origin: string, options: PoolOptions) {
    this.#origin = new URL(origin);
    this.#options = options;
  }

  /** Send a request as soon as there is a connection for it. */
  get(path: string, headers: Readonly<Record<string, string>>, exchange: Exchange): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    if (!("host" in headers) && !("Host" in headers)) lines.unshift(`host: ${this.#origin.host}\r\n`);
    if (/[\r\n\0 ]/.test(path) || lines.some((line) => /[\r\n\0]/.test(line.slice(0, -2)))) {
      exchange.onError(new Error("a request that would be two"));
      return;
    }
    this.#waiting.push({ text: `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, exchange });
    this.#sendNext();
  }

  /** Take a request back that is still waiting. */
  cancel(exchange: Exchange): void {
    const at = this.#waiting.findIndex((waiting) => waiting.exchange === exchange);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** End all connections, requests under way with them. */
  destroy(): void {
    const closed = Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" });
    for (const { exchange } of this.#waiting.splice(0)) exchange.onError(closed);
    for (const connection of this.#connections) connection.fail(closed);
  }

  #sendNext(): void {
    while (this.#waiting.length > 0) {
      let connection = [...this.#connections].find(({ isFree }) => isFree);
      if (connection === undefined) {
        if (this.#connections.size >= this.#options.connections) return;
        connection = new Connection(this.#origin, this.#options, {
          onFree: () => this.#sendNext(),
          onClose: (closed, error) => {
            this.#connections.delete(closed);
            // One that broke while it was needed: those that nobody needs may be broken too, and not know it yet.
            if (error !== null) for (const other of this.#connections) if (other.isFree) other.fail(error);
            this.#sendNext();
          },
        });
        this.#connections.add(connection);
      }
      const next = this.#waiting.shift();
      if (next !== undefined) connection.send(next);
    }
  }
}

interface ConnectionEvents {
  readonly onFree: () => void;
  /** `error`: with which a request failed. */
  readonly onClose: (connection: Connection, error: Error | null) => void;
}

/** One connection, with one request at a time. */
class Connection implements Flow {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  #keepAliveMs: number;
  readonly #connecting: NodeJS.Timeout;
  readonly #memory = new ReadMemory();
  #exchange: Exchange | null = null;
  #parser: AnswerParser | null = null;
  /** Came while nothing more is wanted: TLS brings all of what it has read already. */
  #rest: Buffer[] = [];
  #isPaused = false;
  #hasEnded = false;
  #isOver = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(origin: URL, { connectTimeoutMs, keepAliveMs }: PoolOptions, events: ConnectionEvents) {
    this.#events = events;
    this.#keepAliveMs = keepAliveMs;
    this.#socket = this.#connect(origin);
    const late = Object.assign(new Error("no connection in time"), { code: "ETIMEDOUT" });
    this.#connecting = setTimeout(() => this.fail(late), connectTimeoutMs);
    const connected = origin.protocol === "https:" ? "secureConnect" : "connect";
    this.#socket
      .setNoDelay(true)
      .on(connected, () => clearTimeout(this.#connecting))
      .on("error", (error) => this.fail(error))
      .on("end", () => this.#readEnd())
      .on("close", () => this.#readEnd());
  }

  get isFree(): boolean {
    return this.#exchange === null && !this.#isOver;
  }

  send({ text, exchange }: Waiting): void {
    clearTimeout(this.#idle);
    this.#socket.ref();
    this.#exchange = exchange;
    this.#parser = new AnswerParser({
      onHead: (head) => {
        this.#keepAliveMs = Math.min(this.#keepAliveMs, offeredMs(head));
        exchange.onHead(head);
      },
      onPiece: (piece) => {
        lend(piece);
        exchange.onPiece(piece);
      },
      onEnd: (isLast) => this.#end(exchange, isLast),
    });
    this.#socket.write(text, "latin1");
    exchange.onStart(this);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused || this.#isOver) return;
    this.#isPaused = false;
    const rest = this.#rest;
    this.#rest = [];
    for (const bytes of rest) this.#read(bytes);
    giveBack(rest);
    if (this.#isPaused || this.#isOver) return;
    if (this.#hasEnded) this.#readEnd();
    else this.#socket.resume();
  }

  abort(): void {
    this.#exchange = null;
    this.fail(new Error("given up"));
  }

  /** It is of no use any more; a request that is on its way fails with this. */
  fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#connecting);
    clearTimeout(this.#idle);
    this.#socket.destroy();
    this.#memory.end();
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.onError(error);
    this.#events.onClose(this, exchange === null ? null : error);
  }

  #connect({ protocol, hostname, port }: URL): Socket {
    const host = hostname.replace(/^\[|\]$/g, "");
    const onread: OnReadOpts = {
      // Asked for before each read.
      buffer: () => this.#memory.room(),
      callback: (bytes) => {
        this.#read(this.#memory.filled(bytes));
        return !this.#isPaused;
      },
    };
    if (protocol !== "https:") return connectTcp({ host, port: Number(port || 80), onread });
    const servername = isIP(host) === 0 ? host : "";
    const options = { host, port: Number(port || 443), servername, ALPNProtocols: ["http/1.1"], onread };
    return connectTls(options);
  }

  #read(bytes: Buffer): void {
    let rest = bytes;
    try {
      while (rest.length > 0 && !this.#isPaused && !this.#isOver) {
        if (this.#parser === null) throw new Error("an answer that nobody asked for");
        rest = this.#parser.read(rest);
      }
    } catch (error) {
      this.fail(error as Error);
    }
    if (rest.length === 0 || this.#isOver) return;
    lend(rest);
    this.#rest.push(rest);
  }

  #readEnd(): void {
    this.#hasEnded = true;
    if (this.#isOver || this.#isPaused) return;
    const isWhole = this.#parser?.readEnd() ?? true;
    if (isWhole) this.#exchange = null;
    this.fail(Object.assign(new Error("the other side closed the connection"), { code: "ECONNRESET" }));
  }

  #end(exchange: Exchange, isLast: boolean): void {
    this.#exchange = null;
    this.#parser = null;
    // Whoever still works on the last piece holds up nobody else.
    this.#isPaused = false;
    if (isLast || this.#keepAliveMs <= 0) {
      this.fail(new Error("over"));
    } else {
      // Nothing of it keeps the process alive.
      this.#socket.unref();
      this.#idle = setTimeout(() => this.fail(new Error("not used")), this.#keepAliveMs);
      this.#idle.unref();
    }
    exchange.onEnd();
    this.#events.onFree();
  }
}

/** For how long the server keeps the connection, less the time that a request takes to get there. */
function offeredMs({ headers }: AnswerHead): number {
  const seconds = /\btimeout=(\d+)/.exec(headers["keep-alive"] ?? "")?.[1];
  return seconds === undefined ? Infinity : (Number(seconds) - 1) * 1000;
}
