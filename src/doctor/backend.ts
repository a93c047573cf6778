/** The backend that commands talk to: whether it answers, lets us in, and has the same time. */
import { createClient, type Client, type ClientOptions } from "../api/client.ts";
import { isCloudBackend } from "../api/cloud.ts";
import { MAIN_SCENE } from "../api/limits.ts";
import type { Status } from "../api/schema.ts";
import { PROJECT_FILE, type Config, type Origin } from "../config.ts";
import { SplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import { reach } from "../remote/r2-check-reach.ts";
import type { Check, Finding } from "./check.ts";
import { coarseSkew, measureSkew, skewFinding, type Skew } from "./clock-skew.ts";
import type { DoctorContext } from "./context.ts";
import { failure } from "./run-checks.ts";

/** A start takes minutes, as `waking.ts` says; the user asked for it. */
const WAKE_MS = 10 * 60_000;
const ANSWER_MS = 4000;

/** The checks. */
export const backendChecks: readonly Check[] = [
  { id: "backend", group: "backend", run: (context, signal) => checkBackend(context, signal) },
];

/** As the first, with time for a backend to start. */
export const wakingBackendChecks: readonly Check[] = backendChecks.map((check) => ({
  ...check,
  limitMs: WAKE_MS,
}));

const ORIGINS: Readonly<Record<Origin, string>> = {
  flag: "from --url",
  environment: "from SPLAT_API_URL",
  "project file": `from ${PROJECT_FILE}`,
  "user settings": "from your settings",
  default: "the default",
};

async function checkBackend(context: DoctorContext, signal: AbortSignal): Promise<Finding[]> {
  const { config, asked } = context;
  if (config === null)
    return [{ state: "skipped", message: "the settings cannot be read, which say where it is" }];
  const options = optionsOf(config);
  const isCloud = isCloudBackend(options);
  const where = `${config.url} (${ORIGINS[config.urlOrigin]})`;
  const facts = { url: config.url, url_from: config.urlOrigin, cloud: isCloud };
  if (asked.offline && !isLocal(config.url)) {
    return [{ state: "skipped", message: `${where} is not asked with --offline`, facts }];
  }
  if (isCloud && !asked.wake) {
    const message = `${where} is not asked: that starts it, and it costs while it runs`;
    return [
      { state: "skipped", message, fix: "`splatctl doctor backend --wake` asks it all the same", facts },
    ];
  }
  const client = createClient({ ...options, timeoutMs: isCloud ? WAKE_MS : ANSWER_MS });
  try {
    return await lookAt(client, { where, facts, context, config }, signal);
  } catch (error) {
    signal.throwIfAborted();
    return [unanswered(error, config, where, facts)];
  }
}

function optionsOf({ url, token, ownToken, proxyAuth, user, scene = MAIN_SCENE }: Config): ClientOptions {
  const cloud = url === user.deployment?.url ? true : undefined;
  return { url, token, tokenFrom: ownToken === undefined ? "kept" : "environment", proxyAuth, cloud, scene };
}

interface Look {
  readonly where: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly context: DoctorContext;
  readonly config: Config;
}

async function lookAt(client: Client, look: Look, signal: AbortSignal): Promise<Finding[]> {
  const { where, facts, context, config } = look;
  const health = await client.health(signal);
  // What the health says is for everybody; this is where the token counts.
  const token = config.token === undefined ? "none" : config.ownToken === undefined ? "kept" : "environment";
  const first = await client.status(signal).catch((error: unknown) => error as Error);
  if (first instanceof Error) {
    signal.throwIfAborted();
    const answers: Finding = { state: "ok", message: `${where} answers: ${health.status}`, facts };
    return [answers, { id: "token", ...failure(first), facts: { token } }];
  }
  const { skew, status } = await measureSkew(() => client.status(signal), context.system.nowS);
  const time = skew ?? (await dateSkew(client.url, signal));
  const scene = client.sceneName === MAIN_SCENE ? "" : ` scene ${client.sceneName}`;
  const { state, frame_count: frames, gaussian_count: gaussians, engine } = status;
  const rtt = time === null ? "" : `, ${rttWords(time.rttMs)}`;
  const message = `${where}${scene} answers${rtt}: ${state}, ${frames} frames, ${gaussians} Gaussians`;
  const seen = {
    ...facts,
    scene: client.sceneName,
    status: health.status,
    trainer_ready: health.trainer_ready,
    state,
    frame_count: frames,
    gaussian_count: gaussians,
    engine: `${engine.name} on ${engine.device}`,
    rtt_ms: time === null ? null : Math.round(time.rttMs * 10) / 10,
    token,
  };
  return [
    { state: "ok", message, facts: seen },
    ...(token === "none"
      ? []
      : [{ id: "token", state: "ok" as const, message: "it accepts the token", facts: { token } }]),
    ...(health.trainer_ready ? [] : [notReady()]),
    ...(time === null ? [] : [skewFinding("backend-clock", "the backend's", time, context.system.platform)]),
    ...complaints(status),
  ];
}

function notReady(): Finding {
  const message = "its trainer is not ready yet";
  return { id: "trainer", state: "warning", message, fix: "Look again in a moment: `splatctl status`" };
}

/** What the backend itself complains of, such as a disk or a bucket. */
function complaints({ warnings, last_error: lastError }: Status): Finding[] {
  const fix = "`splatctl status --watch` shows when it is over";
  const told = warnings.map((text, index): Finding => {
    return {
      id: `backend-warning:${index + 1}`,
      state: "warning",
      message: `it warns: ${printable(text)}`,
      fix,
    };
  });
  if (lastError === null) return told;
  return [
    ...told,
    { id: "backend-error", state: "warning", message: `its last error: ${printable(lastError)}`, fix },
  ];
}

/** By the seconds of its Date header, which everybody is told. */
async function dateSkew(url: string, signal: AbortSignal): Promise<Skew | null> {
  try {
    return coarseSkew(await reach(`${url}/health`, signal));
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

function rttWords(rttMs: number): string {
  return rttMs < 10 ? `${rttMs.toFixed(1)} ms` : `${Math.round(rttMs)} ms`;
}

/** One on this machine that was never started is no failure. */
function unanswered(error: unknown, config: Config, where: string, facts: Finding["facts"]): Finding {
  if (isLocal(config.url) && error instanceof SplatError && isRefusal(error)) {
    return { state: "absent", message: `none runs at ${where}`, fix: "`splatctl serve` starts one", facts };
  }
  return { ...failure(error), facts };
}

/** Nobody listens there, which `api/failure.ts` keeps as the cause. */
function isRefusal({ code, cause }: SplatError): boolean {
  for (let at = cause; at instanceof Error; at = at.cause) {
    if ((at as NodeJS.ErrnoException).code === "ECONNREFUSED") return code === "unreachable";
  }
  return false;
}

function isLocal(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}
