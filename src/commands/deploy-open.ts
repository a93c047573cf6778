/** From deployed to ready: past Modal's proxy where there is one, and through the first start. */
import { resolveProxyAuth, type ProxyAuth } from "../config.ts";
import type { Modal } from "../remote/modal-run.ts";
import { checkProxyTokens, createProxyToken } from "../remote/modal-secrets.ts";
import { saveSecrets } from "../secrets-file.ts";
import { awaitBackend, isRefusedByProxy } from "./await-backend.ts";
import { asKept } from "./deploy-kept.ts";
import type { DeployTerminal } from "./deploy-terminal.ts";

export interface Opening {
  readonly url: string;
  /** The API's own; kept beside a proxy token that is made here. */
  readonly token: string;
  readonly secretsFile: string;
  /** Whether Modal's proxy stands before it. */
  readonly hasProxy: boolean;
  /** The proxy token that is given or kept; undefined = one is made. */
  readonly proxyAuth: ProxyAuth | undefined;
  readonly isAwaited: boolean;
  readonly terminal: DeployTerminal;
  readonly signal: AbortSignal;
}

/**
 * Make a proxy token where one is needed, or where the kept one was revoked; wait until the backend is ready.
 * @returns the seconds waited; null when that is not wanted. Throws what `createProxyToken` and `awaitBackend` do.
 */
export async function openDeployed(modal: Modal, opening: Opening): Promise<number | null> {
  const { hasProxy, proxyAuth, isAwaited, terminal } = opening;
  if (hasProxy && proxyAuth === undefined) {
    const made = await makeProxyToken(modal, opening);
    return isAwaited ? await untilReady(opening, made, true) : null;
  }
  if (!isAwaited) return null;
  try {
    return await untilReady(opening, proxyAuth, false);
  } catch (error) {
    const isKept = proxyAuth !== undefined && resolveProxyAuth() === undefined;
    if (!isKept || !isRefusedByProxy(error)) throw error;
    terminal.log.warn("Modal does not take the proxy token that was kept (any more): making another");
    return await untilReady(opening, await makeProxyToken(modal, opening), true);
  }
}

async function makeProxyToken(
  modal: Modal,
  { url, token, secretsFile, terminal, signal }: Opening,
): Promise<ProxyAuth> {
  checkProxyTokens(modal);
  terminal.step("making a proxy token");
  const proxyAuth = await createProxyToken(modal, signal);
  await saveSecrets(secretsFile, url, { token, ...asKept(proxyAuth) });
  return proxyAuth;
}

async function untilReady(
  { url, terminal, signal }: Opening,
  proxyAuth: ProxyAuth | undefined,
  isProxyAuthNew: boolean,
): Promise<number> {
  const onProgress = (what: string): void => terminal.progress(what);
  const waitedS = await awaitBackend({ url, proxyAuth, isProxyAuthNew, signal, onProgress });
  terminal.log.info(`ready after ${waitedS} s`);
  return waitedS;
}
