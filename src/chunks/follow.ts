/**
 * Follows a session while it goes on: looks at its status.json, often while something changes and seldom while nothing
 * does, and tells of each chunk once.
 */
import { scenePlace, sessionPlace, statusKey } from "../api/bucket-keys.ts";
import { SplatError, toSplatError } from "../errors.ts";
import { waitAfter } from "../remote/r2-pace.ts";
import type { BucketReader } from "../remote/r2-read.ts";
import { sleep, steadyMs } from "../time.ts";
import type { Entry, Session } from "./entry.ts";
import { SessionsBehind } from "./follow-behind.ts";
import { FOLLOW_PACE, FollowTrouble, nextWaitMs, type FollowPace } from "./follow-pace.ts";
import { isSessionId } from "./session-status.ts";
import { StatusLook, type Look } from "./status-look.ts";

export interface FollowQuestion {
  readonly scene: string;
  /** `latest`, or a session's id. */
  readonly session: string;
  /** With `latest`: leave a session that has ended before the first look, and wait for the next one. */
  readonly wait?: boolean | undefined;
  readonly pace?: FollowPace | undefined;
}

export type FollowEvent =
  /** There is no status.json yet, or (`isGone`) any more. Told once. */
  | { readonly kind: "waiting"; readonly isGone: boolean }
  /** It is this one that is followed from now on; `previous`: the id of the one that it took over from. */
  | { readonly kind: "session"; readonly session: Session; readonly previous: string | null }
  /** It has ended already and `wait` leaves it. */
  | { readonly kind: "skipped"; readonly session: Session }
  /** What its status.json names now; each chunk that is new follows. */
  | { readonly kind: "status"; readonly session: Session }
  | { readonly kind: "chunk"; readonly entry: Entry }
  /** All that a look found was told; the next one comes after a pause. */
  | { readonly kind: "looked" }
  /** It is waited out. */
  | { readonly kind: "trouble"; readonly error: SplatError }
  /** The trouble that was told. */
  | { readonly kind: "over" }
  /** Its training failed. A backend that is started anew may go on with it, so that is waited for a while. */
  | { readonly kind: "stopped"; readonly session: Session }
  /** After `stopped`: it goes on. */
  | { readonly kind: "resumed"; readonly session: Session }
  /** All that is left is to wait a while for the last chunks of sessions that another took over from. */
  | { readonly kind: "lingering"; readonly sessionIds: readonly string[] }
  /** The last event: it is complete, or `stopped` and did not go on. */
  | { readonly kind: "complete" | "failed-session"; readonly session: Session };

/**
 * Follow a session until it is complete, or failed and does not go on: everything that it has already, then what comes.
 * With `latest`, a newer session that takes its scene over is followed from then on, and the one before is looked at as
 * well. Trouble is waited out; throws what only the user can mend (`not_configured`, `refused`), `usage` for what is no
 * session, and the signal's reason when it aborts.
 */
export async function* followSession(
  reader: BucketReader,
  question: FollowQuestion,
  signal: AbortSignal,
): AsyncGenerator<FollowEvent, void> {
  const { scene, session: wanted, wait = false, pace = FOLLOW_PACE } = question;
  mustBeOne(wanted, wait);
  const trouble = new FollowTrouble();
  const key = statusKey(wanted === "latest" ? scenePlace(scene) : sessionPlace(scene, wanted));
  const status = new StatusLook(reader, scene, key, wanted === "latest" ? null : wanted);
  const following = new Following(reader, question, pace);
  let waitMs = pace.everyMs;
  for (;;) {
    const lookedMs = steadyMs();
    const look: Look = yield* lookUntilSeen(status, trouble, pace, signal);
    const hasChanged: boolean = yield* following.saw(look, signal);
    yield { kind: "looked" };
    if (yield* following.isOver(signal)) return;
    waitMs = nextWaitMs(waitMs, hasChanged, pace);
    await sleep(Math.max(0, lookedMs + waitMs - steadyMs()), signal);
  }
}

function mustBeOne(wanted: string, wait: boolean): void {
  if (!isSessionId(wanted) || wanted === "all") {
    throw new SplatError("usage", "one session is followed at a time, and that is no session's id", {
      hint: "Give latest, or an id as `splatctl chunks ls` shows it.",
    });
  }
  if (wait && wanted !== "latest") {
    throw new SplatError(
      "usage",
      "--wait waits for the next session, so it does not go with a session's id",
      {
        hint: "Leave out one of the two.",
      },
    );
  }
}

