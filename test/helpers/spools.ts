/** Spools in temporary folders, and frames to put into them. */
import { onTestFinished } from "vitest";
import type { SpoolFrame } from "../../src/queue/frame-file.ts";
import { openSpool } from "../../src/queue/open-spool.ts";
import type { Spool, SpoolOptions } from "../../src/queue/spool.ts";
import type { FileVersion } from "../../src/queue/spool-contents.ts";

export const PURPOSE = { folder: "/frames", backend: "http://127.0.0.1:1", scene: "main" };
export const NEVER: AbortSignal = new AbortController().signal;

/** A frame named `name` that is its own content. */
export function frame(name: string, sizeBytes = 20): SpoolFrame {
  const bytes = Buffer.from(name.padEnd(sizeBytes, "."));
  return {
    frame: { name, bytes, mediaType: "image/jpeg" },
    meta: { frame_id: `id-${name}`, captured_at: 1 },
  };
}

export const FILE: FileVersion = { sizeBytes: 20, mtimeMs: 1234.5 };

export interface OpenedSpool {
  readonly spool: Spool;
  readonly warnings: string[];
}

/** Open a spool; it is closed when the test ends, unless it is already. */
export async function open(folder: string, options: Partial<SpoolOptions> = {}): Promise<OpenedSpool> {
  const warnings: string[] = [];
  const spool = await openSpool(folder, PURPOSE, {
    maxBytes: 1e9,
    giveUpAfterMs: Infinity,
    onWarning: (line) => warnings.push(line),
    beatMs: 20,
    ...options,
  });
  onTestFinished(() => spool.close().catch(() => undefined));
  return { spool, warnings };
}

/** Open one and put frames of these names into it. */
export async function filled(folder: string, names: readonly string[]): Promise<Spool> {
  const { spool } = await open(folder);
  for (const name of names) await spool.put(frame(name), FILE, NEVER);
  return spool;
}

/** Names of what waits, in the order of sending; all of it is under way then. */
export function takeAll(spool: Spool): string[] {
  const names: string[] = [];
  for (let next = spool.next(); next !== null; next = spool.next()) names.push(next.name);
  return names;
}
