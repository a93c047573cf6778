/** What the user should know about a session, told once wherever they look: log, events, status. */
import type { SessionDeps } from "./session.ts";

const MAX_LISTED = 50;

/** The warnings of one session. */
export class Warnings {
  readonly #deps: Pick<SessionDeps, "log" | "publish" | "statusChanged">;
  readonly #messages = new Set<string>();

  constructor(deps: Pick<SessionDeps, "log" | "publish" | "statusChanged">) {
    this.#deps = deps;
  }

  /** Those that still hold, oldest first. */
  get messages(): readonly string[] {
    return [...this.#messages];
  }

  /** Tell one; nothing when it was told before. */
  add(message: string): void {
    if (this.#messages.has(message) || this.#messages.size >= MAX_LISTED) return;
    this.#messages.add(message);
    this.#deps.log.warn(message);
    this.#deps.publish({ event: "warning", data: { message } });
    this.#deps.statusChanged();
  }

  /** What was warned of is over. */
  remove(message: string): void {
    if (this.#messages.delete(message)) this.#deps.statusChanged();
  }
}
