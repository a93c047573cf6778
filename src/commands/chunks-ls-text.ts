/** Sessions of the bucket in words, for a terminal and for scripts. */
import type { Entry, Session } from "../chunks/entry.ts";
import { isLive } from "../chunks/session-status.ts";
import { printable } from "../printable.ts";
import { nowS } from "../time.ts";
import { bytes, count, duration } from "../quantities.ts";
import type { BucketFlags, OpenBucket } from "./open-reader.ts";
import { alignTable, type Column } from "./table.ts";

export interface ListFlags extends BucketFlags {
  readonly long?: boolean;
}

type Place = Pick<OpenBucket, "bucket" | "scene" | "session" | "urlOf">;

const UNKNOWN = "–";

const COLUMNS: readonly Column[] = [
  { title: "NAME" },
  { title: "FRAMES", leaveOut: 2 },
  { title: "GAUSSIANS", right: true, leaveOut: 3 },
  { title: "SIZE", right: true },
  { title: "AGE", leaveOut: 1 },
];
const LONG_COLUMNS: readonly Column[] = [
  ...COLUMNS,
  { title: "CREATED" },
  { title: "SHA-256" },
  { title: "KEY" },
  { title: "URL" },
];

/** A paragraph for each session, and how much there is in all; tables as wide as `columns` of a terminal. */
export function describeSessions(
  sessions: readonly Session[],
  place: Place,
  long: boolean,
  columns?: number,
): string {
  if (sessions.length === 0) return describeNothing(place);
  const paragraphs = sessions.map((session) => {
    const rows = session.entries.map((entry) => (long ? longRow(entry, place) : shortRow(entry)));
    // With --long somebody wants all of it.
    const table = long ? alignTable(LONG_COLUMNS, rows) : alignTable(COLUMNS, rows, columns);
    return [describeSession(session), ...(rows.length === 0 ? [] : table)].join("\n");
  });
  const entries = sessions.flatMap((session) => session.entries);
  const inAll = `${amountOf(entries)} in ${plural(sessions.length, "session")}, ${bytes(sizeOf(entries))}`;
  return `${paragraphs.join("\n\n")}\n\n${inAll}`;
}

/** As `--json` prints them. */
export function sessionsJson(sessions: readonly Session[], { bucket, scene, urlOf }: Place): object {
  const entries = sessions.flatMap((session) => session.entries);
  return {
    success: true,
    bucket,
    scene,
    sessions: sessions.map((session) => ({
      session_id: session.sessionId,
      state: session.state,
      complete: session.complete,
      from: session.from,
      frame_count: session.frameCount,
      gaussian_count: session.gaussianCount,
      updated_at: session.updatedAtS,
      chunks: session.entries.map((entry) => ({
        name: entry.name,
        key: entry.key,
        bytes: entry.sizeBytes,
        sha256: entry.sha256,
        index: entry.index,
        first_frame: entry.firstFrame,
        last_frame: entry.lastFrame,
        gaussian_count: entry.gaussianCount,
        created_at: entry.createdAtS,
        url: urlOf(entry.key),
      })),
    })),
    count: entries.length,
    bytes: sizeOf(entries),
  };
}

/** Bytes of some entries together. */
export function sizeOf(entries: readonly Pick<Entry, "sizeBytes">[]): number {
  return entries.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}

function describeNothing({ scene, session }: Place): string {
  const others = session === "all" ? "" : " Another scene: --scene NAME.";
  return (
    `0 chunks: scene ${scene} has no session in this bucket.\n` +
    `A backend that has the bucket's settings (splatctl serve, splatctl deploy) writes a chunk every 50 frames.${others}`
  );
}

function describeSession(session: Session): string {
  const { sessionId, entries, updatedAtS, frameCount } = session;
  const facts = [
    amountOf(entries),
    bytes(sizeOf(entries)),
    ...(frameCount === null ? [] : [plural(frameCount, "frame")]),
    stateOf(session),
    ...(updatedAtS === null ? [] : [`${age(updatedAtS)} ago`]),
  ];
  return `session ${printable(sessionId)}: ${facts.join(", ")}`;
}

function stateOf(session: Session): string {
  const { from, state, complete, updatedAtS } = session;
  if (from === "listing") return "no status.json that can be used";
  if (complete) return "complete";
  return isLive(session, updatedAtS) ? `${state}, live` : `${state}, not complete`;
}

function shortRow({ name, firstFrame, lastFrame, gaussianCount, sizeBytes, createdAtS }: Entry): string[] {
  return [
    printable(name),
    firstFrame === null || lastFrame === null ? UNKNOWN : `${firstFrame}–${lastFrame}`,
    gaussianCount === null ? UNKNOWN : count(gaussianCount),
    bytes(sizeBytes),
    createdAtS === null ? UNKNOWN : age(createdAtS),
  ];
}

function longRow(entry: Entry, { urlOf }: Place): string[] {
  const { createdAtS, sha256, key } = entry;
  return [
    ...shortRow(entry),
    createdAtS === null ? UNKNOWN : timeOf(createdAtS),
    sha256 ?? UNKNOWN,
    printable(key),
    urlOf(key) ?? UNKNOWN,
  ];
}

function amountOf(entries: readonly Entry[]): string {
  return plural(entries.length, "chunk");
}

function plural(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}

/** Not below zero, should clocks differ. */
function age(timeS: number): string {
  return duration(Math.max(0, nowS() - timeS));
}

/** A status.json may say any number. */
function timeOf(timeS: number): string {
  const time = new Date(timeS * 1000);
  return Number.isNaN(time.getTime()) ? UNKNOWN : time.toISOString();
}
