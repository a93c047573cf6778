/** A dashboard on a terminal: drawn when something has changed, and now and then, because ages grow. */
import type { Client } from "../api/client.ts";
import type { Status } from "../api/schema.ts";
import { Dashboard, type DashboardOptions } from "./dashboard-control.ts";
import { startFeed, type FeedListener } from "./dashboard-feed.ts";
import { screenRows } from "./dashboard-rows.ts";
import { openScreen } from "./dashboard.tsx";
import type { LocalLook } from "./dashboard-view.ts";

export interface RunOptions extends Pick<
  DashboardOptions,
  "url" | "scene" | "quitWord" | "deeds" | "startingS"
> {
  readonly client: Pick<Client, "status" | "events" | "isCloud">;
  readonly terminal: NodeJS.WriteStream;
  readonly keyboard: NodeJS.ReadStream;
  readonly isColored: boolean;
  readonly isUnicode: boolean;
  /** Between two questions and two drawings, milliseconds. */
  readonly intervalMs: number;
  /** As the feed's. */
  readonly rareMs?: number | undefined;
  /** What this machine knows; asked again and again. */
  readonly lookLocally: () => LocalLook | Promise<LocalLook>;
  /** Told of each. */
  readonly onStatus?: ((status: Status) => void) | undefined;
  /** Ends asking. The screen stays until it is closed. */
  readonly signal: AbortSignal;
}

export interface RunningDashboard {
  readonly dashboard: Dashboard;
  /** Resolves at the signal; rejects when the backend does not let us in. */
  readonly fed: Promise<void>;
  /** Give the terminal back. May be called again. */
  close(): void;
}

/** Ages are shown in seconds. */
const TICK_MS = 1000;
/** Between two looks at this machine, milliseconds. */
const LOOK_MS = 1000;
/** Keys are answered at once; no two drawings follow closer. */
const URGENT_MS = 20;

/** Take the terminal and show how the scene stands, until it is closed. */
export function runDashboard(options: RunOptions): RunningDashboard {
  const { client, terminal, keyboard, isUnicode, isColored, intervalMs, rareMs, lookLocally, signal } =
    options;
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let [drawnMs, dueMs] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const draw = (): void => {
    [drawnMs, dueMs] = [performance.now(), Number.POSITIVE_INFINITY];
    clearTimeout(timer);
    if (ended.signal.aborted) return;
    const { columns, rows } = terminal;
    screen.draw(screenRows(dashboard.view(Date.now()), { columns, rows, isUnicode }));
  };
  const drawSoon = (isUrgent: boolean): void => {
    const nowMs = performance.now();
    const atMs = Math.max(nowMs, drawnMs + (isUrgent ? URGENT_MS : intervalMs));
    if (atMs >= dueMs) return;
    dueMs = atMs;
    clearTimeout(timer);
    timer = setTimeout(draw, atMs - nowMs);
  };
  const dashboard = new Dashboard({ ...options, onChange: drawSoon, onSomebody: () => feed.wake() });
  const screen = openScreen({
    terminal,
    keyboard,
    isColored,
    onKey: (key) => dashboard.onKey(key),
    onResize: () => drawSoon(true),
  });
  const ticking = setInterval(() => drawSoon(false), TICK_MS);
  const close = (): void => {
    ended.abort();
    clearTimeout(timer);
    clearInterval(ticking);
    screen.close();
  };
  const feed = startFeed(client, { intervalMs, rareMs }, listenerOf(dashboard, options.onStatus), signal);
  feed.ended.catch(() => undefined);
  void keepLooking(dashboard, lookLocally, ended.signal);
  draw();
  return { dashboard, fed: feed.ended, close };
}

function listenerOf(dashboard: Dashboard, onStatus: RunOptions["onStatus"]): FeedListener {
  return {
    onStatus(status) {
      dashboard.onStatus(status);
      onStatus?.(status);
    },
    onEvent: (event) => dashboard.onEvent(event),
    onAway: (error) => dashboard.onAway(error),
    onAsleep: () => dashboard.onAsleep(),
  };
}

/** One look after the other: a slow one is not overtaken. */
async function keepLooking(
  dashboard: Dashboard,
  look: RunOptions["lookLocally"],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { pauses } = dashboard;
    const local = await Promise.resolve()
      .then(look)
      .catch(() => null);
    if (local !== null && dashboard.pauses === pauses) dashboard.onLocal(local);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS).unref());
  }
}
