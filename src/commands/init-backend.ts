/** `splatctl init`: where scenes are trained. */
import { createClient, type Client } from "../api/client.ts";
import { DEFAULT_PORT, modalEnvironment, resolveProxyAuth } from "../config.ts";
import { explainShort, SplatError } from "../errors.ts";
import { readSecrets, type BackendSecrets } from "../secrets-file.ts";
import { backendOf } from "./flags.ts";
import { settle, tell, tryOut, type InitDesk } from "./init-desk.ts";

/** Where scenes are trained, and whether it answers. */
export interface BackendAnswer {
  readonly way: "local" | "modal" | "other";
  /** For the project file; null where the deployment's own URL counts. */
  readonly url: string | null;
  /** Typed, and to be kept for the URL. */
  readonly token: string | null;
  /** Null when it does not answer now, or is not asked. */
  readonly client: Client | null;
}

const LOCAL_URL = `http://127.0.0.1:${DEFAULT_PORT}`;
/** A backend that runs answers sooner. */
const ANSWER_MS = 5000;

/** Ask for it, and try it. */
export async function askBackend(desk: InitDesk): Promise<BackendAnswer> {
  const { flags, questions } = desk;
  const given = flags.backend ?? (flags.url === undefined ? undefined : "other");
  const usual = usualWay(desk);
  for (;;) {
    const way =
      given ??
      (await questions?.choose(
        "Where are scenes trained?",
        [
          { value: "local", label: "on this machine (splatctl serve)" },
          { value: "modal", label: "on a GPU of your account on Modal (splatctl deploy)" },
          { value: "other", label: "by a backend that there is already, at its URL" },
        ],
        usual,
      )) ??
      usual;
    const answer =
      way === "local"
        ? await useLocal(desk)
        : way === "modal"
          ? await useModal(desk, given === undefined)
          : await useOther(desk);
    if (answer !== null) return answer;
  }
}

function usualWay({ config: { project, user, url, urlOrigin } }: InitDesk): BackendAnswer["way"] {
  if (project.url === undefined && user.deployment !== undefined) return "modal";
  return urlOrigin === "default" || isLocal(url) ? "local" : "other";
}

async function useLocal(desk: InitDesk): Promise<BackendAnswer> {
  const { config } = desk;
  const url = isLocal(config.url) ? config.url : LOCAL_URL;
  return { way: "local", url, ...(await lookAt(desk, url)) };
}

/** Null when another answer is wanted. */
async function useModal(desk: InitDesk, canOther: boolean): Promise<BackendAnswer | null> {
  const { signal, config } = desk;
  const { deployment, url } = config.user;
  const { findModal } = await import("../remote/modal-find.ts");
  const { checkAccount } = await import("../remote/modal-account.ts");
  const tried = await tryOut(
    desk,
    "modal",
    async () => {
      desk.log.info("  asking Modal's program ...");
      const modal = await findModal(modalEnvironment, signal);
      const workspace = await checkAccount(modal, signal);
      return `Modal's program ${modal.version} is logged in${workspace === null ? "" : `, workspace ${workspace}`}`;
    },
    canOther,
  );
  if (tried === "other") return null;
  if (deployment === undefined) {
    tell(desk, {
      name: "deployment",
      state: "note",
      says: "nothing is deployed yet",
      hint: "splatctl deploy does that",
    });
  } else tell(desk, { name: "deployment", state: "ok", says: `deployed to ${deployment.url}` });
  // What is deployed is known to every folder, unless something else was made the user's own.
  const own = deployment === undefined || deployment.url === url ? null : deployment.url;
  return { way: "modal", url: own, token: null, client: null };
}

