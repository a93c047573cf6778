/**
 * A loopback HTTP proxy that does to requests what networks and busy servers do. Host and path pass unchanged, so signed
 * requests stay valid. Faults come from a plan: a script, a seeded rate, or any function of the request.
 */
import { createServer, request as forwardRequest } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "./random.ts";

export type Side = "request" | "response";

export type Fault =
  /** Cut the connection when it asks, before anything is read. */
  | { readonly kind: "refuse" }
  /** Cut it once so many bytes of the body have passed. A response cut at 0 is lost, its request done. */
  | { readonly kind: "reset"; readonly side: Side; readonly atByte: number }
  /** Let so many bytes of the body pass, then nothing more; the connection stays. */
  | { readonly kind: "stall"; readonly side: Side; readonly atByte: number }
  | { readonly kind: "slow"; readonly side: Side; readonly bytesPerS: number }
  /** End the response cleanly after so many bytes of its body. */
  | { readonly kind: "truncate"; readonly atByte: number }
  /** Flip every bit of one byte of the body; one beyond the end changes nothing. */
  | { readonly kind: "corrupt"; readonly side: Side; readonly atByte: number }
  /** Send the request twice; the second answer is given. */
  | { readonly kind: "duplicate" }
  /** Answer in the server's stead, and let it know nothing. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly retryAfterS?: number;
      readonly body?: string;
    };

/** A request as a plan sees it. */
export interface Asked {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Its Range header. */
  readonly range?: string | undefined;
  /** From 0, over all requests. */
  readonly index: number;
}

/** What befalls a request; null = nothing. */
export type FaultPlan = (asked: Asked) => Fault | null;

export interface FaultProxy {
  /** No trailing slash. */
  readonly url: string;
  /** In force for requests from now on. */
  plan: FaultPlan;
  /** Every request that came, with what befell it. */
  readonly seen: readonly (Asked & { readonly fault: Fault | null })[];
  /** Every answer that went out whole, in order. */
  readonly answers: readonly { readonly path: string; readonly status: number }[];
  /** Take no connections and cut those there are, until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

/** One fault for each request in turn, then none. */
export function scriptedFaults(...faults: readonly (Fault | null)[]): FaultPlan {
  const left = [...faults];
  return () => left.shift() ?? null;
}

/** A share `rate` (0…1) of requests meets one of `faults`; the same seed gives the same sequence. */
export function seededFaults(seed: number, rate: number, faults: readonly Fault[]): FaultPlan {
  const random = seededRandom(seed);
  return () => (random() < rate ? faults[Math.floor(random() * faults.length)] : null);
}

/** Stand between a client and `target` (scheme, host and port). */
export async function startFaultProxy(target: string, plan: FaultPlan = () => null): Promise<FaultProxy> {
  const origin = new URL(target);
  const seen: (Asked & { fault: Fault | null })[] = [];
  const answers: { path: string; status: number }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    response.on("finish", () => answers.push({ path: request.url ?? "", status: response.statusCode }));
    const { method = "", url: path = "", headers } = request;
    const asked = { method, path, range: headers.range, index: seen.length };
    const fault = proxy.plan(asked);
    seen.push({ ...asked, fault });
    serve(origin, request, response, fault).catch(() => request.socket.destroy());
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  const port = await listen(server, 0);
  const down = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  };
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${port}`,
    plan,
    seen,
    answers,
    down,
    up: async () => void (await listen(server, port)),
    close: async () => {
      if (server.listening) await down();
    },
  };
  return proxy;
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

async function serve(
  origin: URL,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | null,
): Promise<void> {
  if (fault?.kind === "refuse") {
    request.socket.resetAndDestroy();
    return;
  }
  if (fault?.kind === "answer") {
    answer(request, response, fault);
    return;
  }
  if (fault?.kind === "duplicate") {
    const body = Buffer.concat(await request.toArray());
    const first = await forward(origin, request, response, Readable.from([body]));
    await first.resume().toArray();
    await reply(await forward(origin, request, response, Readable.from([body])), response, null);
    return;
  }
  const outward = fault !== null && "side" in fault && fault.side === "request" ? fault : null;
  const inward = outward === null ? fault : null;
  const body = through(request, outward, request.socket);
  await reply(await forward(origin, request, response, body), response, inward);
}

/** The body is read first, as a server would that is busy only after it took the request. */
function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, retryAfterS, body = "" }: Fault & { kind: "answer" },
): void {
  request.resume().on("end", () => {
    if (retryAfterS !== undefined) response.setHeader("Retry-After", String(retryAfterS));
    response.writeHead(status, { "content-type": "application/xml" }).end(body);
  });
}

function forward(
  origin: URL,
  request: IncomingMessage,
  response: ServerResponse,
  body: Readable,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const onward = forwardRequest(
      {
        host: origin.hostname,
        port: origin.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
        setHost: false,
        agent: false,
      },
      resolve,
    );
    onward.on("error", (error) => {
      // A server may answer and hang up before it has read everything; the sender still gets the answer.
      request.unpipe();
      request.resume();
      reject(error);
    });
    response.once("close", () => onward.destroy());
    body.pipe(onward);
  });
}

async function reply(
  answered: IncomingMessage,
  response: ServerResponse,
  fault: Fault | null,
): Promise<void> {
  const { socket } = response;
  response.writeHead(answered.statusCode ?? 502, answered.headers);
  if (socket === null) return;
  if (fault?.kind === "reset" && fault.atByte === 0) socket.resetAndDestroy();
  else await pipeline(through(answered, fault, socket), response).catch(() => socket.destroy());
}

/** The bytes of a body with what befalls them. */
function through(body: Readable, fault: Fault | null, socket: Socket): Readable {
  switch (fault?.kind) {
    case "reset":
      return body.pipe(cutAfter(fault.atByte, () => socket.resetAndDestroy()));
    case "truncate":
      return body.pipe(cutAfter(fault.atByte, () => socket.end()));
    case "stall":
      return body.pipe(cutAfter(fault.atByte, () => undefined));
    case "slow":
      // Who asked may hang up meanwhile.
      return Readable.from(slowed(body, fault.bytesPerS), { objectMode: false }).on("error", () => undefined);
    case "corrupt":
      return body.pipe(corrupted(fault.atByte));
    default:
      return body;
  }
}

/** Passes `atByte` bytes, then calls `cut` and never passes or ends anything more. */
function cutAfter(atByte: number, cut: () => void): Transform {
  let passed = 0;
  return new Transform({
    transform(piece: Buffer, _encoding, next) {
      const rest = piece.subarray(0, Math.max(0, atByte - passed));
      passed += piece.length;
      if (rest.length > 0) this.push(rest);
      if (passed < atByte) next();
      // What was pushed leaves first.
      else setImmediate(cut);
    },
  });
}

async function* slowed(body: Readable, bytesPerS: number): AsyncGenerator<Buffer> {
  const step = Math.max(1, Math.ceil(bytesPerS / 20));
  for await (const piece of body as AsyncIterable<Buffer>) {
    for (let at = 0; at < piece.length; at += step) {
      yield piece.subarray(at, at + step);
      await sleep(50);
    }
  }
}

function corrupted(atByte: number): Transform {
  let passed = 0;
  return new Transform({
    transform(piece: Buffer, _encoding, next) {
      const at = atByte - passed;
      passed += piece.length;
      if (at < 0 || at >= piece.length) return next(null, piece);
      const changed = Buffer.from(piece);
      changed[at] ^= 0xff;
      next(null, changed);
    },
  });
}
