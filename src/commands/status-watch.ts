/** What `splatctl status --watch` does: a screen on a terminal, lines elsewhere. */
import type { Client } from "../api/client.ts";
import type { Status } from "../api/schema.ts";
import type { Config } from "../config.ts";
import { EXIT_CODES, SplatError } from "../errors.ts";
import type { Log } from "../log.ts";
import { openClient, type BackendFlags } from "./flags.ts";
import { LocalWatch } from "./status-local.ts";
import { openStartingNote, tellStarting } from "./starting-note.ts";
import { interruptSignal } from "./terminal.ts";

/** Flags of the command. */
export interface StatusFlags extends BackendFlags {
  readonly watch?: boolean;
  /** Seconds. */
  readonly interval?: number;
  readonly untilComplete?: boolean;
}

/** Between two questions to a cloud where nothing happens. */
const RARELY_MS = 60_000;

/** Watch until Ctrl-C, q, the reader of a pipe has gone, or, with --until-complete, the end of training: throws `interrupted` before. */
export async function watchStatus(flags: StatusFlags): Promise<void> {
  const { canShowScreen } = await import("./status-screen.ts");
  const isScreen = flags.json !== true && canShowScreen(process.stdout);
  const starting = openStartingNote();
  const { client, config, log } = await openClient(flags, starting.onStarting);
  const quit = new AbortController();
  // A terminal that is closed, and whoever reads us and stops reading.
  process.once("SIGHUP", () => quit.abort());
  process.stdout.once("error", () => quit.abort());
  const signal = AbortSignal.any([interruptSignal(), quit.signal]);
  const watch = { client, config, log, flags, signal, quit };
  if (!isScreen) starting.listen(tellStarting(log));
  const last = isScreen ? await onScreen(watch, () => starting.waitedS) : await inLines(watch);
  if (flags.untilComplete !== true || last?.state === "complete") return;
  if (last?.state !== "failed") throw new SplatError("interrupted", "ended before training was complete");
  process.exitCode = EXIT_CODES.partial;
}

interface Watch {
  readonly client: Client;
  readonly config: Config;
  readonly log: Log;
  readonly flags: StatusFlags;
  readonly signal: AbortSignal;
  readonly quit: AbortController;
}

/** @returns the last status. */
async function onScreen(watch: Watch, startingS: () => number | null): Promise<Status | null> {
  const { client, config, flags, signal, quit } = watch;
  const { openDashboard } = await import("./status-screen.ts");
  const { deedsFor } = await import("./status-deeds.ts");
  const local = new LocalWatch(config, client);
  const running = await openDashboard({
    client,
    url: client.url,
    scene: client.sceneName,
    quitWord: "quit",
    startingS,
    terminal: process.stdout,
    intervalMs: flags.interval === undefined ? undefined : flags.interval * 1000,
    rareMs: rareMsOf(flags),
    lookLocally: () => local.look(),
    onStatus: ({ state }) => {
      if (flags.untilComplete === true && isOver(state)) quit.abort();
    },
    deeds: {
      ...deedsFor(client, signal),
      pause: (isPaused) => pauseDaemon(local, isPaused),
      quit: () => quit.abort(),
    },
    signal,
    ending: signal,
  });
  try {
    await running.fed;
  } finally {
    running.close();
  }
  const { status } = running.dashboard;
  if (flags.untilComplete === true && status !== null) {
    const { describeStatus } = await import("./describe.ts");
    process.stdout.write(`${describeStatus(status)}\n`);
  }
  return status;
}

async function inLines({ client, config, log, flags, signal }: Watch): Promise<Status | null> {
  const { printStatusLines } = await import("./status-lines.ts");
  const local = new LocalWatch(config, client);
  return await printStatusLines(client, {
    isJson: flags.json === true,
    intervalMs: flags.interval === undefined ? undefined : flags.interval * 1000,
    rareMs: rareMsOf(flags),
    isEnd: ({ state }) => flags.untilComplete === true && isOver(state),
    look: () => local.look(),
    log,
    signal,
  });
}

/** Who waits for the end still wants to hear of it when nothing has happened for long. */
function rareMsOf({ untilComplete }: StatusFlags): number | undefined {
  return untilComplete === true ? RARELY_MS : undefined;
}

function isOver(state: Status["state"]): boolean {
  return state === "complete" || state === "failed";
}

/** Pause the capture of a daemon here, or let it go on. Throws where there is none, or it cannot be paused. */
async function pauseDaemon({ capturing }: LocalWatch, isPaused: boolean): Promise<string> {
  if (capturing === null) {
    throw new SplatError("refused", "no daemon on this machine captures this scene", {
      hint: "`splatctl up FOLDER` starts one; `splatctl capture` ends with Ctrl-C and goes on when started again.",
    });
  }
  const { askDaemon } = await import("../daemon/ask-daemon.ts");
  const asked = await askDaemon(capturing.url, isPaused ? "/pause" : "/resume", "POST");
  if (asked === null || asked === "silent") {
    throw new SplatError("unreachable", `the daemon "${capturing.name}" does not answer`);
  }
  if (asked.status !== 200) {
    const { error } = (asked.body ?? {}) as { error?: { message?: string } };
    const why = error?.message ?? `it answers with ${asked.status}`;
    throw new SplatError("refused", `the daemon "${capturing.name}" cannot be paused: ${why}`);
  }
  return isPaused ? "paused: nothing new is taken; p lets it go on" : "the capture goes on";
}
