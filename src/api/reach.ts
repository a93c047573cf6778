/** From a request to the headers of its answer, wherever Modal says that this will be. */
import { sleep, steadyMs } from "../time.ts";
import { resultUrl } from "./edge.ts";
import { silent, type Asked } from "./failure.ts";
import type { Travel } from "./network.ts";
import type { Watch } from "./silence.ts";
import type { Call } from "./transport.ts";

/** Uploads are handed over in pieces of this size, so that each one sent proves the connection alive. */
const PIECE_BYTES = 64 * 1024;
/** Between two looks for a result, should they not block as they are said to. */
const BETWEEN_LOOKS_MS = 250;

/** With what a request travels. */
export interface Way {
  readonly travel: Travel;
  readonly credentials: Readonly<Record<string, string>>;
  /** For a request whose result is waited for elsewhere, from its start. */
  readonly overallMs: number;
  readonly asked: Asked;
  readonly watch: Watch;
}

/**
 * Ask, and where a 303 says that the result will be under another query of the same address, ask there. Throws what the
 * connection throws, `unreachable` when the result is not there in time.
 */
export async function reach(way: Way, call: Call): Promise<Response> {
  const { travel, credentials, overallMs, asked, watch } = way;
  const deadlineMs = steadyMs() + overallMs;
  const first = `${asked.url}${call.path}${queryOf({ scene: asked.scene, ...call.query })}`;
  let response = await travel(first, {
    method: call.method,
    headers: { ...credentials, ...call.headers, ...lengthOf(call.body) },
    ...(call.body === undefined ? {} : { body: bodyOf(call.body, watch), duplex: "half" }),
    // A redirected POST would turn into a GET, or carry the token elsewhere: say it instead.
    redirect: "manual",
    signal: watch.signal,
  });
  const { "content-type": _, ...headers } = call.headers ?? {};
  for (let next = resultUrl(first, response); next !== null; next = resultUrl(first, response)) {
    await response.body?.cancel();
    watch.pause();
    await sleep(BETWEEN_LOOKS_MS, watch.signal);
    const restMs = deadlineMs - steadyMs();
    if (restMs <= 0) throw silent(asked, overallMs);
    watch.setPatience(restMs);
    watch.touch();
    response = await travel(next, {
      method: "GET",
      headers: { ...credentials, ...headers },
      redirect: "manual",
      signal: watch.signal,
    });
  }
  return response;
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
