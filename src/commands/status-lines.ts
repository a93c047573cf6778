/** A scene watched without a terminal: a line whenever something has changed. */
import type { Client } from "../api/client.ts";
import type { Status } from "../api/schema.ts";
import type { Log } from "../log.ts";
import { printable } from "../printable.ts";
import { sleep, steadyMs } from "../time.ts";
import { startFeed } from "../tui/dashboard-feed.ts";
import type { LocalLook } from "../tui/dashboard-view.ts";
import { describeProgress } from "./describe.ts";
import { describeLocal, localJson } from "./status-local.ts";

export interface LinesOptions {
  /** One JSON object a line; else text. */
  readonly isJson: boolean;
  /** Between two lines, milliseconds; default 1000 for JSON, 3000 for text. */
  readonly intervalMs?: number | undefined;
  /** Whether a status is the last one that is waited for. */
  readonly isEnd: (status: Status) => boolean;
  /** As the feed's. */
  readonly rareMs?: number | undefined;
  /** What this machine knows. */
  readonly look: () => Promise<LocalLook>;
  readonly log: Log;
  /** Ends it, which is no failure. */
  readonly signal: AbortSignal;
}

const JSON_EVERY_MS = 1000;
const TEXT_EVERY_MS = 3000;
const POLL_MS = 200;

/** Print until the signal aborts, the end has come, or a cloud is asked no more. @returns the last status. */
export async function printStatusLines(
  client: Pick<Client, "status" | "events" | "isCloud">,
  options: LinesOptions,
): Promise<Status | null> {
  const { isJson, isEnd, look, log, signal, rareMs } = options;
  const intervalMs = options.intervalMs ?? (isJson ? JSON_EVERY_MS : TEXT_EVERY_MS);
  let latest: Status | null = null;
  let isAway = false;
  const asleep = new AbortController();
  const stop = new AbortController();
  const onSignal = (): void => stop.abort(signal.reason);
  signal.addEventListener("abort", onSignal, { once: true });
  if (signal.aborted) onSignal();
  const feed = startFeed(
    client,
    { intervalMs: Math.min(intervalMs, JSON_EVERY_MS), rareMs },
    {
      onStatus(status) {
        if (isAway) log.info("the backend answers again");
        isAway = false;
        latest = status;
      },
      onEvent: () => undefined,
      onAway(error) {
        if (!isAway) log.warn(`${error.message}; asking again until it answers`);
        isAway = true;
      },
      onAsleep: () => asleep.abort(),
    },
    stop.signal,
  );
  const failed = feed.ended.catch((thrown: unknown) => {
    stop.abort(thrown);
    throw thrown;
  });
  failed.catch(() => undefined);
  let [printed, printedMs] = ["", Number.NEGATIVE_INFINITY];
  const print = async (): Promise<void> => {
    if (latest === null) return;
    const [line, compared] = lineOf(latest, await look(), isJson);
    if (compared === printed) return;
    [printed, printedMs] = [compared, steadyMs()];
    process.stdout.write(`${line}\n`);
  };
  const hasEnded = (): boolean => latest !== null && isEnd(latest);
  while (!stop.signal.aborted && !asleep.signal.aborted && !hasEnded()) {
    if (steadyMs() - printedMs >= intervalMs) await print();
    await sleep(POLL_MS, stop.signal).catch(() => undefined);
  }
  if (asleep.signal.aborted) log.info("nothing happens there: it is asked no more, so that the GPU can stop");
  if (!signal.aborted) await print();
  signal.removeEventListener("abort", onSignal);
  stop.abort();
  await failed;
  return latest;
}

/** A line, and what of it counts as a change: ages and memory never stand still. */
function lineOf(status: Status, local: LocalLook, isJson: boolean): [line: string, compared: string] {
  if (isJson) {
    const still = { ...status, updated_at: 0, joints_age_s: 0, memory_bytes: 0 };
    const here = localJson(local);
    const captured = local.capture === null ? {} : { capture: local.capture };
    return [JSON.stringify({ ...status, ...here }), JSON.stringify({ ...still, ...captured })];
  }
  const psnr = [
    status.psnr_train === null ? "" : `, PSNR ${status.psnr_train.toFixed(1)} dB`,
    status.psnr_holdout === null ? "" : `, held out ${status.psnr_holdout.toFixed(1)} dB`,
  ].join("");
  const here = local.capture === null ? "" : `; ${describeLocal(local.capture)}`;
  const error = status.last_error === null ? "" : `; ${status.last_error}`;
  const line = printable(`${describeProgress(status)}${psnr}${here}${error}`);
  return [line, line];
}
