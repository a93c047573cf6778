/** What a look at the backend means for the frames that a spool keeps. Pure. */

/** Who answered: the capture that the backend is in, and its process. */
export interface Identity {
  readonly sessionId: string;
  readonly bootId: string;
}

/** One look at a backend. */
export interface Look {
  readonly identity: Identity;
  /** Newest index that a checkpoint or finished session holds. */
  readonly durableThrough: number;
  /** The session is finished, and all it holds with it. */
  readonly isComplete: boolean;
  /** Index of every frame that it has accepted. */
  readonly indexById: ReadonlyMap<string, number>;
}

/** What has happened to the backend since it was looked at last. */
export type Change =
  | "none"
  /** Another process, the same session: it may have gone back to an older checkpoint. */
  | "restarted"
  /** Another session of the same process: the user has reset it. */
  | "reset"
  /** Another session of another process: it could not restore the old one, or was reset before it was started again. */
  | "lost";

/** What a look at the backend changed. */
export interface Reconciled {
  readonly change: Change;
  /** Whether it was the run's first. */
  readonly isFirst: boolean;
  /** Frames to be sent again. */
  readonly again: number;
  /** Frames let go because their session was reset. */
  readonly over: number;
  /** Files whose frames are not kept any more and that are to be read again. */
  readonly forgotten: number;
}

/** Compare who answered before (null: nobody yet) with who answers now. */
export function changeOf(before: Identity | null, now: Identity): Change {
  if (before === null) return "none";
  const isSameBoot = before.bootId === now.bootId;
  if (before.sessionId === now.sessionId) return isSameBoot ? "none" : "restarted";
  return isSameBoot ? "reset" : "lost";
}

/** What becomes of a frame that was sent: held for good, held for now, to be sent again, or over with its session. */
export type FrameVerdict = "durable" | "accepted" | "again" | "over";

/** Judge a frame that was accepted, in session `sessionId`, before the backend was looked at. */
export function judgeFrame(
  frame: { readonly frameId: string; readonly sessionId: string | null },
  look: Look,
  change: Change,
): FrameVerdict {
  const index = look.indexById.get(frame.frameId);
  if (index !== undefined) return look.isComplete || index <= look.durableThrough ? "durable" : "accepted";
  // Whoever resets a capture on purpose does not want its frames in the next one.
  return change === "reset" && frame.sessionId !== look.identity.sessionId ? "over" : "again";
}

/**
 * What becomes of the memory of a file that was taken and whose frame is not kept any more: it stays, is forgotten (so
 * that the next run reads the file again), or stays though the backend does not have the frame.
 */
export type MemoryVerdict = "keep" | "forget" | "over";

/** Judge the memory of a file. `isFirst`: this run has not looked before. */
export function judgeMemory(
  taken: { readonly frameId: string; readonly isOver: boolean },
  look: Look,
  { change, isFirst }: { readonly change: Change; readonly isFirst: boolean },
): MemoryVerdict {
  if (look.indexById.has(taken.frameId)) return "keep";
  const isNewSession = change === "reset" || change === "lost";
  // A run that begins in a session of its own takes the folder from the start.
  if (isFirst && isNewSession) return "forget";
  if (change === "reset") return "over";
  return taken.isOver ? "keep" : "forget";
}
