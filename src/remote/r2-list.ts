/** Listings: pages of ListObjectsV2 until the server says that there is no more (S3 API reference, "ListObjectsV2"). */
import { XMLParser } from "fast-xml-parser";
import { z } from "zod";
import { SplatError } from "../errors.ts";
import type { Asked } from "./r2-errors.ts";
import type { ListedObject, ListOptions, ListPage } from "./r2-read.ts";

/** Ask for a page; the answer's XML. */
export type AskPage = (query: Readonly<Record<string, string | undefined>>) => Promise<string>;

/** Every value is text: a key of digits stays what it is, and so do blanks at its ends. */
const PARSER = new XMLParser({
  parseTagValue: false,
  trimValues: false,
  ignoreAttributes: true,
  // Numeric ones too: some servers write quotes so.
  htmlEntities: true,
  isArray: (name) => name === "Contents" || name === "CommonPrefixes",
});

const PAGE_SCHEMA = z.object({
  ListBucketResult: z.object({
    IsTruncated: z.enum(["true", "false"]),
    NextContinuationToken: z.string().optional(),
    EncodingType: z.string().optional(),
    Contents: z
      .array(
        z.object({
          Key: z.string(),
          Size: z.string().regex(/^\d{1,15}$/),
          ETag: z.string().optional(),
          LastModified: z.string().refine((text) => !Number.isNaN(Date.parse(text))),
        }),
      )
      .default([]),
    CommonPrefixes: z.array(z.object({ Prefix: z.string() })).default([]),
  }),
});

/** As `BucketReader.list`. */
export async function* listPages(
  ask: AskPage,
  prefix: string,
  { byFolder = false, startAfter }: ListOptions,
  asked: Asked,
): AsyncGenerator<ListPage, void, undefined> {
  const seen = new Set<string>();
  for (let token: string | undefined; ;) {
    const xml = await ask({
      "list-type": "2",
      // Keys may hold what no XML can.
      "encoding-type": "url",
      prefix: prefix === "" ? undefined : prefix,
      delimiter: byFolder ? "/" : undefined,
      "start-after": startAfter,
      "continuation-token": token,
    });
    const { page, next } = parsePage(xml, asked);
    yield page;
    if (next === null) return;
    if (next === "" || seen.has(next)) throw endless(asked);
    seen.add(next);
    token = next;
  }
}

/** A page, and the token of the next one: null when there is none, empty when the server forgot it. */
function parsePage(xml: string, asked: Asked): { readonly page: ListPage; readonly next: string | null } {
  // S3 sends none, and what they declare could grow without end.
  if (!/<\/ListBucketResult>\s*$/.test(xml.slice(-64)) || xml.includes("<!DOCTYPE")) throw unreadable(asked);
  let parsed: z.infer<typeof PAGE_SCHEMA>["ListBucketResult"];
  let page: ListPage;
  try {
    parsed = PAGE_SCHEMA.parse(PARSER.parse(xml)).ListBucketResult;
    const decode = parsed.EncodingType === "url" ? decodeUrl : (text: string): string => text;
    page = {
      objects: parsed.Contents.map((entry): ListedObject => ({
        key: decode(entry.Key),
        sizeBytes: Number(entry.Size),
        etag: entry.ETag ?? null,
        modifiedS: Date.parse(entry.LastModified) / 1000,
      })),
      folders: parsed.CommonPrefixes.map((entry) => decode(entry.Prefix)),
    };
  } catch {
    throw unreadable(asked);
  }
  return { page, next: parsed.IsTruncated === "true" ? (parsed.NextContinuationToken ?? "") : null };
}

/** Some servers write blanks as `+`, as forms do. */
function decodeUrl(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

function unreadable({ bucket, host }: Asked): SplatError {
  return new SplatError("unreachable", `bucket "${bucket}": ${host} sent a listing that cannot be read`, {
    hint: "Try again; if it stays so, check that R2_ENDPOINT_URL is an S3 endpoint.",
  });
}

function endless({ bucket, host }: Asked): SplatError {
  return new SplatError("refused", `bucket "${bucket}": ${host} says that a listing goes on, but not where`, {
    hint: "This is a fault of the server; what was listed so far is not all.",
  });
}
