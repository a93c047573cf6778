/** Which backends are in the cloud: those started when somebody asks, paid by the second, and asked no more than needed. */
import type { ClientOptions } from "./client.ts";

/** Whether a URL by itself says so: Modal gives out names below its own domain. Any other name may be a machine nearby. */
export function isCloud(url: string): boolean {
  return /(?:^|\.)modal\.run\.?$/.test(new URL(url).hostname);
}

/**
 * Whether the backend that a client is for is one: where nobody says, by its URL, or because Modal's proxy stands before
 * it, which is reached by https alone: a token for it in the environment makes no cloud of a backend on this machine.
 */
export function isCloudBackend({
  url,
  cloud,
  proxyAuth,
}: Pick<ClientOptions, "url" | "cloud" | "proxyAuth">): boolean {
  return cloud ?? (isCloud(url) || (proxyAuth !== undefined && new URL(url).protocol === "https:"));
}
