/** Motion JPEG over HTTP (`multipart/x-mixed-replace`), read without ffmpeg, so that a login is in no command line. */
import type { Readable } from "node:stream";
import { Agent, type Dispatcher } from "undici";
import { messageOf, SplatError } from "../errors.ts";
import { preciseNowS } from "../time.ts";
import type { CameraAddress } from "./camera-address.ts";
import { JpegSplitter } from "./camera-jpeg.ts";
import { authorizationFor, loginOf, type Login } from "./camera-login.ts";
import type { CameraPicture } from "./camera-picture.ts";
import { cameraTrouble, nameOf } from "./camera-trouble.ts";

type NetworkAddress = Extract<CameraAddress, { kind: "network" }>;

/** How long connecting and the first bytes of an answer may take. */
const ANSWER_MS = 10_000;
const REDIRECTS = 5;

/** What an HTTP address turned out to be. */
export type HttpKind = "mjpeg" | "other";

/**
 * Whether an address is Motion JPEG: then we read it, else it is ffmpeg's. Throws what is wrong with the camera when
 * it does not answer, refuses, or answers one single picture.
 */
export async function httpKind(address: NetworkAddress, signal: AbortSignal): Promise<HttpKind> {
  const agent = newAgent();
  try {
    const { headers, body } = await request(address, agent, signal);
    (body as Readable).destroy();
    return kindOf(address, headers);
  } finally {
    await agent.destroy();
  }
}

/** The pictures of one connection, each dated by its first byte. Ends with the signal; throws when it is lost. */
export async function* httpPictures(
  address: NetworkAddress,
  signal: AbortSignal,
): AsyncGenerator<CameraPicture> {
  const agent = newAgent();
  try {
    const { headers, body } = await request(address, agent, signal);
    if (kindOf(address, headers) !== "mjpeg") throw notMjpeg(address, headers);
    const splitter = new JpegSplitter();
    const arrivals = new Arrivals();
    for await (const piece of body as AsyncIterable<Uint8Array>) {
      const arrivedAtS = preciseNowS();
      arrivals.add(piece.length, arrivedAtS);
      for (const { bytes, startsAt } of splitter.push(piece)) {
        yield { bytes, capturedAtS: arrivals.of(startsAt), arrivedAtS };
      }
    }
  } catch (thrown) {
    if (signal.aborted) return;
    throw thrown instanceof SplatError ? thrown : lost(address, thrown);
  } finally {
    await agent.destroy();
  }
  if (!signal.aborted) throw lost(address, new Error("the stream ended"));
}

/** When the bytes of a stream came. */
class Arrivals {
  readonly #pieces: { startsAt: number; timeS: number }[] = [];
  #nextAt = 0;

  add(sizeBytes: number, timeS: number): void {
    this.#pieces.push({ startsAt: this.#nextAt, timeS });
    this.#nextAt += sizeBytes;
  }

  /** Asked in order: what came before is done with. */
  of(at: number): number {
    while (this.#pieces.length > 1 && this.#pieces[1].startsAt <= at) this.#pieces.shift();
    return this.#pieces[0].timeS;
  }
}

function newAgent(): Agent {
  return new Agent({
    connections: 1,
    connect: { timeout: ANSWER_MS },
    headersTimeout: ANSWER_MS,
    // Silence is the reader's to judge.
    bodyTimeout: 0,
  });
}

async function request(
  address: NetworkAddress,
  agent: Agent,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  let url = withoutLogin(address.url);
  let login = loginOf(address.url);
  let challenge: string | null = null;
  for (let asked = 0; asked <= REDIRECTS; asked++) {
    const answer = await ask(address, agent, { url, login, challenge, signal });
    const { statusCode, headers, body } = answer;
    if (statusCode >= 200 && statusCode < 300) return answer;
    (body as Readable).destroy();
    const { location } = headers;
    if (statusCode >= 300 && statusCode < 400 && typeof location === "string") {
      const next = new URL(location, url);
      // A login is for the host that it was given for.
      if (next.origin !== url.origin) login = null;
      url = next;
    } else if (statusCode === 401 && challenge === null && login !== null) {
      challenge = [headers["www-authenticate"] ?? ""].flat().join(", ");
    } else {
      throw cameraTrouble(address, `HTTP ${statusCode} ${STATUS_WORDS[statusCode] ?? ""}`);
    }
  }
  throw cameraTrouble(address, "it redirects again and again");
}

const STATUS_WORDS: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
};

async function ask(
  address: NetworkAddress,
  agent: Agent,
  {
    url,
    login,
    challenge,
    signal,
  }: { url: URL; login: Login | null; challenge: string | null; signal: AbortSignal },
): Promise<Dispatcher.ResponseData> {
  const path = url.pathname + url.search;
  const authorization =
    login !== null && challenge !== null
      ? authorizationFor(login, challenge, { method: "GET", uri: path })
      : null;
  try {
    const answer = await agent.request({
      origin: url.origin,
      path,
      method: "GET",
      headers: {
        accept: "multipart/x-mixed-replace, */*",
        ...(authorization === null ? {} : { authorization }),
      },
      signal,
    });
    // What is let go unread fails, which is no news.
    (answer.body as Readable).on("error", () => undefined);
    return answer;
  } catch (thrown) {
    throw lost(address, thrown);
  }
}

function kindOf(address: NetworkAddress, headers: Dispatcher.ResponseData["headers"]): HttpKind {
  const type = typeOf(headers);
  if (type.startsWith("multipart/")) return "mjpeg";
  if (type.startsWith("video/") || type.includes("mpegurl") || type === "application/octet-stream")
    return "other";
  throw notMjpeg(address, headers);
}

function typeOf(headers: Dispatcher.ResponseData["headers"]): string {
  return [headers["content-type"] ?? ""].flat()[0].toLowerCase();
}

function notMjpeg(address: NetworkAddress, headers: Dispatcher.ResponseData["headers"]): SplatError {
  const type = typeOf(headers).split(";")[0];
  const what = type.startsWith("image/")
    ? "a single picture"
    : type === ""
      ? "something without a type"
      : type;
  return new SplatError("bad_input", `${nameOf(address)} answers ${what}, not a stream of pictures`, {
    hint: "Give the address of its MJPEG stream: often /video, /stream, /mjpg/video.mjpg or /?action=stream.",
  });
}

function lost(address: NetworkAddress, thrown: unknown): SplatError {
  const { code } = thrown as { code?: unknown };
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connection refused",
    ENOTFOUND: "name or service not known",
    EAI_AGAIN: "temporary failure in name resolution",
    EHOSTUNREACH: "no route to host",
    ENETUNREACH: "network is unreachable",
    UND_ERR_CONNECT_TIMEOUT: "timed out",
    UND_ERR_HEADERS_TIMEOUT: "timed out",
  };
  const known = typeof code === "string" ? words[code] : undefined;
  if (known !== undefined) {
    const { code: kind, message, hint } = cameraTrouble(address, known);
    return new SplatError(kind, message, { hint, cause: new Error(String(code)) });
  }
  return new SplatError("bad_input", `${nameOf(address)} has ended the connection`, {
    cause: new Error(typeof code === "string" ? code : messageOf(thrown)),
  });
}

function withoutLogin(url: URL): URL {
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  return bare;
}
