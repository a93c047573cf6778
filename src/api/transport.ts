/** How a request travels: one attempt, watched for silence, every failure turned into a SplatError. */
import { fetch as undiciFetch } from "undici";
import type { z } from "zod";
import { SplatError } from "../errors.ts";
import type { ClientOptions } from "./client.ts";
import { breach, parseJson, refused, silent, unreachable, type Asked } from "./failure.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
/** Uploads are handed over in pieces of this size, so that each one sent proves the connection alive. */
const PIECE_BYTES = 64 * 1024;

/** One request. */
export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal?: AbortSignal | undefined;
}

/** What came back, when it is no refusal. The body is to be read, or discarded, exactly once. */
export interface Answer {
  readonly asked: Asked;
  readonly status: number;
  readonly headers: Headers;
  /** The body as it arrives. Throws `unreachable` when it breaks off or falls silent. */
  bytes(): AsyncGenerator<Uint8Array, void, undefined>;
  text(): Promise<string>;
  discard(): Promise<void>;
}

export interface Transport {
  /** Throws as the JSDoc of `Client` says; 304 is an answer like any 2xx. */
  readonly send: (call: Call) => Promise<Answer>;
  /** Send and parse a JSON answer. */
  readonly json: <T>(schema: z.ZodType<T>, call: Call) => Promise<T>;
}

/** A way to one backend. Throws `not_configured` for a token that no header can carry. */
export function createTransport(options: ClientOptions): Transport {
  const { url, token, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const travel = options.fetch === undefined ? overUndici : overFunction(options.fetch);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new SplatError("not_configured", "the API token holds characters that no header can carry", {
      hint: "Set SPLAT_API_TOKEN to the token alone: no spaces, line ends or quotes.",
    });
  }
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };

  async function send(call: Call): Promise<Answer> {
    const asked: Asked = { url, method: call.method, path: call.path };
    const watch = watchSilence(timeoutMs, asked, call.signal);
    try {
      const response = await travel(`${url}${call.path}${queryOf(call.query)}`, {
        method: call.method,
        headers: { ...authorization, ...call.headers, ...lengthOf(call.body) },
        ...(call.body === undefined ? {} : { body: bodyOf(call.body, watch), duplex: "half" }),
        // A redirected POST would turn into a GET, or carry the token elsewhere: say it instead.
        redirect: "manual",
        signal: watch.signal,
      });
      const answer = answerOf(asked, response, watch);
      watch.pause();
      if (response.ok || response.status === 304) return answer;
      throw refused(asked, response, hide(token, await answer.text()), token !== undefined);
    } catch (thrown) {
      throw watch.end(thrown);
    }
  }

  async function json<T>(schema: z.ZodType<T>, call: Call): Promise<T> {
    const answer = await send(call);
    const text = await answer.text();
    const value = parseJson(text);
    if (value === undefined) {
      throw breach(
        answer.asked,
        `something that is not JSON (${answer.headers.get("content-type") ?? "untyped"})`,
      );
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const field = parsed.error.issues[0].path.join(".");
    throw breach(answer.asked, `JSON that breaks the contract${field === "" ? "" : ` at "${field}"`}`);
  }

  return { send, json };
}

type Travel = (url: string, init: RequestInit & { duplex?: "half" }) => Promise<Response>;

/** undici's own types and the global ones describe the same objects, yet do not match by name. */
const overUndici = undiciFetch as unknown as Travel;

function overFunction(fetch: (request: Request) => Promise<Response>): Travel {
  return (url, init) => fetch(new Request(url, init));
}

/** A signal that fires when the caller's does, or when nothing was heard for a while. */
interface Watch {
  readonly signal: AbortSignal;
  /** Something moved: count from now. */
  touch(): void;
  /** Nobody is waiting for the backend now. */
  pause(): void;
  /** Stop watching. Given what was thrown, answers what to throw instead: the caller's reason wins. */
  end(thrown?: unknown): unknown;
}

function watchSilence(timeoutMs: number, asked: Asked, caller: AbortSignal | undefined): Watch {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const pause = (): void => clearTimeout(timer);
  const touch = (): void => {
    pause();
    if (ended) return; // a refused upload may still be read for a while
    timer = setTimeout(() => controller.abort(silent(asked, timeoutMs)), timeoutMs);
  };
  const onCaller = (): void => controller.abort(caller?.reason);
  if (caller?.aborted === true) onCaller();
  caller?.addEventListener("abort", onCaller, { once: true });
  touch();
  return {
    signal: controller.signal,
    touch,
    pause,
    end(thrown) {
      ended = true;
      pause();
      caller?.removeEventListener("abort", onCaller);
      if (controller.signal.aborted) return controller.signal.reason as unknown;
      return thrown instanceof SplatError ? thrown : unreachable(asked, thrown);
    },
  };
}

function answerOf(asked: Asked, response: Response, watch: Watch): Answer {
  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    watch.touch();
    try {
      for await (const piece of response.body ?? []) {
        watch.pause();
        yield piece as Uint8Array;
        watch.touch();
      }
    } catch (thrown) {
      throw watch.end(thrown);
    } finally {
      watch.end();
    }
  }
  return {
    asked,
    status: response.status,
    headers: response.headers,
    bytes,
    async text() {
      const decoder = new TextDecoder();
      let text = "";
      for await (const piece of bytes()) text += decoder.decode(piece, { stream: true });
      return text + decoder.decode();
    },
    async discard() {
      watch.end();
      await response.body?.cancel();
    },
  };
}

function bodyOf(body: Uint8Array | string, watch: Watch): string | ReadableStream<Uint8Array> {
  if (typeof body === "string") return body;
  let sent = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        watch.touch();
        if (sent >= body.length) return controller.close();
        controller.enqueue(body.subarray(sent, (sent += PIECE_BYTES)));
      },
    },
    { highWaterMark: 0 },
  );
}

/** A stream has no length of its own; without one it would go out in chunks, which the backend cannot refuse early. */
function lengthOf(body: Uint8Array | string | undefined): Record<string, string> {
  return body instanceof Uint8Array ? { "content-length": String(body.length) } : {};
}

function queryOf(query: Call["query"]): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined) search.set(key, String(value));
  }
  return search.size === 0 ? "" : `?${search.toString()}`;
}

/** A server that echoes what it was sent must not make us print the token. */
function hide(token: string | undefined, text: string): string {
  return token === undefined ? text : text.replaceAll(token, "[token]");
}
