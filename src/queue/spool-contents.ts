/**
 * What lies in a spool's folder:
 *
 *     spool.json                 which folder is captured to which scene of which backend
 *     lock                       who holds it
 *     journal.jsonl              see journal.ts
 *     frames/000000000001.frame  frames in the order in which they were taken, see frame-file.ts
 *     failed/000000000001.frame  those that the backend will never take
 *     failed/000000000001.json   why
 */
import { access, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { decodeFrame, type SpoolFrame } from "./frame-file.ts";
import { readJournal, type JournalLine } from "./journal.ts";
import type { Identity } from "./reconcile.ts";
import { spoolError } from "./spool-error.ts";

/** The file that a frame was read from. */
export type FileVersion = NonNullable<(JournalLine & { kind: "taken" })["file"]>;

/** A frame that the spool keeps. */
export interface KeptFrame {
  /** Place in the order. */
  readonly seq: number;
  readonly frameId: string;
  readonly name: string;
  /** In the spool. */
  readonly sizeBytes: number;
  readonly file: FileVersion | null;
  /** `durable` ones stay as long as there is room, should the backend lose them after all. */
  state: "waiting" | "sending" | "accepted" | "durable";
  /** The session that accepted it last; null before. */
  sessionId: string | null;
  /** How often it was accepted and not found afterwards. */
  returns: number;
}

/** A file whose frame is or was in the spool. */
export interface TakenFile {
  readonly seq: number;
  readonly frameId: string;
  readonly sizeBytes: number;
  readonly version: FileVersion;
  /** Its session was ended by the user: not sent again though the backend does not have it. */
  isOver: boolean;
}

const failureSchema = z.object({ frame_id: z.string(), name: z.string(), reason: z.string() });

/** A frame that the backend will never take. */
export interface FailedFrame {
  readonly seq: number;
  readonly frameId: string;
  readonly name: string;
  readonly reason: string;
  readonly sizeBytes: number;
}

export interface SpoolContents {
  readonly kept: Map<number, KeptFrame>;
  /** By name. */
  readonly taken: Map<string, TakenFile>;
  readonly failed: FailedFrame[];
  /** Frames whose file is not what was written. */
  readonly damaged: number[];
  readonly identity: Identity | null;
  /** Highest number ever given. */
  readonly lastSeq: number;
}

const FRAME_NAME = /^(\d{12})\.frame$/;

/** Path of a kept frame. */
export function framePath(folder: string, seq: number): string {
  return join(folder, "frames", `${padded(seq)}.frame`);
}

/** Paths of a frame set aside and of its reason. */
export function failedPaths(
  folder: string,
  seq: number,
): { readonly frame: string; readonly reason: string } {
  const base = join(folder, "failed", padded(seq));
  return { frame: `${base}.frame`, reason: `${base}.json` };
}

export function journalPath(folder: string): string {
  return join(folder, "journal.jsonl");
}

/** The text of a reason's file. */
export function encodeFailure({ frameId, name, reason }: Omit<FailedFrame, "seq" | "sizeBytes">): Uint8Array {
  const failure: z.infer<typeof failureSchema> = { frame_id: frameId, name, reason };
  return Buffer.from(`${JSON.stringify(failure)}\n`);
}

/** Read a spool without changing it. Throws what the file system throws. */
export async function readContents(folder: string): Promise<SpoolContents> {
  const lines = await readJournal(journalPath(folder));
  const seqs = await frameNumbers(join(folder, "frames"));
  const failed = await readFailed(folder);
  const { states, takenLines, identity } = digest(lines);
  const kept = new Map<number, KeptFrame>();
  const damaged: number[] = [];
  for (const seq of seqs) {
    const frame = takenLines.get(seq) ?? (await readUnlisted(folder, seq));
    const { state, sessionId } = states.get(seq) ?? { state: "waiting" as const, sessionId: null };
    if (frame === null) damaged.push(seq);
    else kept.set(seq, { ...frame, state, sessionId, returns: 0 });
  }
  const failedSeqs = new Set(failed.map(({ seq }) => seq));
  const taken = new Map<string, TakenFile>();
  for (const [seq, { name, frameId, sizeBytes, file, isOver }] of takenLines) {
    // A frame that is nowhere and was never accepted has to be read again.
    const isKnown = kept.has(seq) || failedSeqs.has(seq) || states.has(seq);
    if (file !== null && isKnown) {
      taken.set(name, { seq, frameId, sizeBytes, version: file, isOver: isOver === true });
    }
  }
  const lastSeq = [...seqs, ...failedSeqs, ...takenLines.keys()].reduce((a, b) => Math.max(a, b), 0);
  return { kept, taken, failed, damaged, identity, lastSeq };
}

/** The shortest journal that says the same. */
export function journalLines({ kept, taken, failed, identity }: Remembered): JournalLine[] {
  const lines: JournalLine[] = identity === null ? [] : [{ kind: "session", ...identity }];
  const takenLines = new Map<number, TakenLine>();
  const states: JournalLine[] = [];
  for (const { seq, frameId, name, sizeBytes, file, state, sessionId } of kept.values()) {
    takenLines.set(seq, { kind: "taken", seq, frameId, name, sizeBytes, file });
    if (sessionId !== null) states.push({ kind: "accepted", seq, sessionId });
    if (state === "durable") states.push({ kind: "durable", seq });
  }
  const failedSeqs = new Set([...failed].map(({ seq }) => seq));
  for (const [name, { seq, frameId, sizeBytes, version, isOver }] of taken) {
    const over = isOver ? { isOver } : {};
    takenLines.set(seq, { kind: "taken", seq, frameId, name, sizeBytes, file: version, ...over });
    // A frame that is not kept any more has been accepted, or the file would have been forgotten.
    if (!kept.has(seq) && !failedSeqs.has(seq)) states.push({ kind: "durable", seq });
  }
  return [...lines, ...[...takenLines.values()].sort((a, b) => a.seq - b.seq), ...states];
}

/** What a journal is made of. */
interface Remembered {
  readonly kept: ReadonlyMap<number, KeptFrame>;
  readonly taken: ReadonlyMap<string, TakenFile>;
  readonly failed: Iterable<FailedFrame>;
  readonly identity: Identity | null;
}

/** What a frame's file holds; null when it is gone or damaged. Throws `bad_input` when the spool cannot be read. */
export async function readFrame(folder: string, seq: number): Promise<SpoolFrame | null> {
  try {
    return decodeFrame(await readFile(framePath(folder, seq)));
  } catch (error) {
    await access(folder).catch((gone: unknown) => {
      throw spoolError(folder, gone);
    });
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw spoolError(folder, error);
  }
}

type TakenLine = JournalLine & { kind: "taken" };
interface SentState {
  readonly state: "accepted" | "durable";
  readonly sessionId: string | null;
}

function digest(lines: readonly JournalLine[]) {
  const takenLines = new Map<number, TakenLine>();
  const states = new Map<number, SentState>();
  let identity: Identity | null = null;
  for (const line of lines) {
    if (line.kind === "taken") takenLines.set(line.seq, line);
    else if (line.kind === "session") identity = { sessionId: line.sessionId, bootId: line.bootId };
    else if (line.kind === "accepted") {
      states.set(line.seq, { state: "accepted", sessionId: line.sessionId });
    } else {
      states.set(line.seq, { state: "durable", sessionId: states.get(line.seq)?.sessionId ?? null });
    }
  }
  return { takenLines, states, identity };
}

/** A frame that was written just before a crash, so that the journal does not name it; null when it is damaged. */
async function readUnlisted(folder: string, seq: number): Promise<Omit<TakenLine, "kind" | "isOver"> | null> {
  const file = await readFile(framePath(folder, seq)).catch(() => Buffer.alloc(0));
  const frame = decodeFrame(file);
  if (frame === null) return null;
  return {
    seq,
    frameId: frame.meta.frame_id,
    name: frame.frame.name,
    sizeBytes: file.length,
    file: null,
  };
}

async function readFailed(folder: string): Promise<FailedFrame[]> {
  const failed: FailedFrame[] = [];
  for (const seq of await frameNumbers(join(folder, "failed"))) {
    const { frame, reason } = failedPaths(folder, seq);
    const sizeBytes = (await stat(frame).catch(() => ({ size: 0 }))).size;
    const text = await readFile(reason, "utf8").catch(() => "{}");
    const failure = failureSchema.safeParse(parseJson(text)).data;
    const { frame_id = "", name = "?", reason: why = "no reason kept" } = failure ?? {};
    failed.push({ seq, frameId: frame_id, name, reason: why, sizeBytes });
  }
  return failed;
}

/** Numbers of the frames in a folder, ascending. */
async function frameNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    // A folder that somebody removed holds nothing; the next capture makes it anew.
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names
    .flatMap((name) => FRAME_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

function padded(seq: number): string {
  return String(seq).padStart(12, "0");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
