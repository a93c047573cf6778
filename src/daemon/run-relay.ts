/** One relay from its source to its backend, until it is told to end. */
import type { Client } from "../api/client.ts";
import { explainShort, type SplatError } from "../errors.ts";
import type { JointReading } from "../robot/joint-history.ts";
import { Conditions } from "../robot/conditions.ts";
import type { JointHealth, JointSource, SourceListener } from "../robot/joint-source.ts";
import { sleep } from "../time.ts";
import { CLOUD_HZ, CLOUD_PACE_NOTE, CloudPace } from "./cloud-pace.ts";
import { JointSender, type SenderCounts } from "./joint-sender.ts";
import { doubtsAbout, DOUBTS } from "./joint-doubts.ts";
import { Relay } from "./relay.ts";

export interface RelayOptions {
  /** Where readings come from, in words: `serial /dev/ttyACM0`. */
  readonly from: string;
  /** Null when they are pushed to us: then `Relay.take` is all there is. */
  readonly source: JointSource | null;
  readonly client: Pick<Client, "url" | "isCloud" | "updateJoints">;
  /** Most readings sent to the backend a second. */
  readonly hz: number;
}

export type RelayListener = Pick<SourceListener, "onNote" | "onWarning">;

/** How a relay stands, as GET /status of a daemon and `--json` say it. */
export interface RelayStatus extends SenderCounts {
  readonly from: string;
  readonly backend: string;
  /** Readings that came from the source. */
  readonly received: number;
  /** Of the last seconds. */
  readonly receivedPerSecond: number;
  /** [6] rad, the newest; null before the first. */
  readonly jointAngles: readonly number[] | null;
  /** Since the newest came, seconds; null before the first. */
  readonly silentS: number | null;
  /** Why the backend takes nothing now; null when it does. */
  readonly trouble: string | null;
  /** Empty while the source does not tell. */
  readonly health: readonly JointHealth[];
}

export interface RunningRelay {
  readonly relay: Relay;
  readonly status: () => RelayStatus;
  /** Resolves when the source has ended and everything under way has been answered; rejects with what ended it early. */
  readonly ended: Promise<void>;
}

const WATCH_EVERY_MS = 500;
/** Weight of the newest half second in the rate that is shown. */
const RATE_WEIGHT = 0.3;

/** Start relaying. The signal ends it. */
export function startRelay(
  options: RelayOptions,
  listener: RelayListener,
  signal: AbortSignal,
): RunningRelay {
  const { client, source, from } = options;
  const pace = client.isCloud ? new CloudPace() : null;
  if (pace !== null) listener.onNote(CLOUD_PACE_NOTE);
  let health: readonly JointHealth[] = [];
  const sender = new JointSender({
    send: ({ timeS, anglesRad }) => client.updateJoints({ joint_angles: [...anglesRad], captured_at: timeS }),
    isCloud: client.isCloud,
    hz: pace === null ? options.hz : Math.min(options.hz, CLOUD_HZ),
    onOutage: (error) => listener.onWarning(outageText(error)),
    onBack: () => listener.onNote(`the backend takes joint angles again`),
    onRefused: onceEach((error) => listener.onWarning(refusalText(error))),
  });
  const relay = new Relay((reading) => {
    if (pace?.passes(reading.anglesRad) !== false) sender.offer(reading);
  });
  const watch = watchStream(relay, from, listener);
  const status = (): RelayStatus => ({
    from,
    backend: client.url,
    received: relay.received,
    receivedPerSecond: watch.perSecond(),
    ...sender.counts,
    jointAngles: relay.latest()?.anglesRad ?? null,
    silentS: relay.silentS,
    trouble: sender.outage?.message ?? null,
    health,
  });
  const told: SourceListener = {
    onNote: (line) => listener.onNote(line),
    onWarning: (line) => listener.onWarning(line),
    onHealth(now) {
      health = now;
    },
  };
  const readings = source === null ? noReadings(signal) : source(told, signal);
  const ended = takeAll(readings, relay).finally(async () => {
    watch.stop();
    await sender.close();
  });
  return { relay, status, ended };
}

async function takeAll(readings: AsyncIterable<JointReading>, relay: Relay): Promise<void> {
  for await (const reading of readings) relay.take(reading);
}

/** Readings are pushed from elsewhere: this one only lasts until the end. */
async function* noReadings(signal: AbortSignal): AsyncGenerator<JointReading> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  yield* [];
}

/** Tell when the stream of readings stops, is back, or cannot be right, and measure its rate. */
function watchStream(
  relay: Relay,
  from: string,
  listener: RelayListener,
): { perSecond: () => number; stop: () => void } {
  const stopped = new AbortController();
  const conditions = new Conditions(listener);
  let perSecond = 0;
  void (async () => {
    let before = 0;
    for (;;) {
      await sleep(WATCH_EVERY_MS, stopped.signal);
      const now = (relay.received - before) / (WATCH_EVERY_MS / 1000);
      before = relay.received;
      perSecond = perSecond === 0 ? now : perSecond + RATE_WEIGHT * (now - perSecond);
      tellConditions(relay, from, conditions);
    }
  })().catch(() => undefined);
  return { perSecond: () => perSecond, stop: () => stopped.abort() };
}

function tellConditions(relay: Relay, from: string, conditions: Conditions): void {
  const latest = relay.latest();
  if (relay.hasStopped) {
    const line = `no joint angles from ${from} any more: frames taken now are placed where the arm was last`;
    conditions.begin("stopped", line);
  } else conditions.end("stopped", `joint angles from ${from} again`);
  const doubts = latest === null || relay.hasStopped ? [] : doubtsAbout(latest, relay.lateS, from);
  for (const { key, line } of doubts) conditions.begin(key, line);
  for (const key of DOUBTS) if (!doubts.some((doubt) => doubt.key === key)) conditions.end(key);
}

function outageText(error: SplatError): string {
  const hint = error.hint === undefined ? "" : `\n  ${error.hint}`;
  return `${error.message}; trying again; the newest joint angles follow when it answers${hint}`;
}

function refusalText(error: SplatError): string {
  return `the backend refuses a joint reading: ${explainShort(error)}`;
}

/** Tells of each error once, by its message, and of no more than a few. */
export function onceEach(tell: (error: SplatError) => void): (error: SplatError) => void {
  const told = new Set<string>();
  return (error) => {
    if (told.has(error.message) || told.size > 20) return;
    told.add(error.message);
    tell(error);
  };
}
