/** Looking into spools from outside, and tidying those that nobody holds. */
import { mkdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { SplatError } from "../errors.ts";
import { renameDurably } from "../files/durable.ts";
import { Journal } from "./journal.ts";
import { listSpoolFolders, readPurpose, realFolder, type SpoolPurpose } from "./open-spool.ts";
import { failedPaths, framePath, journalPath, readContents, type FailedFrame } from "./spool-contents.ts";
import { spoolError } from "./spool-error.ts";
import { isGone, type LockOwner } from "../files/lock.ts";
import { lockSpool, readSpoolOwner } from "./spool-lock.ts";

/** How a spool stands. */
export interface SpoolReport extends SpoolPurpose {
  /** Where it lies. */
  readonly spool: string;
  /** Not accepted yet. */
  readonly waiting: number;
  /** Accepted, but in no checkpoint yet as far as is known. */
  readonly sent: number;
  /** Held by the backend for good; kept while there is room and a capture runs. */
  readonly durable: number;
  readonly failed: readonly FailedFrame[];
  readonly sizeBytes: number;
  /** Who holds it; null when nobody does. */
  readonly owner: LockOwner | null;
}

/**
 * Every spool below `root`, of one captured folder when `only` names it, for one scene when `to` does. Throws `bad_input`
 * for one that cannot be read.
 */
export async function inspectSpools(
  root: string,
  only: string | null,
  to: Pick<SpoolPurpose, "backend" | "scene"> | null = null,
): Promise<SpoolReport[]> {
  const reports: SpoolReport[] = [];
  const wanted = only === null ? null : await realFolder(only);
  for (const spool of await listSpoolFolders(root)) {
    const purpose = await readPurpose(spool);
    if (purpose === null || (wanted !== null && purpose.folder !== wanted)) continue;
    if (to !== null && (purpose.backend !== to.backend || purpose.scene !== to.scene)) continue;
    reports.push(await report(spool, purpose));
  }
  return reports;
}

async function report(spool: string, { folder, backend, scene }: SpoolPurpose): Promise<SpoolReport> {
  const { kept, failed } = await readContents(spool).catch((error: unknown) => {
    throw spoolError(spool, error);
  });
  const owner = await readSpoolOwner(spool);
  const frames = [...kept.values()];
  const inState = (wanted: string): number => frames.filter(({ state }) => state === wanted).length;
  return {
    spool,
    folder,
    backend,
    scene,
    waiting: inState("waiting"),
    sent: inState("accepted"),
    durable: inState("durable"),
    failed,
    sizeBytes: [...frames, ...failed].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    owner: owner === null || isGone(owner) ? null : owner,
  };
}

/** How a job on several spools went. Those that somebody holds are left as they are, with the reason in `problems`. */
export interface Tidied {
  readonly frames: number;
  readonly problems: readonly SplatError[];
}

/** Let frames that were set aside wait again, in their old places. */
export function retryFailed(reports: readonly SpoolReport[]): Promise<Tidied> {
  return tidy(reports, async ({ spool, failed }) => {
    for (const { seq } of failed) {
      const paths = failedPaths(spool, seq);
      await mkdir(join(spool, "frames"), { recursive: true });
      await renameDurably(paths.frame, framePath(spool, seq));
      await rm(paths.reason, { force: true });
    }
    return failed.length;
  });
}

/** Remove frames that were set aside. Their files are not read again while the scene stays the same. */
export function clearFailed(reports: readonly SpoolReport[]): Promise<Tidied> {
  return tidy(reports, async ({ spool, failed }) => {
    await settle(spool, new Set(failed.map(({ seq }) => seq)));
    for (const { seq } of failed) {
      const paths = failedPaths(spool, seq);
      await rm(paths.frame, { force: true });
      await rm(paths.reason, { force: true });
    }
    return failed.length;
  });
}

/** Remove spools with all they hold and know: the next capture begins its folder from the start. */
export function clearSpools(reports: readonly SpoolReport[]): Promise<Tidied> {
  return tidy(reports, async ({ spool, waiting, sent, durable, failed }) => {
    await rm(join(spool, "spool.json"), { force: true });
    for (const part of ["journal.jsonl", "frames", "failed"]) {
      await rm(join(spool, part), { recursive: true, force: true });
    }
    return waiting + sent + durable + failed.length;
  });
}

/** Note that these frames are done with, though the backend does not have them. */
async function settle(spool: string, seqs: ReadonlySet<number>): Promise<void> {
  const journal = new Journal(journalPath(spool), (error) => {
    throw error;
  });
  for (const [name, { seq, frameId, sizeBytes, version }] of (await readContents(spool)).taken) {
    if (!seqs.has(seq)) continue;
    journal.append({ kind: "taken", seq, frameId, name, sizeBytes, file: version, isOver: true });
    journal.append({ kind: "durable", seq });
  }
  await journal.close();
}

async function tidy(
  reports: readonly SpoolReport[],
  job: (report: SpoolReport) => Promise<number>,
): Promise<Tidied> {
  let frames = 0;
  const problems: SplatError[] = [];
  for (const { spool, ...purpose } of reports) {
    try {
      const lock = await lockSpool(spool);
      try {
        // As it is now that nobody else can change it.
        frames += await job(await report(spool, purpose));
      } finally {
        await lock.release();
      }
      await rmdir(spool).catch(() => undefined); // what is not empty stays
    } catch (error) {
      problems.push(spoolError(spool, error));
    }
  }
  return { frames, problems };
}