/** What is followed now, and what was told of it. */
class Following {
  readonly #reader: BucketReader;
  readonly #scene: string;
  readonly #pace: FollowPace;
  readonly #behind: SessionsBehind;
  /** Keys. */
  readonly #told = new Set<string>();
  #current: Session | null = null;
  /** As it was when it was told that it has stopped, or when its last chunk came since. */
  #stopped: Session | null = null;
  #stoppedMs = 0;
  #mayLeave: boolean;
  #leftId: string | null = null;
  #isMissing = false;
  #isLingering = false;

  constructor(reader: BucketReader, { scene, wait = false }: FollowQuestion, pace: FollowPace) {
    this.#reader = reader;
    this.#scene = scene;
    this.#pace = pace;
    this.#behind = new SessionsBehind(pace);
    this.#mayLeave = wait;
  }

  /** @returns whether anything was new */
  async *saw(look: Look, signal: AbortSignal): AsyncGenerator<FollowEvent, boolean> {
    const isGone = this.#current !== null || this.#leftId !== null;
    if (look.kind === "missing" && !this.#isMissing) yield { kind: "waiting", isGone };
    if (look.kind !== "unchanged") this.#isMissing = look.kind === "missing";
    if (look.kind !== "status") {
      this.#mayLeave = false;
      return yield* this.#lookBehind(signal);
    }
    const { session } = look;
    if (this.#leaves(session)) {
      if (this.#leftId === null) yield { kind: "skipped", session };
      this.#leftId = session.sessionId;
      return true;
    }
    const previous = this.#current;
    this.#current = session;
    const isOther = session.sessionId !== previous?.sessionId;
    if (isOther) {
      this.#behind.remove(session.sessionId);
      if (previous?.complete === false) this.#behind.add(previous.sessionId, this.#statusOf(previous));
    }
    yield* this.#lookBehind(signal);
    if (isOther) yield { kind: "session", session, previous: previous?.sessionId ?? null };
    yield* this.#name(session);
    yield* this.#checkStop(session);
    return true;
  }

  /** Whether that is all. */
  async *isOver(signal: AbortSignal): AsyncGenerator<FollowEvent, boolean> {
    const session = this.#current;
    if (session === null) return false;
    const hasFailed = this.#stopped !== null && steadyMs() - this.#stoppedMs >= this.#pace.patienceMs;
    if (!session.complete && !hasFailed) return false;
    const sessionIds = this.#behind.unsettled();
    if (sessionIds.length > 0) {
      if (!this.#isLingering) yield { kind: "lingering", sessionIds };
      this.#isLingering = true;
      return false;
    }
    if (yield* this.#lookBehind(signal, "all")) return false;
    yield { kind: session.complete ? "complete" : "failed-session", session };
    return true;
  }

  /** Only what has ended before the first look is left, and only as long as it stays so. */
  #leaves({ sessionId, complete, state }: Session): boolean {
    const isLeft = this.#mayLeave || sessionId === this.#leftId;
    this.#mayLeave = false;
    return isLeft && this.#current === null && (complete || state === "failed");
  }

  #statusOf({ sessionId }: Session): StatusLook {
    const key = statusKey(sessionPlace(this.#scene, sessionId));
    return new StatusLook(this.#reader, this.#scene, key, sessionId);
  }

  async *#lookBehind(signal: AbortSignal, which?: "all"): AsyncGenerator<FollowEvent, boolean> {
    const changed = await this.#behind.look(signal, which);
    for (const session of changed) yield* this.#name(session);
    return changed.length > 0;
  }

  *#name(session: Session): Generator<FollowEvent, void> {
    yield { kind: "status", session };
    for (const entry of session.entries) {
      if (this.#told.has(entry.key)) continue;
      this.#told.add(entry.key);
      yield { kind: "chunk", entry };
    }
  }

  *#checkStop(session: Session): Generator<FollowEvent, void> {
    const before = this.#stopped?.sessionId === session.sessionId ? this.#stopped : null;
    const isStopped = session.state === "failed" && !session.complete;
    this.#stopped = isStopped ? session : null;
    // Frames that still come change the status as well, and mend nothing.
    if (before?.entries.length !== session.entries.length) this.#stoppedMs = steadyMs();
    if (isStopped && before === null) yield { kind: "stopped", session };
    if (!isStopped && before !== null) yield { kind: "resumed", session };
  }
}

/** Look until there is an answer, however long that takes. */
async function* lookUntilSeen(
  status: StatusLook,
  trouble: FollowTrouble,
  pace: FollowPace,
  signal: AbortSignal,
): AsyncGenerator<FollowEvent, Look> {
  for (;;) {
    try {
      const look = await status.look(signal);
      if (trouble.worked()) yield { kind: "over" };
      return look;
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toSplatError(thrown);
      const verdict = trouble.failed(error);
      if (verdict === "end") throw error;
      if (verdict === "tell") yield { kind: "trouble", error };
      await sleep(waitAfter(error, trouble.failures, pace), signal);
    }
  }
}
