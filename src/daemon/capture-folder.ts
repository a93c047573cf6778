/**
 * Joins a watched folder and a backend through a spool: every frame that appears is put on disk with what is known of
 * its pose, and sent from there.
 */
import type { Client } from "../api/client.ts";
import { isDataset, readDataset } from "../capture/dataset.ts";
import type { NameRules } from "../capture/frame-names.ts";
import { requireFolder } from "../capture/folder-watch.ts";
import { folderHasSidecars } from "../capture/sidecar.ts";
import { SplatError, toSplatError } from "../errors.ts";
import { Confirmation } from "../queue/confirmation.ts";
import { deliver } from "../queue/deliver.ts";
import { openSpool, realFolder, spoolFolderFor } from "../queue/open-spool.ts";
import { Patience, persist } from "../queue/persist.ts";
import { nowS } from "../time.ts";
import { Tally, type CaptureListener, type CaptureSummary } from "./capture-tally.ts";
import type { JointLookup } from "./joint-lookup.ts";
import { Filling, type FillingWork } from "./filling.ts";
import { lensNote, noPoseWarning, putDatasetScene } from "./posing.ts";

export interface CaptureOptions extends NameRules {
  readonly folder: string;
  /** Folder of all spools; this capture's is one in it. */
  readonly spoolDir: string;
  /** Disk space that this capture's spool may take; default 10 GB. */
  readonly spoolMaxBytes?: number | undefined;
  /** Look into sub-folders; a data set does so by itself. */
  readonly recursive?: boolean | undefined;
  /** Send what is there and end. */
  readonly once?: boolean | undefined;
  /** Ignore transforms.json. */
  readonly ignoreDataset?: boolean | undefined;
  /** Most uploads started a second; default no cap. */
  readonly fps?: number | undefined;
  /** Uploads under way at once; default 8: each waits for a decoder and a disk at the other end. */
  readonly inFlight?: number | undefined;
  /** How long the backend may go on not answering, seconds; default for ever, with `once` 60, a cloud 600. */
  readonly giveUpAfterS?: number | undefined;
  /** After the signal: how long uploads under way may go on trying, milliseconds. */
  readonly drainMs?: number | undefined;
  /** What the arm's joints were; asked for every frame that does not say itself where it was taken from. */
  readonly joints?: Pick<JointLookup, "around"> | undefined;
  /** The joints come from a relay in this process, which tells by itself when none come. */
  readonly relaysItself?: boolean | undefined;
}

const DEFAULT_IN_FLIGHT = 8;
const DEFAULT_SPOOL_BYTES = 10e9;
const ONCE_GIVE_UP_S = 60;
/** A cloud may have to find another GPU first. */
const CLOUD_ONCE_GIVE_UP_S = 600;
const DRAIN_MS = 10_000;
/** Joints at a shutter are known only for a while: frames are taken when the backend has not answered for so long. */
const AWAY_AFTER_MS = 3000;

/** One capture, as its parts see it. */
interface Run extends FillingWork {
  readonly client: Client;
  readonly options: CaptureOptions;
  readonly giveUpAfterMs: number;
}

/**
 * Send the frames of a folder to a backend until the signal aborts (or, with `once`, until all are accepted), then see
 * through those under way; what is left stays in the spool for the next run. Throws `bad_input` when the folder, its
 * transforms.json or the spool cannot be used or another capture has it, and what the backend answers to the first
 * questions; what happens later is in the summary.
 */
export async function captureFolder(
  client: Client,
  options: CaptureOptions,
  listener: CaptureListener,
  signal: AbortSignal,
): Promise<CaptureSummary> {
  const { folder, once = false, spoolDir } = options;
  await requireFolder(folder);
  const isPosed = options.ignoreDataset !== true && (await isDataset(folder));
  const dataset = isPosed ? await readDataset(folder, { allowMissing: !once }) : null;
  const onceS = client.isCloud ? CLOUD_ONCE_GIVE_UP_S : ONCE_GIVE_UP_S;
  const giveUpAfterMs = (options.giveUpAfterS ?? (once ? onceS : Infinity)) * 1000;
  const purpose = { folder: await realFolder(folder), backend: client.url, scene: client.sceneName };
  const spool = await openSpool(spoolFolderFor(spoolDir, purpose), purpose, {
    maxBytes: options.spoolMaxBytes ?? DEFAULT_SPOOL_BYTES,
    giveUpAfterMs,
    onWarning: (line) => listener.onWarning(line),
  });
  try {
    const tally = new Tally(listener, spool);
    return await run({ client, options, listener, spool, tally, dataset, giveUpAfterMs }, signal);
  } finally {
    await spool.close();
  }
}

async function run(capture: Run, interrupt: AbortSignal): Promise<CaptureSummary> {
  const { client, options, spool, tally, dataset, giveUpAfterMs } = capture;
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
      if (dataset === null) filling.begin();
    });
    if (forgotten > 0) await filling.again();
    else filling.begin();
  } catch (error) {
    await filling.stop();
    throw filling.fatal ?? error;
  }
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
    ending,
  );
  await filling.stop();
  const lost = spool.lost.aborted ? toSplatError(spool.lost.reason) : null;
  const complete = !(options.once === true && interrupt.aborted);
  return tally.summary(filling.fatal ?? lost ?? ended, complete);
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
  const { client, options, listener, spool, tally, dataset } = capture;
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
  const { camera } = await ask(() => client.scene(signal));
  if (camera !== null) listener.onNote(lensNote(camera));
  const hasPoses = await folderHasSidecars(options.folder, options.recursive === true);
  if (status.joints_age_s !== null || hasPoses || options.relaysItself === true) return;
  const isRelayed = options.joints !== undefined && (await options.joints.around(nowS(), signal)).length > 0;
  if (!isRelayed) listener.onWarning(noPoseWarning(options.folder));
}
