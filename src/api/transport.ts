/** How a request travels: one attempt, watched for silence, every failure turned into a SplatError. */
import type { z } from "zod";
import { messageOf } from "../errors.ts";
import { sleep, steadyMs } from "../time.ts";
import type { ClientOptions } from "./client.ts";
import { isCloudBackend } from "./cloud.ts";
import { carriedBy, credentialHeaders, hide } from "./credentials.ts";
import { EDGE_ATTEMPTS, edgeWaitMs, isPassing } from "./edge.ts";
import { breach, parseJson, refused, type Asked } from "./failure.ts";
import { MAIN_SCENE } from "./limits.ts";
import { overFetch, overNetwork, proxyFor } from "./network.ts";
import { reach } from "./reach.ts";
import { watchSilence, type Watch } from "./silence.ts";
import { COLD_START_MS, watchWaking, type WakingCall } from "./waking.ts";

const DEFAULT_TIMEOUT_MS = 30_000;

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
  const { url, token, proxyAuth, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const carried = carriedBy(options);
  const secrets = [token, proxyAuth?.key, proxyAuth?.secret];
  const scene = otherScene(options.scene);
  const proxy = proxyFor(options);
  const isCloud = isCloudBackend(options);
  const coldStartMs = options.coldStartMs ?? COLD_START_MS;
  const wake = isCloud ? watchWaking({ warmMs: timeoutMs, coldMs: coldStartMs }, options.onStarting) : null;
  const way = {
    travel: options.fetch === undefined ? overNetwork(proxy) : overFetch(options.fetch),
    credentials: credentialHeaders(options),
    overallMs: coldStartMs,
  };

  async function send(call: Call): Promise<Answer> {
    const waking = wake?.() ?? null;
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          return await sendOnce(call, waking);
        } catch (thrown) {
          if (!isCloud || attempt >= EDGE_ATTEMPTS || !isPassing(thrown)) throw thrown;
          const waitMs = edgeWaitMs(thrown, attempt);
          options.onRequest?.(`${call.method} ${call.path} again in ${Math.round(waitMs)} ms`);
          await sleep(waitMs, call.signal);
        }
      }
    } finally {
      waking?.end(false);
    }
  }

  async function sendOnce(call: Call, waking: WakingCall | null): Promise<Answer> {
    const asked: Asked = { url, method: call.method, path: call.path, scene, proxy: proxy?.variable };
    const startMs = steadyMs();
    let isAnswered = false;
    const tell = (how: string): void =>
      options.onRequest?.(`${call.method} ${call.path} ${how} after ${Math.round(steadyMs() - startMs)} ms`);
    const watch = watchSilence(waking?.patienceMs ?? timeoutMs, asked, call.signal);
    try {
      const response = await reach({ ...way, asked, watch }, call);
      isAnswered = true;
      tell(String(response.status));
      waking?.end(true);
      watch.setPatience(timeoutMs);
      const answer = answerOf(asked, response, watch);
      watch.pause();
      if (response.ok || response.status === 304) return answer;
      throw refused(asked, response, hide(secrets, await answer.text()), carried);
    } catch (thrown) {
      const error = watch.end(thrown);
      if (!isAnswered) tell(`failed (${messageOf(error)})`);
      throw error;
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

/** The scene as requests name it: the main one goes without saying. */
export function otherScene(scene: string | undefined): string | undefined {
  return scene === MAIN_SCENE ? undefined : scene;
}
