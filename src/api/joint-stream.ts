/**
 * Joint readings to a backend, a hundred a second and for hours. The same call as `Client.updateJoints`, over undici's
 * dispatcher instead of fetch, which takes four times the CPU time (some 20 % of a core at 100 Hz), for the one call that
 * is made all the time.
 */
import { Pool, type Dispatcher } from "undici";
import type { SplatError } from "../errors.ts";
import type { Client, ClientOptions } from "./client.ts";
import { isCloudBackend } from "./cloud.ts";
import { carriedBy, credentialHeaders, hide } from "./credentials.ts";
import { breach, parseJson, refused, silent, unreachable, type Asked } from "./failure.ts";
import { proxyDispatcher, proxyFor } from "./network.ts";
import { otherScene } from "./transport.ts";
import { COLD_START_MS, watchWaking } from "./waking.ts";

export interface JointStream extends Pick<Client, "url" | "isCloud" | "updateJoints"> {
  close(): Promise<void>;
}

/** A reading is worth nothing after so long; only one that may be what starts a cloud is waited for longer. */
const DEFAULT_TIMEOUT_MS = 5000;
const PATH = "/update-joint-angles";
/** A refusal is a few hundred bytes; what is longer does not come from a backend. */
const MOST_BODY_CHARS = 64 * 1024;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Ready to send; nothing is sent until the first call. Throws what `Client.updateJoints` throws. */
export function openJointStream(options: Omit<ClientOptions, "fetch">): JointStream {
  const { token, proxyAuth } = options;
  const url = options.url.replace(/\/+$/, "");
  const isCloud = isCloudBackend({ ...options, url });
  const { timeoutMs = DEFAULT_TIMEOUT_MS, coldStartMs: coldMs = COLD_START_MS } = options;
  const wake = isCloud ? watchWaking({ warmMs: timeoutMs, coldMs }, options.onStarting) : null;
  const scene = otherScene(options.scene);
  const { origin, pathname } = new URL(`${url}${PATH}`);
  const path = scene === undefined ? pathname : `${pathname}?scene=${scene}`;
  const proxy = proxyFor({ url, proxy: options.proxy });
  const asked: Asked = { url, method: "POST", path: PATH, scene, proxy: proxy?.variable };
  const pool =
    proxy === undefined
      ? new Pool(origin, { bodyTimeout: timeoutMs, connectTimeout: timeoutMs })
      : proxyDispatcher(proxy, { bodyTimeout: timeoutMs });
  const headers = { "content-type": "application/json", ...credentialHeaders(options) };
  const carried = carriedBy(options);
  return {
    url,
    isCloud,
    async updateJoints(update) {
      const body = JSON.stringify(update);
      const waking = wake?.();
      const headersTimeout = waking?.patienceMs ?? timeoutMs;
      const answer = await dispatch(pool, {
        origin,
        method: "POST",
        path,
        headers,
        body,
        headersTimeout,
      }).catch((thrown: unknown) => {
        waking?.end(false);
        throw failureOf(asked, thrown, { headersMs: headersTimeout, bodyMs: timeoutMs });
      });
      waking?.end(answer.status !== 303);
      const { status, text } = answer;
      // Modal, after 150 s: the reading waits for a backend that is being started. Its answer is worth nothing.
      if (isCloud && status === 303) return;
      if (status < 200 || status > 299) {
        throw refused(asked, answer, hide([token, proxyAuth?.key, proxyAuth?.secret], text), carried);
      }
      const value = parseJson(text) as { success?: unknown } | null | undefined;
      if (value?.success !== true) throw breach(asked, "something that is no answer of a backend");
    },
    close: () => pool.destroy(),
  };
}

function failureOf(
  asked: Asked,
  thrown: unknown,
  { headersMs, bodyMs }: { readonly headersMs: number; readonly bodyMs: number },
): SplatError {
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === "UND_ERR_HEADERS_TIMEOUT") return silent(asked, headersMs);
  return code === "UND_ERR_BODY_TIMEOUT" ? silent(asked, bodyMs) : unreachable(asked, thrown);
}

function dispatch(pool: Dispatcher, call: Dispatcher.DispatchOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const decoder = new TextDecoder();
    let [status, text] = [0, ""];
    let received: Record<string, string | string[] | undefined> = {};
    pool.dispatch(call, {
      onRequestStart: () => undefined,
      onResponseStart(_controller, statusCode, responseHeaders) {
        [status, received] = [statusCode, responseHeaders];
      },
      onResponseData(_controller, chunk) {
        if (text.length < MOST_BODY_CHARS) text += decoder.decode(chunk, { stream: true });
      },
      onResponseEnd: () => resolve({ status, text, headers: headersOf(status, received) }),
      onResponseError: (_controller, error) => reject(error),
    });
  });
}

/** Read only when the answer is a refusal: not worth making 100 times a second. */
function headersOf(status: number, received: Record<string, string | string[] | undefined>): Headers {
  const headers = new Headers();
  if (status < 300) return headers;
  for (const name of ["retry-after", "content-type", "location"]) {
    const value = received[name];
    if (typeof value === "string") headers.set(name, value);
  }
  return headers;
}
