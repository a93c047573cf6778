/** Relay and capture as daemons: `up` does both, `relay` the first alone. */
import type { Client } from "../api/client.ts";
import { resolveLerobotPlaces, type Config } from "../config.ts";
import type { CaptureCounts, CaptureListener } from "../daemon/capture-tally.ts";
import type { JointRoad } from "../daemon/joint-road.ts";
import type { DaemonContext } from "../daemon/run-daemon.ts";
import type { RelayStatus, RunningRelay } from "../daemon/run-relay.ts";
import type { UpPlan, UpSummary } from "../daemon/up.ts";
import { PauseSwitch } from "../daemon/pause.ts";
import { EXIT_CODES, explainShort, SplatError, toSplatError } from "../errors.ts";
import { backendOf } from "./flags.ts";
import { runAsDaemon, type DaemonFlags, type DaemonTerminal } from "./run-as-daemon.ts";
import { tellStarting, type StartingNote } from "./starting-note.ts";
import { printResult } from "./terminal.ts";
import type { UpScreenParts } from "./up-screen.ts";

/** With what a plan is run. */
interface Surroundings {
  readonly flags: DaemonFlags & { readonly port?: number };
  readonly client: Client;
  readonly config: Config;
  readonly starting: StartingNote;
}

const SHOW_EVERY_MS = 500;

/** Run a plan to its end, here or detached, and print what came of it. */
export async function runPlan(plan: UpPlan, surroundings: Surroundings): Promise<void> {
  const { flags, client, config, starting } = surroundings;
  const { describePlan } = await import("../daemon/up.ts");
  const { openJointRoad, PUSH_PORT } = await import("../daemon/joint-road.ts");
  const road = plan.relay === null ? null : await openJointRoad(plan.relay, resolveLerobotPlaces());
  const isPushed = road !== null && road.source === null;
  const name = flags.name ?? client.sceneName;
  const summary = await runAsDaemon(flags, {
    config,
    what: describePlan(plan),
    relays: plan.relay !== null,
    hasScreen: plan.capture !== null,
    port: flags.port ?? plan.relay?.port ?? (isPushed ? PUSH_PORT : undefined),
    work: (context, terminal) =>
      work(plan, road, { client, config, starting, name, ...terminal, ...context }),
  });
  if (summary === null) return;
  // Told to end before the backend had answered: what was taken waits in the spool.
  const isCutShort = plan.capture !== null && summary.capture === null;
  if (isCutShort && summary.relay === null) throw new SplatError("interrupted", "interrupted");
  await print(summary, flags, client);
  if (isCutShort) process.exitCode = EXIT_CODES.partial;
}

type Work = DaemonTerminal & DaemonContext & Omit<Surroundings, "flags"> & { readonly name: string };

async function work(plan: UpPlan, road: JointRoad | null, surroundings: Work): Promise<UpSummary> {
  const { client, config, starting, log, line, signal, ready, expose, url } = surroundings;
  const { runUp } = await import("../daemon/up.ts");
  const { openJointStream } = await import("../api/joint-stream.ts");
  const { onceEach } = await import("../daemon/run-relay.ts");
  const { runningRelay } = await import("../daemon/running-relay.ts");
  const { describeProgress } = await import("./describe-relay.ts");
  let counts: CaptureCounts | null = null;
  let running: RunningRelay | null = null;
  const pause = new PauseSwitch();
  const shownCounts = (): CaptureCounts | null => counts && { ...counts, paused: pause.isPaused };
  const relayStatus = (): RelayStatus | null => running?.status() ?? null;
  const progress = (): string => starting.addTo(describeProgress(shownCounts(), relayStatus()));
  const listener: CaptureListener = {
    onCounts(now) {
      counts = now;
      ready();
    },
    onNote(text) {
      log.info(text);
      ready();
    },
    onWarning(text) {
      log.warn(text);
      ready();
    },
  };
  const tellStart = tellStarting(log);
  starting.listen((waitedS) => {
    tellStart(waitedS);
    ready();
  });
  // A capture finds out by itself.
  const onStarting = plan.capture === null ? starting.onStarting : undefined;
  const jointStream = openJointStream({ ...backendOf(config), scene: client.sceneName, onStarting });
  const onRelay = (started: RunningRelay): void => {
    running = started;
    const { relay } = started;
    const parse = road?.parse ?? null;
    const refused = onceEach((error) =>
      listener.onWarning(`joint angles that were pushed are refused: ${explainShort(error)}`),
    );
    const takeJoints =
      parse === null ? null : (body: unknown) => relay.take(orTell(() => parse(body), refused));
    expose({ joints: relay, jointsFrom: road?.from ?? null, takeJoints });
    if (parse === null) return;
    log.info(`push joint angles to ${url}/update-joint-angles`);
    ready();
  };
  expose({
    status: () => ({
      ...(counts === null ? {} : { capture: shownCounts() }),
      ...(running === null ? {} : { relay: running.status() }),
      starting_s: starting.waitedS,
      summary: progress(),
    }),
  });
  const capture = plan.capture === null ? null : { ...plan.capture, pause };
  if (capture !== null) expose({ pause });
  const shown = setInterval(() => line.update(progress()), SHOW_EVERY_MS);
  let screen: Awaited<ReturnType<typeof openScreen>> = null;
  try {
    screen = await openScreen(surroundings, { pause, counts: shownCounts, relay: relayStatus });
    const elsewhere = runningRelay(config.runDir, listener, { scene: client.sceneName });
    const parts = { client, jointStream, road, elsewhere, listener, onRelay };
    return await runUp({ ...plan, capture }, parts, signal);
  } finally {
    screen?.close();
    clearInterval(shown);
    await jointStream.close();
  }
}

/** The dashboard in place of the line that moves; null where it is not to be shown. */
async function openScreen(
  { client, starting, held, signal, stop, name }: Work,
  local: Omit<UpScreenParts, "client" | "starting" | "held" | "signal" | "stop" | "name">,
): Promise<{ close: () => void } | null> {
  if (held === null) return null;
  const { openUpScreen } = await import("./up-screen.ts");
  return await openUpScreen({ client, starting, held, signal, stop, name, ...local });
}

/** Whoever pushes may never read our answers: what is wrong is told here too. */
function orTell<T>(parse: () => T, tell: (error: SplatError) => void): T {
  try {
    return parse();
  } catch (thrown) {
    tell(toSplatError(thrown));
    throw thrown;
  }
}

async function print({ capture, relay }: UpSummary, flags: DaemonFlags, client: Client): Promise<void> {
  const { describeSummary, summaryJson } = await import("./describe-capture.ts");
  const { describeRelay, relayJson } = await import("./describe-relay.ts");
  const lines = [
    ...(capture === null ? [] : [describeSummary(capture)]),
    ...(relay === null ? [] : [describeRelay(relay)]),
  ];
  if (capture !== null && capture.fatal !== null) {
    process.stderr.write(`${lines.join("\n")}\n`);
    throw capture.fatal;
  }
  const value = {
    success: true,
    ...(capture === null ? {} : summaryJson(capture, client)),
    ...(relay === null ? {} : { relay: relayJson(relay) }),
  };
  printResult(flags, value, lines.join("\n"));
  if (capture !== null && capture.rejected + capture.unsent > 0) process.exitCode = EXIT_CODES.partial;
}
