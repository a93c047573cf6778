/**
 * A backend behind the edge of a cloud, over loopback: what Modal does to requests (a result under another address, late
 * answers, plain-text refusals, containers that come and go), as a test says.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { MAIN_SCENE } from "../../src/api/limits.ts";
import { STATUS } from "../api/answers.ts";
import { serveHttp, type Loopback } from "./loopback.ts";
import { ScriptedScene, notFound, type Reply } from "./scripted-scene.ts";

/** A request that has come to the edge. */
export interface Asked {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

/** What the edge does, for tests to change. */
export interface Edge {
  /** An answer that takes longer is under another query of the same address. */
  resultAfterMs: number;
  /** Where a 303 leads instead. */
  resultAt: string | null;
  isStopped: boolean;
  proxyAuth: { readonly key: string; readonly secret: string } | null;
  /** What the next requests are answered, whatever they ask; `path`: only those for it. */
  readonly next: { readonly reply: Reply; readonly path?: string }[];
}

export interface ScriptedCloud extends Loopback {
  /** The same server under a name of Modal's, for programs started with `environment`. */
  readonly cloudUrl: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly edge: Edge;
  /** Every request, in order. */
  readonly asked: Asked[];
  /** Those for a path. */
  askedFor(path: string): Asked[];
  scene(name?: string): ScriptedScene;
  /** The container goes; the next request starts another one, which takes so long. Loses what is above `keep`. */
  preempt(options?: { readonly keep?: number; readonly coldStartMs?: number }): void;
}

/** What an edge says in plain text; the first three are Modal's own words. */
export const MODAL = {
  noCredentials: plain(401, "modal-http: missing credentials for proxy authorization"),
  stopped: plain(404, "modal-http: app for invoked web endpoint is stopped"),
  late: plain(408, "Missing request, possibly due to expiry or cancellation"),
  tooMany: plain(429, "rate limit exceeded"),
  broken: plain(502, "upstream connect error"),
} as const;

/** A reply in plain text. */
export function plain(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers }, body: text };
}

const NAMES = fileURLToPath(new URL("cloud-names.mjs", import.meta.url));
const RESULT = "__modal_function_call_id";

/** Start one whose container runs after `coldStartMs`; it closes when the test ends. */
export async function scriptedCloud({
  coldStartMs = 0,
  scenes = [MAIN_SCENE],
}: { readonly coldStartMs?: number; readonly scenes?: readonly string[] } = {}): Promise<ScriptedCloud> {
  const edge: Edge = { resultAfterMs: Infinity, resultAt: null, isStopped: false, proxyAuth: null, next: [] };
  const asked: Asked[] = [];
  const held = new Map(scenes.map((name) => [name, new ScriptedScene(STATUS)]));
  const results = new Map<string, Promise<Reply>>();
  // Nothing starts before it is asked for.
  let startMs = coldStartMs;
  let started: Promise<unknown> | null = null;

  async function backend(request: IncomingMessage, body: Buffer, url: URL): Promise<Reply> {
    started ??= sleep(startMs);
    await started;
    const scene = held.get(url.searchParams.get("scene") ?? MAIN_SCENE);
    return (await scene?.answer(request, body, url.pathname)) ?? notFound(scene === undefined);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://edge");
    asked.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers });
    const body = await bodyOf(request);
    const refusal = refusalOf(edge, request, url.pathname);
    if (refusal !== null) return send(response, refusal);
    const waited = url.searchParams.get(RESULT);
    const id = waited ?? `fc-${asked.length}`;
    const result = results.get(id) ?? backend(request, body, url);
    results.set(id, result);
    const reply = await Promise.race([result, late(edge.resultAfterMs)]);
    if (reply !== null) return send(response, reply);
    url.searchParams.set(RESULT, id);
    const location = edge.resultAt ?? `${url.pathname}${url.search}`;
    send(response, { status: 303, headers: { location }, body: "" });
  }

  const server = await serveHttp(
    (request, response) => void handle(request, response).catch(() => response.destroy()),
  );
  onTestFinished(() => server.close());
  return {
    ...server,
    cloudUrl: server.url.replace("127.0.0.1", "live-splat.modal.run"),
    environment: { NODE_OPTIONS: `--import=${NAMES}` },
    edge,
    asked,
    askedFor: (path) => asked.filter((one) => new URL(one.path, "http://edge").pathname === path),
    scene: (name = MAIN_SCENE) => held.get(name) ?? new ScriptedScene(STATUS),
    preempt({ keep = Infinity, coldStartMs: againMs = 0 } = {}) {
      [startMs, started] = [againMs, null];
      for (const scene of held.values()) scene.restore(keep);
    },
  };
}

function refusalOf(edge: Edge, { headers }: IncomingMessage, path: string): Reply | null {
  if (edge.isStopped) return MODAL.stopped;
  const { proxyAuth } = edge;
  const isLetIn =
    proxyAuth === null ||
    (headers["modal-key"] === proxyAuth.key && headers["modal-secret"] === proxyAuth.secret);
  if (!isLetIn) return MODAL.noCredentials;
  const at = edge.next.findIndex((one) => one.path === undefined || one.path === path);
  return at === -1 ? null : edge.next.splice(at, 1)[0].reply;
}

async function late(afterMs: number): Promise<null> {
  if (afterMs === Infinity) return new Promise(() => undefined);
  await sleep(afterMs);
  return null;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, headers).end(body);
}
