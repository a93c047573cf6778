/** How requests travel: over undici, through the proxy where there is one, or through a function. */
import { Agent, EnvHttpProxyAgent, fetch as undiciFetch, type Dispatcher } from "undici";
import type { ClientOptions } from "./client.ts";

export type Travel = (url: string, init: RequestInit & { duplex?: "half" }) => Promise<Response>;

type Proxy = NonNullable<ClientOptions["proxy"]>;

/** How long is waited is our own business; undici alone would end it after five minutes. */
const PATIENT = { headersTimeout: 0, bodyTimeout: 0 } as const;

/** Shared by all that need no proxy. */
const direct = new Agent(PATIENT);

/** The proxy that this backend is asked through: one that is asked over plain http, or is this machine, is asked itself. */
export function proxyFor({ url, proxy }: Pick<ClientOptions, "url" | "proxy">): Proxy | undefined {
  const { protocol, hostname } = new URL(url);
  const isHere = /^(?:127\.|\[::1\]$|localhost$)/.test(hostname) || hostname.endsWith(".localhost");
  return protocol === "https:" && !isHere ? proxy : undefined;
}

/** Connections through a proxy. None of undici's own looks at the environment. */
export function proxyDispatcher(
  { url, except }: Proxy,
  timeouts: { readonly headersTimeout?: number; readonly bodyTimeout: number },
): Dispatcher {
  return new EnvHttpProxyAgent({ ...timeouts, httpProxy: "", httpsProxy: url, noProxy: except });
}

/** Over undici. */
export function overNetwork(proxy: Proxy | undefined): Travel {
  const dispatcher = proxy === undefined ? direct : proxyDispatcher(proxy, PATIENT);
  // undici's own types and the global ones describe the same objects, yet do not match by name.
  const travel: unknown = (url: string, init: object) => undiciFetch(url, { ...init, dispatcher });
  return travel as Travel;
}

/** Through a function of the caller's. */
export function overFetch(fetch: (request: Request) => Promise<Response>): Travel {
  return (url, init) => fetch(new Request(url, init));
}
