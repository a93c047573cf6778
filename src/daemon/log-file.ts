/** What a detached daemon prints goes to a file: where it lies, how it is kept small, how it is read and followed. */
import { mkdir, open, rename, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sleep } from "../time.ts";

/** A log that is larger when a daemon starts is put aside, and the one put aside before forgotten. */
const MAX_BYTES = 5 * 1024 * 1024;
const ASIDE = ".1";
const MAX_READ_BYTES = 4 * 1024 * 1024;
const POLL_MS = 200;
const PIECE_BYTES = 64 * 1024;

/** Where the log of a daemon lies. */
export function logPath(logDir: string, name: string): string {
  return join(logDir, `${name}.log`);
}

/** Open a log to be written at its end, for its owner's eyes alone. Throws what the file system throws. */
export async function openLog(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  if ((await sizeOf(path)) > MAX_BYTES) await rename(path, `${path}${ASIDE}`);
  const file = await open(path, "a", 0o600);
  await file.chmod(0o600);
  return file;
}

/** The end of a log. */
export interface LogEnd {
  readonly text: string;
  /** How long the log is: what follows begins there. */
  readonly sizeBytes: number;
}

/** The last lines of a log, those put aside included, each with its line end; null when there is no log. */
export async function lastLines(path: string, count: number): Promise<LogEnd | null> {
  const now = await readEnd(path);
  if (now === null) return null;
  const lines = linesOf(now.text);
  const missing = count - lines.length;
  const aside = missing > 0 ? await readEnd(`${path}${ASIDE}`) : null;
  const earlier = aside === null ? [] : linesOf(aside.text).slice(-missing);
  const shown = [...earlier, ...lines.slice(Math.max(0, -missing))];
  return { text: shown.join(""), sizeBytes: now.sizeBytes };
}

/**
 * What is written to a log after its first `fromByte` bytes, until the signal aborts; goes over to the next file when
 * the log is put aside or begun anew.
 */
export async function* followLog(
  path: string,
  fromByte: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let file: FileHandle | null = null;
  let at = fromByte;
  try {
    while (!signal.aborted) {
      file ??= await open(path, "r").catch(() => null);
      const hasNext = file !== null && (await isOver(file, path, at));
      // To its end also when another has its name by now.
      for (;;) {
        const piece: Uint8Array | null = file === null ? null : await readAt(file, at);
        if (piece === null) break;
        at += piece.length;
        yield piece;
      }
      if (hasNext) {
        await file?.close();
        file = null;
        at = 0;
      } else {
        await sleep(POLL_MS, signal).catch(() => undefined);
      }
    }
  } finally {
    await file?.close();
  }
}

async function readAt(file: FileHandle, at: number): Promise<Uint8Array | null> {
  const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES, at);
  return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
}

/** Whether a path names another file by now, or a shorter one; not while it names none. */
async function isOver(file: FileHandle, path: string, at: number): Promise<boolean> {
  const [opened, named] = await Promise.all([file.stat(), stat(path).catch(() => null)]);
  return named !== null && (named.ino !== opened.ino || named.size < at);
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

/** Its last bytes, which hold more lines than anybody asks for. */
async function readEnd(path: string): Promise<LogEnd | null> {
  const file = await open(path, "r").catch(() => null);
  if (file === null) return null;
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(Math.min(size, MAX_READ_BYTES));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, size - bytes.length);
    return { text: new TextDecoder().decode(bytes.subarray(0, bytesRead)), sizeBytes: size };
  } finally {
    await file.close();
  }
}

function linesOf(text: string): string[] {
  return text.split(/(?<=\n)/).filter((line) => line !== "");
}
