/** Opens a session: a new one, or the one that a folder holds. */
import { randomUUID } from "node:crypto";
import type { SceneSettings } from "../api/schema.ts";
import type { TrainerState } from "../trainer/state.ts";
import { sessionPlace } from "../api/bucket-keys.ts";
import { chunksOnDisk } from "./bucket-folder.ts";
import { withinMemory } from "./memory-budget.ts";
import { PictureMemory } from "./picture-memory.ts";
import type { SavedSession } from "./saved-session.ts";
import { Session, type SessionDeps } from "./session.ts";
import { trainingSettings } from "./settings.ts";
import type { PictureArchive, StartTraining, TrainingEvent } from "./training.ts";

export interface OpenSessionDeps extends Omit<SessionDeps, "training" | "pictures"> {
  readonly startTraining: StartTraining;
  /** Settings of a session that has none of its own yet. */
  readonly settings: SceneSettings;
}

/** Reproducible runs: nothing about a live capture calls for another seed each time. */
const SEED = 1;

/**
 * Start a trainer and the session around it. Frames of before a restart go to the trainer in the background, a few
 * at a time; it goes on from the newest checkpoint once all are there. Whatever is damaged is set aside with a warning.
 */
export async function openSession(deps: OpenSessionDeps): Promise<Session> {
  const { store } = deps;
  const checkpoint = await store.checkpoints.newest();
  const known = (await store.readSession(checkpoint?.session ?? null)) ?? newSession(deps.settings);
  const sessionKey = sessionPlace(deps.scene, known.session_id);
  const saved = { ...known, chunks: [...(await chunksOnDisk(deps.bucketFolder, sessionKey, known.chunks))] };
  const frames = await store.readFrames();
  const isNew = checkpoint === null && frames.length === 0;
  let session: Session | undefined;
  const pictures = new PictureMemory();
  const archive: PictureArchive = {
    read: (index) => session?.intake.readPicture(index) ?? Promise.reject(new Error("no session yet")),
    letGo: (pixels) => pictures.give(pixels),
  };
  const training = await deps.startTraining(
    // Until the frames are back it waits, or it would learn the first of them by heart.
    {
      // What is too much is told once there is a session to tell it.
      ...withinMemory(trainingSettings(saved.settings), deps.memory, () => undefined),
      frameBytes: deps.memory.frameBytes,
      threads: deps.threads,
      seed: SEED,
      live: isNew,
    },
    (event: TrainingEvent) => session?.onTraining(event),
    archive,
  );
  // The checkpoint may be older than the newest chunk; a last chunk must not be held for as new as that one.
  const chunk_step = Math.min(saved.chunk_step, checkpoint?.trainer.step ?? 0);
  session = new Session({ ...deps, training, pictures }, { ...saved, chunk_step });
  session.trainingSettings();
  await restoreMask(session, deps);
  for (const frame of frames) session.frames.add(frame);
  // Records hold the poses of their time; the settings may have changed since.
  session.intake.placeAgain();
  if (checkpoint !== null) session.restore(checkpoint);
  await session.saveRecord();
  if (saved.phase !== "complete" && !isNew)
    session.feeding = feedFrames(session, { ...deps, training, pictures }, checkpoint?.trainer ?? null);
  session.resume((checkpoint?.trainer.finish ?? null) !== null);
  return session;
}

function newSession(settings: SceneSettings): SavedSession {
  return {
    session_id: randomUUID(),
    settings,
    phase: "open",
    finish_seconds: settings.finish_seconds,
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

/** Their bytes are checked, and decoded when the trainer needs them; a session that ends does not wait for the rest. */
async function feedFrames(
  session: Session,
  { store, ingest, training }: SessionDeps,
  state: TrainerState | null,
): Promise<void> {
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
  if (session.closing.aborted) return;
  if (state !== null) training.restore(state);
  training.setSettings({ ...session.trainingSettings(), live: true });
}
