/** What a watch tells, in words and as JSON. */
import type { DownloadResult } from "../chunks/download.ts";
import type { Session } from "../chunks/entry.ts";
import type { WatchEvent, WatchOptions, WatchSummary } from "../chunks/watch.ts";
import { printable } from "../printable.ts";
import { explainShort, type SplatError } from "../errors.ts";
import { nowS } from "../time.ts";
import { duration } from "../quantities.ts";
import { failureJson } from "./get-report.ts";
import type { CommandEnd } from "./run-after.ts";

/** Events of a session that tell its id alone. */
const JSON_EVENTS = {
  skipped: "skipped",
  stopped: "stopped",
  resumed: "resumed",
  "failed-session": "session_failed",
  complete: "complete",
} as const;

/** What the user asked for. */
export type Watched = Pick<WatchOptions, "scene" | "session">;

/** What ended longer ago than this is hardly what was to be watched, seconds. */
const LONG_ENDED_S = 600;

/** What is to be told of an event on stderr: a note, a warning, or nothing. */
export function describeEvent(
  event: WatchEvent,
  watched: Watched,
): { readonly note?: string; readonly warning?: string } {
  switch (event.kind) {
    case "waiting":
      return {
        note: event.isGone
          ? `the bucket tells nothing of ${nameOfWatched(watched)} any more; waiting`
          : `nothing in the bucket for ${nameOfWatched(watched)} yet; waiting`,
      };
    case "session": {
      const { sessionId, entries, complete } = event.session;
      const id = printable(sessionId);
      const chunks = counted(entries.length, "chunk");
      const isLongOver = complete && ageS(event.session) >= LONG_ENDED_S;
      if (event.previous === null && isLongOver)
        return { note: `session ${id}: ${chunks}, ${endedAgo(event.session)}${hintOf(watched)}` };
      if (event.previous === null) return { note: `session ${id}: ${chunks} so far` };
      return { note: `session ${id} took over from ${printable(event.previous)}: following it` };
    }
    case "skipped":
      return {
        note: `session ${printable(event.session.sessionId)} is ${endedAgo(event.session)}: waiting for the next one`,
      };
    case "stopped":
      return {
        warning: `training of session ${printable(event.session.sessionId)} failed; waiting a while in case it goes on`,
      };
    case "resumed":
      return { note: `session ${printable(event.session.sessionId)} goes on` };
    case "lingering":
      return {
        note: `waiting a while for the last chunks of session ${event.sessionIds.map(printable).join(", ")}`,
      };
    case "trouble":
      return { warning: `${explainShort(event.error)}; looking again until it can be read` };
    case "over":
      return { note: "the bucket answers again" };
    case "failed":
      return {
        warning: `${nameOf(event.result)} was not downloaded, and is tried again: ${whyOf(event.result)}`,
      };
    case "dropped":
      return {
        note: `${nameOf(event)} is not tried again: the session's status.json does not name it any more`,
      };
    case "failed-session":
      return { warning: `session ${printable(event.session.sessionId)} failed and did not go on` };
    case "complete":
      return { note: `session ${printable(event.session.sessionId)} is complete` };
    default:
      return {};
  }
}

/** An event as one line of JSON. */
export function eventJson(event: WatchEvent, { scene }: Watched): object {
  switch (event.kind) {
    case "waiting":
      return { event: "waiting", scene, gone: event.isGone };
    case "session": {
      const { sessionId, state, complete, entries } = event.session;
      const counts = { state, complete, chunks: entries.length };
      return { event: "session", scene, session_id: sessionId, previous: event.previous, ...counts };
    }
    case "landed": {
      const { result } = event;
      return { event: "chunk", ...chunkJson(result), outcome: result.outcome, path: result.path };
    }
    case "failed":
      return { event: "failed", ...chunkJson(event.result), error: errorJson(event.result.error) };
    case "dropped":
      return { event: "dropped", key: event.entry.key };
    case "trouble":
      return { event: "trouble", error: errorJson(event.error) };
    case "over":
      return { event: "over" };
    case "lingering":
      return { event: "lingering", scene, session_ids: event.sessionIds };
    default:
      return { event: JSON_EVENTS[event.kind], scene, session_id: event.session.sessionId };
  }
}

/** How a command ended, in words; null when it ended well. */
export function describeCommandEnd({ result, code, signal, error }: CommandEnd): string | null {
  if (code === 0) return null;
  const how = error ?? (signal === null ? `exit code ${code}` : signal);
  return `the command after ${nameOf(result)} ${error === null ? "ended with" : "was not run:"} ${how}`;
}

/** The same as one line of JSON. */
export function commandJson({ result, code, signal, error }: CommandEnd): object {
  return { event: "command", key: result.entry.key, path: result.path, code, signal, error };
}

/** What came of it all. */
export function describeWatch(summary: WatchSummary, commandFailures: number): string {
  const { complete, sessionFailed, sessions, downloaded, already, failed } = summary;
  const early =
    sessions.length === 0 ? "ended before there was a session" : "ended before the session was complete";
  const parts = [
    complete || sessionFailed ? "" : early,
    `${counted(downloaded, "chunk")} downloaded`,
    already > 0 ? `${already} there already` : "",
    failed.length > 0 ? `${failed.length} not downloaded` : "",
    commandFailures > 0 ? `${counted(commandFailures, "command")} failed` : "",
  ].filter((part) => part !== "");
  const names = failed.map((result) => `\n  ${nameOf(result)}: ${whyOf(result)}`);
  return parts.join(", ") + names.join("");
}

/** The last line of JSON. */
export function watchJson(summary: WatchSummary, commandFailures: number): object {
  const { sessions, downloaded, already, failed, complete, sessionFailed } = summary;
  return {
    event: "end",
    success: !sessionFailed && failed.length === 0 && commandFailures === 0,
    complete,
    session_failed: sessionFailed,
    sessions,
    downloaded,
    already,
    failed: failed.map(failureJson),
    commands_failed: commandFailures,
  };
}

function chunkJson({ entry, sizeBytes, sha256 }: DownloadResult): object {
  return {
    key: entry.key,
    scene: entry.scene,
    session_id: entry.sessionId,
    name: entry.name,
    index: entry.index,
    first_frame: entry.firstFrame,
    last_frame: entry.lastFrame,
    gaussian_count: entry.gaussianCount,
    bytes: sizeBytes,
    sha256,
    created_at: entry.createdAtS,
  };
}

function errorJson(error: SplatError | null): object | null {
  return error === null ? null : { code: error.code, message: error.message, hint: error.hint };
}

/** Seconds since anything was heard of it. */
function ageS({ updatedAtS }: Session): number {
  return updatedAtS === null ? 0 : Math.max(0, nowS() - updatedAtS);
}

function endedAgo(session: Session): string {
  return `${session.complete ? "complete" : "failed"} since ${duration(ageS(session))}`;
}

function hintOf({ session }: Watched): string {
  return session === "latest" ? " (--wait leaves it and waits for the next one)" : "";
}

function nameOfWatched({ scene, session }: Watched): string {
  return session === "latest" ? `scene ${scene}` : `session ${printable(session)} of scene ${scene}`;
}

function nameOf({ entry }: Pick<DownloadResult, "entry">): string {
  return printable(`${entry.sessionId}/${entry.name}`);
}

function whyOf({ error }: DownloadResult): string {
  return error === null ? "unknown" : explainShort(error);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