async function useOther(desk: InitDesk): Promise<BackendAnswer> {
  const { flags, config } = desk;
  const usual = config.urlOrigin === "default" ? undefined : config.url;
  if (flags.url === undefined && usual === undefined && desk.questions === null) {
    throw new SplatError("usage", "no URL is given for the backend", { hint: "Add --url." });
  }
  const url = await settle(
    desk,
    flags.url,
    usual ?? "",
    (questions) => questions.ask("URL of the backend", usual),
    parseUrl,
  );
  return { way: "other", url, ...(await lookAt(desk, url)) };
}

type Looked = Pick<BackendAnswer, "token" | "client">;

/** One that is not there yet is no fault; a token is asked for where one is needed. */
async function lookAt(desk: InitDesk, url: string): Promise<Looked> {
  const { config, questions } = desk;
  const kept = await readSecrets(config.secretsFile, url);
  const known = config.ownToken ?? kept.token;
  let token: string | null = null;
  for (;;) {
    const client = clientOf(desk, url, token ?? known, kept);
    if (client.isCloud) return await keepCloud(desk, url, known);
    const answer = await ask(desk, client, (token ?? known) !== undefined);
    if (answer !== "refused") return { token, client: answer === "ok" ? client : null };
    token = questions === null ? null : await askToken(desk, url);
    if (token === null) return { token: null, client: null };
  }
}

/** What is kept for one backend is sent to no other. */
function clientOf(
  { config }: InitDesk,
  url: string,
  token: string | undefined,
  kept: BackendSecrets,
): Client {
  const { proxyKey: key, proxySecret: secret } = kept;
  const pair = key === undefined || secret === undefined ? undefined : { key, secret };
  const own = backendOf({ ...config, url, token, proxyAuth: resolveProxyAuth() ?? pair });
  return createClient({ ...own, scene: config.scene, timeoutMs: ANSWER_MS });
}

async function keepCloud(desk: InitDesk, url: string, known: string | undefined): Promise<Looked> {
  const says = `${url} is not asked now: that would start it, and costs`;
  tell(desk, { name: "backend", state: "note", says, hint: "splatctl doctor --wake does" });
  const isAsked = known === undefined && desk.questions !== null;
  return { token: isAsked ? await askToken(desk, url) : null, client: null };
}

/** What came of asking it once. */
async function ask(desk: InitDesk, client: Client, hasToken: boolean): Promise<"ok" | "away" | "refused"> {
  const { url } = client;
  try {
    const limit = AbortSignal.any([desk.signal, AbortSignal.timeout(2 * ANSWER_MS)]);
    const { state, frame_count: frames } = await client.status(limit);
    const how = hasToken ? ", and accepts the token" : "";
    tell(desk, { name: "backend", state: "ok", says: `${url} answers: ${state}, ${frames} frames${how}` });
    return "ok";
  } catch (error) {
    desk.signal.throwIfAborted();
    if (error instanceof SplatError && error.code === "not_configured") {
      const says = hasToken ? "refuses the token" : "asks for a token";
      tell(desk, { name: "token", state: "no", says: `${url} answers, and ${says}` });
      return "refused";
    }
    const isAway = !(error instanceof SplatError) || error.code === "unreachable";
    const says = isAway ? `nothing answers at ${url} yet` : explainShort(error);
    const hint = isLocal(url) ? "splatctl serve starts one" : "it is kept all the same";
    tell(desk, { name: "backend", state: isAway ? "note" : "no", says, hint });
    return "away";
  }
}

/** Null where there is none, or it is given later. */
async function askToken({ questions }: InitDesk, url: string): Promise<string | null> {
  const none = "";
  const typed = (await questions?.askSecret(`token for ${url}`, none, "none")) ?? none;
  return typed === none ? null : typed;
}

/** As every command will read it. Throws `usage`, without the text: what people paste by mistake may be a token. */
function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new SplatError("usage", "that is no http or https URL", { hint: `It looks like ${LOCAL_URL}.` });
  }
  if (url.username !== "" || url.password !== "" || url.search !== "") {
    throw new SplatError("usage", "it holds more than an address", {
      hint: "Leave user, password and ? away; a token is asked for.",
    });
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function isLocal(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}
