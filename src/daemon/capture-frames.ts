/**
 * Joins a source of frames and a backend through a spool: every frame that appears is put on disk with what is known of
 * its pose, and sent from there.
 */
import type { Client } from "../api/client.ts";
import { SplatError, toSplatError } from "../errors.ts";
import { Confirmation } from "../queue/confirmation.ts";
import { deliver } from "../queue/deliver.ts";
import { openSpool, spoolFolderFor } from "../queue/open-spool.ts";
import { Patience, persist } from "../queue/persist.ts";
import { nowS } from "../time.ts";
import type { CaptureOptions } from "./capture-options.ts";
import { openSource } from "./capture-source.ts";
import { Tally, type CaptureListener, type CaptureSummary } from "./capture-tally.ts";
import { rememberJoints } from "./joint-memory.ts";
import { Filling, type FillingWork } from "./filling.ts";
import { lensNote, putDatasetScene } from "./posing.ts";

const DEFAULT_IN_FLIGHT = 8;
const DEFAULT_SPOOL_BYTES = 10e9;
const ONCE_GIVE_UP_S = 60;
/** A cloud may have to find another GPU first. */
const CLOUD_ONCE_GIVE_UP_S = 600;
const DRAIN_MS = 10_000;
const LINGER_MS = 3000;
/** Joints at a shutter are known only for a while: frames are taken when the backend has not answered for so long. */
const AWAY_AFTER_MS = 3000;

/** One capture, as its parts see it. */
interface Run extends FillingWork {
  readonly client: Client;
  readonly options: CaptureOptions;
  readonly giveUpAfterMs: number;
}

/**
 * Send the frames of a source to a backend until the signal aborts (or the source has ended, as a folder does with
 * `once`, and all are accepted), then see through those under way; what is left stays in the spool for the next run.
 * Throws `bad_input` when the source or the spool cannot be used or another capture has it, and what the backend
 * answers to the first questions; what happens later is in the summary.
 */
export async function captureFrames(
  client: Client,
  asked: CaptureOptions,
  listener: CaptureListener,
  signal: AbortSignal,
): Promise<CaptureSummary> {
  const options: CaptureOptions = { ...asked, joints: asked.joints && rememberJoints(asked.joints) };
  const { once = false, spoolDir, pause } = options;
  const source = await openSource(options, signal);
  const onceS = client.isCloud ? CLOUD_ONCE_GIVE_UP_S : ONCE_GIVE_UP_S;
  const giveUpAfterMs = (options.giveUpAfterS ?? (once ? onceS : Infinity)) * 1000;
  const purpose = { folder: source.identity, backend: client.url, scene: client.sceneName };
  const spool = await openSpool(spoolFolderFor(spoolDir, purpose), purpose, {
    maxBytes: options.spoolMaxBytes ?? DEFAULT_SPOOL_BYTES,
    giveUpAfterMs,
    onWarning: (line) => listener.onWarning(line),
  });
  const over = new AbortController();
  try {
    const tally = new Tally(listener, spool);
    pause?.tell((isPaused) => tally.pause(isPaused), over.signal);
    return await run({ client, options, source, listener, spool, tally, giveUpAfterMs }, signal);
  } finally {
    over.abort();
    await spool.close();
  }
}

async function run(capture: Run, interrupt: AbortSignal): Promise<CaptureSummary> {
  const { client, options, source, spool, tally, giveUpAfterMs } = capture;
  let forgotten = 0;
  const confirmation = new Confirmation(client, spool, (result) => {
    forgotten += result.forgotten;
    tally.reconciled(result);
  });
  const filling = new Filling(capture, interrupt);
  const ending = AbortSignal.any([interrupt, filling.failed, spool.lost]);
  try {
    // While the backend is away frames are taken all the same: the joints at their shutter are known only for a while.
    // Not those of a data set, whose lens the backend must be given first.
    await prepareScene(capture, confirmation, ending, () => {
      if (source.dataset === null) filling.begin();
    });
    if (forgotten > 0) await filling.again();
    else filling.begin();
  } catch (error) {
    await filling.stop();
    throw filling.fatal ?? error;
  }
  // What a camera has given last is sent too, if it can be soon: it always has given something just now.
  const leaving = options.camera === undefined ? interrupt : later(interrupt, LINGER_MS);
  const ended = await deliver(
    spool,
    {
      client,
      confirmation,
      filled: filling.filled,
      inFlight: options.inFlight ?? DEFAULT_IN_FLIGHT,
      minIntervalMs: options.fps === undefined ? 0 : 1000 / options.fps,
      giveUpAfterMs,
      drainMs: options.drainMs ?? DRAIN_MS,
      onEvent: (event) => tally.add(event),
    },
    AbortSignal.any([leaving, filling.failed, spool.lost]),
  );
  await filling.stop();
  const lost = spool.lost.aborted ? toSplatError(spool.lost.reason) : null;
  const complete = !(options.once === true && interrupt.aborted);
  return tally.summary(filling.fatal ?? lost ?? ended, complete);
}

/** Aborts so long after another signal. */
function later(signal: AbortSignal, afterMs: number): AbortSignal {
  const late = new AbortController();
  const wait = (): void => void setTimeout(() => late.abort(signal.reason), afterMs).unref();
  if (signal.aborted) wait();
  else signal.addEventListener("abort", wait, { once: true });
  return late.signal;
}

/**
 * Ask the backend how it stands and what it has, give it the data set's lens, and warn when no pose will be known.
 * `onAway` is called whenever it does not answer, or not soon.
 */
async function prepareScene(
  capture: Run,
  confirmation: Confirmation,
  signal: AbortSignal,
  onAway: () => void,
): Promise<void> {
  const { client, options, source, listener, spool, tally } = capture;
  const { dataset } = source;
  const patience = new Patience(capture.giveUpAfterMs);
  const ask = async <T>(call: () => Promise<T>): Promise<T> => {
    const onWait = (error: SplatError): void => {
      tally.wait(error);
      onAway();
    };
    const answer = await persist(call, { patience, signal, onWait });
    if (answer.kind === "done") return answer.value;
    throw answer.kind === "stopped" ? new SplatError("interrupted", "interrupted") : answer.error;
  };
  const away = setTimeout(onAway, AWAY_AFTER_MS);
  const status = await ask(() => client.status(signal)).finally(() => clearTimeout(away));
  tally.answered();
  await ask(() => confirmation.look(signal));
  const { waiting, failed } = spool.counts;
  if (waiting > 0) listener.onNote(`going on with ${waiting} frames of an earlier run`);
  if (failed > 0) listener.onNote(`${failed} frames were set aside earlier: see \`splatctl queue ls\``);
  if (dataset !== null) {
    listener.onNote(`data set: ${dataset.frames.length} posed frames`);
    dataset.notes.forEach((note) => listener.onNote(note));
    listener.onNote(await ask(() => putDatasetScene(client, dataset, signal)));
    return;
  }
  const scene = await ask(() => client.scene(signal));
  source.onScene?.(scene);
  if (scene.camera !== null) listener.onNote(lensNote(scene.camera));
  const warning = await source.noPoseWarning();
  if (status.joints_age_s !== null || warning === null || options.relaysItself === true) return;
  const isRelayed = options.joints !== undefined && (await options.joints.around(nowS(), signal)).length > 0;
  if (!isRelayed) listener.onWarning(warning);
}
