/** A frame as one file: a line of JSON that says what it is, then the picture's bytes. One file cannot be half a pair. */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { Upload } from "./uploader.ts";

/** A frame that can be kept: it has an identity of its own. */
export interface SpoolFrame extends Upload {
  readonly meta: Upload["meta"] & { readonly frame_id: string };
}

const VERSION = 1;
const NEWLINE = 0x0a;

/** What we wrote ourselves; `meta` is the backend's to judge. */
const headerSchema = z.object({
  version: z.literal(VERSION),
  name: z.string(),
  media_type: z.string(),
  size_bytes: z.int().nonnegative(),
  /** Of the picture's bytes, hex. */
  sha256: z.string(),
  meta: z.looseObject({ frame_id: z.string() }),
});

/** The file's pieces, in order. */
export function encodeFrame({ frame, meta }: SpoolFrame): Uint8Array[] {
  const header: z.infer<typeof headerSchema> = {
    version: VERSION,
    name: frame.name,
    media_type: frame.mediaType,
    size_bytes: frame.bytes.length,
    sha256: sha256Of(frame.bytes),
    meta,
  };
  return [Buffer.from(`${JSON.stringify(header)}\n`), frame.bytes];
}

/** The frame in a file; null when the file is not whole, not ours or not what was written. */
export function decodeFrame(file: Buffer): SpoolFrame | null {
  const end = file.indexOf(NEWLINE);
  const header = headerSchema.safeParse(parseJson(file.toString("utf8", 0, Math.max(end, 0)))).data;
  if (header === undefined) return null;
  const bytes = file.subarray(end + 1);
  if (bytes.length !== header.size_bytes || sha256Of(bytes) !== header.sha256) return null;
  return { frame: { name: header.name, mediaType: header.media_type, bytes }, meta: header.meta };
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
