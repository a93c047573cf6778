/** The proxy between this network and the internet, by the variables that every program knows it by. */
import { given } from "./config-places.ts";
import { keepSecret, loginOf } from "./redact.ts";

/**
 * For requests over https alone: what is asked over plain http stands in the same network as a rule, and was never asked
 * through a proxy.
 */
export interface Proxy {
  readonly url: string;
  /** The variable that names it. */
  readonly variable: string;
  /** Hosts that are asked without it, with commas between them; empty = none. */
  readonly except: string;
}

/** The small name wins, as it does for curl. What is no URL names none. */
export function proxyOf(env: NodeJS.ProcessEnv): Proxy | undefined {
  const variable = ["https_proxy", "HTTPS_PROXY"].find((name) => given(env[name]) !== undefined);
  if (variable === undefined) return undefined;
  const text = given(env[variable]) ?? "";
  const url = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return undefined;
  keepSecret(...loginOf(url));
  return { url, variable, except: given(env["no_proxy"]) ?? given(env["NO_PROXY"]) ?? "" };
}
