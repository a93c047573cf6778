/** Reads a bucket with its keys: GET and ListObjectsV2 over connections of our own, signed here, without the SDK. */
import { connectionError } from "./r2-connection.ts";
import { codeOf, refusalError, type Asked } from "./r2-errors.ts";
import { encodeKey, encodeQuery } from "./r2-key.ts";
import { getObject, getSmall, isPage, plainHeaders, questionHeaders, type SmallAnswer } from "./r2-object.ts";
import type { BucketReader, ObjectAnswer, ObjectQuestion } from "./r2-read.ts";
import type { BucketSettings } from "./r2-settings.ts";
import { signedPlace, signGet } from "./r2-sign.ts";
import { openWire, type WireOptions, type WireRequest } from "./r2-wire.ts";

/** A thousand keys of the greatest length, each byte encoded, and then some. */
const PAGE_BYTES = 16 << 20;

/** A reader of the bucket; nothing is asked of it yet. Throws `not_configured` when the settings cannot be right. */
export function openSignedReader(settings: BucketSettings, options: WireOptions = {}): BucketReader {
  const place = signedPlace(settings);
  const asked: Asked = {
    bucket: settings.bucket,
    host: place.host,
    hasSessionToken: settings.sessionToken !== undefined,
    wants: "read",
  };
  const wire = openWire(place.origin, options, (error) => connectionError(error, asked));

  const signed = (path: string, question: ObjectQuestion = {}): WireRequest => ({
    path,
    headers: { ...signGet(place, settings, path, questionHeaders(question)), ...plainHeaders(question) },
  });

  return {
    name: `"${settings.bucket}" at ${place.host}`,
    async get(key, question, sink, signal) {
      const request = signed(`${place.path}/${encodeKey(key)}`, question);
      const judge = (answer: SmallAnswer): ObjectAnswer => judgeNo(answer, asked);
      return await getObject(wire, request, { question, sink, judge }, signal);
    },
    async *list(prefix, listOptions, signal) {
      const ask = async (query: Readonly<Record<string, string | undefined>>): Promise<string> => {
        const answer = await getSmall(
          wire,
          signed(`${place.path}?${encodeQuery(query)}`),
          PAGE_BYTES,
          signal,
        );
        const text = answer.body.toString("utf8");
        if (answer.status !== 200 || isPage(answer)) throw refusalOf(answer, asked);
        return text;
      };
      // What parses XML is loaded for those who list: most commands read one object and no list.
      const { listPages } = await import("./r2-list.ts");
      yield* listPages(ask, prefix, listOptions, asked);
    },
    close: () => wire.close(),
  };
}

function judgeNo(answer: SmallAnswer, asked: Asked): ObjectAnswer {
  // Without the code it may be any server's: then nothing says that the bucket was asked at all.
  if (answer.status === 404 && codeOf(answer.body.toString("utf8")) === "NoSuchKey")
    return { kind: "missing" };
  throw refusalOf(answer, asked);
}

function refusalOf({ status, headers, body }: SmallAnswer, asked: Asked): Error {
  return refusalError({ status, headers, code: codeOf(body.toString("utf8")) }, asked);
}
