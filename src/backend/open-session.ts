/** Opens a session: a new one, or the one that a folder holds. */
import { randomUUID } from "node:crypto";
import type { SceneSettings } from "../api/schema.ts";
import { chunksOnDisk, sessionKeyOf } from "./bucket-folder.ts";
import { Session, type SessionDeps } from "./session.ts";
import { trainingSettings } from "./settings.ts";
import type { SavedSession } from "./store.ts";
import type { StartTraining, Training, TrainingEvent } from "./training.ts";

export interface OpenSessionDeps extends Omit<SessionDeps, "training"> {
  readonly startTraining: StartTraining;
  /** Settings of a session that has none of its own yet. */
  readonly settings: SceneSettings;
}

/** Reproducible runs: nothing about a live capture calls for another seed each time. */
const SEED = 1;

/**
 * Start a trainer and the session around it. Frames of before a restart go to the trainer in the background, a few
 * at a time; those that are damaged are set aside with a warning.
 */
export async function openSession(deps: OpenSessionDeps): Promise<Session> {
  const known = (await deps.store.readSession()) ?? newSession(deps.settings);
  const sessionKey = sessionKeyOf(deps.scene, known.session_id);
  const saved = { ...known, chunks: [...(await chunksOnDisk(deps.bucketFolder, sessionKey, known.chunks))] };
  let session: Session | undefined;
  const training = await deps.startTraining(
    { ...trainingSettings(saved.settings), threads: deps.threads, seed: SEED, live: true },
    (event: TrainingEvent) => session?.onTraining(event),
  );
  session = new Session({ ...deps, training }, saved);
  await restoreMask(session, deps);
  await restoreScene(session, deps, training, saved);
  for (const frame of await deps.store.readFrames()) session.frames.add(frame);
  await session.save();
  session.feeding = saved.phase === "complete" ? Promise.resolve() : feedFrames(session, deps);
  session.resume();
  return session;
}

function newSession(settings: SceneSettings): SavedSession {
  return {
    session_id: randomUUID(),
    settings,
    phase: "open",
    finish_seconds: settings.finish_seconds,
    step: 0,
    chunk_step: 0,
    version_ceiling: 0,
    rejected_count: 0,
    psnr_train: null,
    psnr_holdout: null,
    chunks: [],
  };
}

async function restoreMask(session: Session, { store }: OpenSessionDeps): Promise<void> {
  const png = await store.readMask();
  if (png === null) return;
  try {
    await session.setMask(png);
  } catch (error) {
    await store.setMaskAside(error);
  }
}

async function restoreScene(
  session: Session,
  { store }: OpenSessionDeps,
  training: Training,
  saved: SavedSession,
): Promise<void> {
  const gaussians = await store.readScene();
  if (gaussians === null) {
    session.report.startOver();
    return;
  }
  training.restore(gaussians, saved.step);
  session.show(gaussians, saved.step);
}

/** The trainer takes them as fast as they decode; a session that ends does not wait for the rest. */
async function feedFrames(session: Session, { store, ingest }: OpenSessionDeps): Promise<void> {
  const waiting = [...session.frames.accepted()];
  const feedNext = async (): Promise<void> => {
    while (!session.closing.aborted) {
      const frame = waiting.shift();
      if (frame === undefined) return;
      try {
        await session.intake.feedAgain(frame);
      } catch (error) {
        session.frames.remove(frame);
        await store.setFrameAside(frame, error);
      }
    }
  };
  await Promise.all(Array.from({ length: ingest.running }, feedNext));
}
