/** One HTTP address that answers with joints, asked one request at a time over a connection that is kept. */
import { Agent, errors, type Dispatcher } from "undici";
import { messageOf } from "../errors.ts";
import { preciseNowS, steadyMs } from "../time.ts";

export interface EndpointOptions {
  /** http or https; user and password in it, which can be decoded, are sent as basic authentication. */
  readonly url: URL;
  /** For phosphobot: which arm. */
  readonly robotId: number;
  /** For phosphobot: the unit to ask for. */
  readonly unit: "rad" | "degrees";
  /** Whether an answer holds joints, which decides how the root of a server is asked. */
  readonly holdsJoints: (body: unknown) => boolean;
}

/** What came of one request. Texts name no password and no query. */
export type Answer =
  | {
      readonly kind: "answered";
      readonly body: unknown;
      /** Between request and response, Unix seconds. */ readonly middleS: number;
    }
  /** It answered, but no joints. */
  | { readonly kind: "refused"; readonly what: string }
  /** No whole answer came. */
  | { readonly kind: "failed"; readonly what: string };

interface Response {
  readonly status: number;
  /** Null when it is longer than joints can be. */
  readonly text: string | null;
  readonly middleS: number;
}

const REQUEST_TIMEOUT_MS = 2000;
/** As for joints pushed to a backend. */
const MAX_BODY_BYTES = 64 * 1024;
/** Why a request was given up. */
const TIME_OUT = new Error("no whole answer in time");
const PHOSPHOBOT_PATH = "/joints/read";
/** How a server says that this method or path is not what it has. */
const NOT_THERE = [404, 405, 501];

/** Asks by phosphobot's POST at `/joints/read` and by GET elsewhere; at the root, by whichever of the two has joints. */
export class HttpEndpoint {
  /** The address as told to the user. */
  readonly name: string;
  readonly #options: EndpointOptions;
  readonly #agent = new Agent({
    connections: 1,
    pipelining: 1,
    keepAliveTimeout: 30_000,
    connect: { timeout: REQUEST_TIMEOUT_MS },
  });
  readonly #headers: Readonly<Record<string, string>>;
  #asks: "get" | "phosphobot" | "unknown";

  constructor(options: EndpointOptions) {
    const { url } = options;
    this.#options = options;
    this.name = url.host + (url.pathname === "/" ? "" : url.pathname);
    this.#asks =
      url.pathname === "/" ? "unknown" : url.pathname.endsWith(PHOSPHOBOT_PATH) ? "phosphobot" : "get";
    this.#headers = url.username === "" ? {} : { authorization: basicAuthorization(url) };
  }

  /** One request, or at the root of an unknown server two. Never throws. */
  async ask(signal: AbortSignal): Promise<Answer> {
    try {
      if (this.#asks !== "unknown") return this.#judge(await this.#request(this.#asks, signal));
      const plain = await this.#request("get", signal);
      const first = this.#judge(plain);
      if (this.#holdsJoints(first)) this.#asks = "get";
      // phosphobot has its page at the root, others their version.
      if (this.#holdsJoints(first) || (plain.status !== 200 && !NOT_THERE.includes(plain.status)))
        return first;
      const second = this.#judge(await this.#request("phosphobot", signal));
      if (this.#holdsJoints(second)) this.#asks = "phosphobot";
      return second.kind === "answered" ? second : first;
    } catch (thrown) {
      return { kind: "failed", what: this.#troubleText(thrown) };
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #holdsJoints(answer: Answer): boolean {
    return answer.kind === "answered" && this.#options.holdsJoints(answer.body);
  }

  #judge({ status, text, middleS }: Response): Answer {
    if (text === null) {
      return { kind: "refused", what: `${this.name} answered more than ${MAX_BODY_BYTES / 1024} KiB` };
    }
    if (status !== 200) {
      return { kind: "refused", what: `${this.name} answered ${status}${began(text)}` };
    }
    try {
      return { kind: "answered", body: JSON.parse(text), middleS };
    } catch {
      return { kind: "refused", what: `${this.name} answered no JSON${began(text)}` };
    }
  }

  /** Throws when no whole answer came in time. */
  async #request(how: "get" | "phosphobot", signal: AbortSignal): Promise<Response> {
    const deadline = new AbortController();
    const onAbort = (): void => deadline.abort();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) deadline.abort();
    // Over the whole of it: an answer that drips would keep every shorter limit.
    const timer = setTimeout(() => deadline.abort(TIME_OUT), REQUEST_TIMEOUT_MS);
    try {
      const startMs = steadyMs();
      const { statusCode, body } = await this.#agent.request({
        ...this.#requestOf(how),
        signal: deadline.signal,
      });
      const middleS = preciseNowS() - (steadyMs() - startMs) / 2000;
      return { status: statusCode, text: await readText(body), middleS };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  #requestOf(how: "get" | "phosphobot"): Dispatcher.RequestOptions {
    const { url, robotId, unit } = this.#options;
    const accept = { accept: "application/json", ...this.#headers };
    if (how === "get")
      return { origin: url.origin, path: url.pathname + url.search, method: "GET", headers: accept };
    const query = new URLSearchParams(url.search);
    if (!query.has("robot_id")) query.set("robot_id", String(robotId));
    const path = url.pathname === "/" ? PHOSPHOBOT_PATH : url.pathname;
    return {
      origin: url.origin,
      path: `${path}?${query.toString()}`,
      method: "POST",
      headers: { ...accept, "content-type": "application/json" },
      body: JSON.stringify({ unit, source: "robot" }),
    };
  }

  #troubleText(thrown: unknown): string {
    if (thrown === TIME_OUT) return `${this.name} did not answer within ${REQUEST_TIMEOUT_MS / 1000} s`;
    if (thrown instanceof errors.HTTPParserError) return `${this.name} does not speak HTTP`;
    // An abort has a number for its code.
    const { code } = thrown as { code?: unknown };
    return `${this.name} cannot be reached (${typeof code === "string" ? code : messageOf(thrown)})`;
  }
}

/** Null, and the connection is let go, for an answer that is none of joints. */
async function readText(body: Dispatcher.ResponseData["body"]): Promise<string | null> {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    sizeBytes += piece.byteLength;
    if (sizeBytes > MAX_BODY_BYTES) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function basicAuthorization({ username, password }: URL): string {
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

/** The beginning of an answer, as one short line. */
function began(text: string): string {
  const line = text.replace(/[\s\p{C}]+/gu, " ").trim();
  return line === "" ? "" : `: ${line.length > 100 ? `${line.slice(0, 100)}…` : line}`;
}
