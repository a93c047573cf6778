/**
 * Sessions that another took over from. A backend uploads the newest session's chunks first, so the last ones of the
 * session before come later, and only its own status.json tells of them.
 */
import { toSplatError } from "../errors.ts";
import { steadyMs } from "../time.ts";
import type { Session } from "./entry.ts";
import { nextWaitMs, type FollowPace } from "./follow-pace.ts";
import type { Look, StatusLook } from "./status-look.ts";

interface Behind {
  readonly status: StatusLook;
  /** On the steady clock, as the next one. */
  changedMs: number;
  dueMs: number;
  waitMs: number;
}

/** The sessions that were left and may still bring chunks. */
export class SessionsBehind {
  readonly #pace: FollowPace;
  readonly #byId = new Map<string, Behind>();

  constructor(pace: FollowPace) {
    this.#pace = pace;
  }

  /** Look at it too, from now on. */
  add(sessionId: string, status: StatusLook): void {
    const nowMs = steadyMs();
    this.#byId.set(sessionId, { status, changedMs: nowMs, dueMs: nowMs, waitMs: this.#pace.everyMs });
  }

  /** It is followed again. */
  remove(sessionId: string): void {
    this.#byId.delete(sessionId);
  }

  /** Those that changed a short while ago, so that more may come. */
  unsettled(): string[] {
    const sinceMs = steadyMs() - this.#pace.patienceMs;
    return [...this.#byId].flatMap(([id, { changedMs }]) => (changedMs > sinceMs ? [id] : []));
  }

  /**
   * Look once at those whose turn it is, or at all. An error holds nothing up: the next look may work. Throws bugs, and
   * the signal's reason. @returns those that changed
   */
  async look(signal: AbortSignal, which: "due" | "all" = "due"): Promise<Session[]> {
    const changed: Session[] = [];
    for (const [id, behind] of this.#byId) {
      if (which === "due" && behind.dueMs > steadyMs()) continue;
      const look = await lookOnce(behind.status, signal);
      const hasChanged = look?.kind === "status";
      if (hasChanged) changed.push(look.session);
      if (look?.kind === "missing" || (hasChanged && look.session.complete)) {
        this.#byId.delete(id);
        continue;
      }
      const nowMs = steadyMs();
      if (hasChanged) behind.changedMs = nowMs;
      behind.waitMs = nextWaitMs(behind.waitMs, hasChanged, this.#pace);
      behind.dueMs = nowMs + behind.waitMs;
    }
    return changed;
  }
}

/** null when it could not be seen. */
async function lookOnce(status: StatusLook, signal: AbortSignal): Promise<Look | null> {
  try {
    return await status.look(signal);
  } catch (thrown) {
    signal.throwIfAborted();
    const error = toSplatError(thrown);
    if (error.code === "internal") throw error;
    return null;
  }
}
