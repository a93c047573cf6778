/** Downloads from R2's simulator, which faults can befall, into folders that go with the test. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import {
  downloadEntries,
  type DownloadEvent,
  type DownloadOptions,
  type DownloadResult,
} from "../../src/chunks/download.ts";
import type { Entry } from "../../src/chunks/entry.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";
import type { LocalR2 } from "./r2.ts";

/** Objects that a test stored: what each has to be, by entry. */
export type Stored = ReadonlyMap<Entry, Buffer>;

export interface Ran {
  readonly results: readonly DownloadResult[];
  readonly events: readonly DownloadEvent[];
}

export interface Downloads {
  readonly folder: string;
  readonly proxy: FaultProxy;
  /** Store objects of such sizes in a session of their own. */
  readonly store: (...sizes: number[]) => Promise<Stored>;
  /** Download, and check that nothing that is there under its name differs from what was stored. */
  readonly run: (stored: Stored, options?: Partial<DownloadOptions>, signal?: AbortSignal) => Promise<Ran>;
  /** The same, and that everything is there and noted, and nothing else. */
  readonly runToEnd: (stored: Stored, options?: Partial<DownloadOptions>) => Promise<Ran>;
  /** Names in the folder of a session, those with a dot too. */
  readonly names: (stored: Stored) => Promise<readonly string[]>;
}

const never = new AbortController().signal;
/** Waits that no test has to wait for. */
export const PACE = { firstWaitMs: 1, longestWaitMs: 5, longestUserWaitMs: 5 };
export const KIB = 1024;
export const MIB = 1024 * KIB;
/** Small enough that a test's files are large ones. */
export const PART_BYTES = 256 * KIB;

let sessions = 0;

/** A folder, and a proxy in front of the simulator. */
export async function openDownloads(r2: LocalR2, idleTimeoutMs = 2000): Promise<Downloads> {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-downloads-"));
  const proxy = await startFaultProxy(r2.origin);
  const reader = openSignedReader(r2.settings(proxy.url), { idleTimeoutMs });
  onTestFinished(async () => {
    await reader.close();
    await proxy.close();
    await rm(folder, { recursive: true, force: true });
  });
  const run = async (
    stored: Stored,
    options: Partial<DownloadOptions> = {},
    signal = never,
  ): Promise<Ran> => {
    const events: DownloadEvent[] = [];
    const all = { folder, partBytes: PART_BYTES, pace: PACE, ...options };
    const onEvent = (event: DownloadEvent): void => {
      events.push(event);
      options.onEvent?.(event);
    };
    try {
      return {
        results: await downloadEntries(reader, [...stored.keys()], { ...all, onEvent }, signal),
        events,
      };
    } finally {
      await expectNothingWrong(all.folder, stored);
    }
  };
  const names = async (stored: Stored): Promise<readonly string[]> =>
    (await readdir(sessionOf(folder, stored))).sort();
  return {
    folder,
    proxy,
    store: async (...sizes) => await store(r2, sizes),
    run,
    names,
    runToEnd: async (stored, options) => {
      const ran = await run(stored, options);
      const failures = ran.results.flatMap(({ error }) => (error === null ? [] : [error.message]));
      expect(failures).toEqual([]);
      const wanted = [...stored.keys()].map(({ name }) => name);
      expect(await names(stored)).toEqual([...wanted, "SHA256SUMS"].sort());
      const sums = await readFile(join(sessionOf(folder, stored), "SHA256SUMS"), "utf8");
      const lines = [...stored].map(([{ name }, bytes]) => `${sha256(bytes)}  ${name}\n`);
      expect(sums).toBe(lines.join(""));
      return ran;
    },
  };
}

async function store(r2: LocalR2, sizes: readonly number[]): Promise<Stored> {
  const sessionId = `session-${++sessions}`;
  const stored = new Map<Entry, Buffer>();
  for (const [i, size] of sizes.entries()) {
    const bytes = randomBytes(size);
    const name = `chunk_${String(i + 1).padStart(4, "0")}.ply`;
    const entry = entryOf({ sessionId, name, sizeBytes: size, sha256: sha256(bytes) });
    await r2.put(entry.key, bytes, { sha256: sha256(bytes) });
    stored.set(entry, bytes);
  }
  return stored;
}

/** An entry of which little is known. */
export function entryOf(known: Partial<Entry>): Entry {
  const { scene = "main", sessionId = "s", name = "chunk_0001.ply" } = known;
  return {
    key: `scenes/${scene}/${sessionId}/${name}`,
    scene,
    sessionId,
    name,
    sizeBytes: 0,
    sha256: null,
    etag: null,
    index: null,
    firstFrame: null,
    lastFrame: null,
    gaussianCount: null,
    createdAtS: null,
    ...known,
  };
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The folder of the session that the objects are of. */
export function sessionOf(folder: string, stored: Stored): string {
  const [{ scene, sessionId }] = stored.keys();
  return join(folder, scene, sessionId);
}

async function expectNothingWrong(folder: string, stored: Stored): Promise<void> {
  for (const [{ scene, sessionId, name }, bytes] of stored) {
    const found = await readFile(join(folder, scene, sessionId, name)).catch(() => null);
    if (found !== null) expect(sha256(found), `${name} under its name`).toBe(sha256(bytes));
  }
}
