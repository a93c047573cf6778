/**
 * Reads a bucket at its public address, without keys: plain GETs of an r2.dev address or a domain of the bucket's own.
 * Such an address lists nothing, and Cloudflare's cache and firewall may stand before it (R2, "Public buckets").
 */
import { SplatError } from "../errors.ts";
import { connectionError } from "./r2-connection.ts";
import { oneOf, retryAfterS } from "./r2-errors.ts";
import { encodeKey } from "./r2-key.ts";
import { ILL, type Meaning } from "./r2-meanings.ts";
import { getObject, isPage, plainHeaders, questionHeaders, type SmallAnswer } from "./r2-object.ts";
import type { BucketReader, ListPage, ObjectAnswer } from "./r2-read.ts";
import { parsePublicUrl } from "./r2-settings.ts";
import { openWire, type WireOptions } from "./r2-wire.ts";

const SETTING = "R2_PUBLIC_URL";
const WITH_KEYS = "read with keys, without --public";

/** A reader of what is at `publicUrl`; nothing is asked of it yet. Throws `not_configured` when it cannot be an address. */
export function openPublicReader(publicUrl: string, options: WireOptions = {}): BucketReader {
  const { origin, host, pathname } = new URL(parsePublicUrl(publicUrl));
  const base = pathname.replace(/\/+$/, "");
  const wire = openWire(origin, options, (error) => connectionError(error, { host, setting: SETTING }));
  return {
    name: `${host}${base}`,
    async get(key, question, sink, signal) {
      const path = `${base}/${encodeKey(key)}`;
      const headers = { ...questionHeaders(question), ...plainHeaders(question) };
      const judge = (answer: SmallAnswer): ObjectAnswer => judgeNo(answer, host);
      return await getObject(wire, { path, headers }, { question, sink, judge }, signal);
    },
    list: () => listNothing(host),
    close: () => wire.close(),
  };
}

// eslint-disable-next-line require-yield -- it never comes to a page
async function* listNothing(host: string): AsyncGenerator<ListPage, void, undefined> {
  throw await Promise.resolve(
    new SplatError("usage", `the public address ${host} lists nothing: R2 shows there only what one names`, {
      hint: `Name what you want, or ${WITH_KEYS}.`,
    }),
  );
}

function judgeNo(answer: SmallAnswer, host: string): ObjectAnswer {
  const { status, headers } = answer;
  if (status === 404 || status === 410) return { kind: "missing" };
  const { says, hint, forUser = false } = meaningOf(answer, host);
  throw new SplatError(
    forUser ? "not_configured" : "refused",
    `the public address ${host} ${says} (HTTP ${status})`,
    {
      hint,
      refusal: {
        status,
        code: status === 416 ? "InvalidRange" : status === 429 ? "TooManyRequests" : "unknown",
        retryAfterS: retryAfterS(oneOf(headers["retry-after"])),
        isForeign: true,
      },
    },
  );
}

function meaningOf({ status, headers, body }: SmallAnswer, host: string): Meaning {
  if (status >= 300 && status < 400 && headers.location !== undefined) {
    const to = URL.canParse(headers.location, `https://${host}`)
      ? new URL(headers.location, `https://${host}`).host
      : "another address";
    return {
      says: `wants to send the request on to ${to}`,
      hint: `That is not followed: set ${SETTING} to where the objects are, with the scheme (https) that it wants.`,
      forUser: true,
    };
  }
  if (isChallenge(headers, body)) {
    return {
      says: "wants proof of a browser: Cloudflare's firewall challenges the request",
      hint: `Let this host's paths pass in the domain's security rules, or ${WITH_KEYS}.`,
      forUser: true,
    };
  }
  if (status === 401 || status === 403) {
    return {
      says: "does not let the bucket be read",
      hint: `Turn public access on in the bucket's settings, check ${SETTING}, or ${WITH_KEYS}.`,
      forUser: true,
    };
  }
  if (status === 416)
    return { says: "has no such part of the object: it ends before", hint: "It was replaced; begin anew." };
  if (status === 429) {
    return {
      says: "wants fewer requests",
      hint: `r2.dev addresses are slowed down on purpose: do less at a time, give the bucket a domain of its own, or ${WITH_KEYS}.`,
    };
  }
  if (isPage({ status, headers })) {
    return {
      says: "answered with a web page, not with an object",
      hint: `Check ${SETTING}, and whether a sign-in page stands before this network.`,
    };
  }
  return status >= 500 ? ILL : { says: "answered as a bucket would not", hint: `Check ${SETTING}.` };
}

/** Cloudflare marks its challenges (Cloudflare, "Detect a Challenge Page response"). */
function isChallenge(headers: SmallAnswer["headers"], body: Buffer): boolean {
  return (
    oneOf(headers["cf-mitigated"]) === "challenge" ||
    /challenge-platform|cf-chl-/.test(body.toString("latin1"))
  );
}
