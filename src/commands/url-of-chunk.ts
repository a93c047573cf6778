/** What `splatctl chunks url` does: find what is meant, and say where it can be read. */
import type { Entry } from "../chunks/entry.ts";
import { printable } from "../printable.ts";
import { selectEntries } from "../chunks/select.ts";
import { SplatError } from "../errors.ts";
import { nowS } from "../time.ts";
import { duration } from "../quantities.ts";
import type { BucketFlags, FoundSessions, OpenBucket } from "./open-reader.ts";
import { printResult } from "./terminal.ts";

export interface UrlFlags extends BucketFlags {
  /** Seconds. */
  readonly expires?: number;
}

const DEFAULT_EXPIRY_S = 3600;

/** Print the URL of each entry that is wanted. Throws `bad_input` when there is none. */
export async function printUrls(
  { open, sessions }: FoundSessions,
  wanted: readonly string[],
  flags: UrlFlags,
): Promise<void> {
  if (sessions.every(({ entries }) => entries.length === 0)) {
    throw new SplatError("bad_input", `there are no chunks of scene ${open.scene} yet`);
  }
  const entries = selectEntries(sessions, { wanted, all: false, include: [], exclude: [] });
  await printAll(open, entries, flags);
}

async function printAll(open: OpenBucket, entries: readonly Entry[], flags: UrlFlags): Promise<void> {
  const expiresS = flags.expires ?? (open.isPublic ? null : DEFAULT_EXPIRY_S);
  const expiresAtS = expiresS === null ? null : nowS() + expiresS;
  const sign = expiresS === null ? publicOf(open) : await signerOf(open, expiresS);
  const urls = entries.map((entry) => ({
    name: entry.name,
    key: entry.key,
    url: sign(entry.key),
    expires_at: expiresAtS,
  }));
  printResult(flags, { success: true, urls }, urls.map(({ url }) => url).join("\n"));
  if (expiresS === null || expiresAtS === null) return;
  const what = entries.length === 1 ? printable(entries[0].name) : `these ${entries.length} chunks`;
  open.log.warn(
    `whoever has this URL can read ${what} until ${new Date(expiresAtS * 1000).toISOString()} (${duration(expiresS)}); ` +
      "it shows the account's id and the bucket's name",
  );
}

function publicOf({ urlOf }: OpenBucket): (key: string) => string {
  return (key) => {
    const url = urlOf(key);
    if (url === null) throw new SplatError("bad_input", `no URL can carry the key ${printable(key)}`);
    return url;
  };
}

async function signerOf({ settings }: OpenBucket, expiresS: number): Promise<(key: string) => string> {
  if (settings === null) throw new SplatError("internal", "there are no keys to sign with");
  const { presign } = await import("../remote/r2-sign.ts");
  return (key) => presign(settings, key, expiresS);
}
