/**
 * A stand-in for R2's S3 side on a loopback port, for what Cloudflare's simulator does not do: scopes of tokens, making
 * buckets, rules for web pages. It looks at method, path, query and headers of each request, answers with R2's codes and
 * XML, and refuses what R2's documents do not name. Signatures are the simulator's business; here the key id tells the token.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { XMLParser } from "fast-xml-parser";
import type { BucketSettings } from "../../src/remote/r2-settings.ts";

/** What R2's dashboard calls them, in short. */
export type Scope = "admin" | "admin-read" | "write" | "read";

export interface S3Request {
  readonly method: string;
  /** Path and query, as they came. */
  readonly target: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface S3Answer {
  readonly status: number;
  /** S3's code, in R2's XML. */
  readonly code?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ScriptedS3 {
  readonly origin: string;
  readonly requests: readonly S3Request[];
  /** By bucket and key. */
  readonly objects: ReadonlyMap<string, string>;
  readonly buckets: ReadonlySet<string>;
  /** The XML of the rules as it came; null when there are none. */
  cors: string | null;
  /** Answers before anything else where it answers at all; asked with the number of the request. */
  instead: ((request: S3Request, index: number) => S3Answer | "hang" | undefined) | null;
  readonly settings: (bucket?: string) => BucketSettings;
  readonly close: () => Promise<void>;
}

export const SCRIPTED_KEYS = { accessKeyId: "scripted-key-id", secretAccessKey: "scripted-swordfish" };

const MAY: Readonly<Record<Scope, readonly string[]>> = {
  admin: ["read", "write", "look", "administer"],
  "admin-read": ["read", "look"],
  write: ["read", "write"],
  read: ["read"],
};

export interface ScriptedOptions {
  /** What the token may do; default all. */
  readonly scope?: Scope | undefined;
  /** Those that are there; default `splats`. */
  readonly buckets?: readonly string[] | undefined;
}

/** Start one. The public address is `origin`/public/`bucket`. */
export async function startScriptedS3(options: ScriptedOptions = {}): Promise<ScriptedS3> {
  const { scope = "admin", buckets = ["splats"] } = options;
  const requests: S3Request[] = [];
  const objects = new Map<string, string>();
  const known = new Set(buckets);
  const take = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "", url: target = "", headers } = message;
    const request = { method, target, headers, body: await readBody(message) };
    requests.push(request);
    const scripted = s3.instead?.(request, requests.length - 1);
    if (scripted !== "hang") send(response, request, scripted ?? answer(request));
  };
  const server = createServer((message, response) => void take(message, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const answer = (request: S3Request): S3Answer => {
    const url = new URL(request.target, origin);
    const [bucket = "", ...rest] = url.pathname.slice(1).split("/").map(decodeURIComponent);
    if (bucket === "public") return publicAnswer(request, rest);
    if (request.headers.authorization === undefined) return { status: 400, code: "InvalidArgument" };
    const keyId = /Credential=([^/]+)\/\d{8}\/auto\/s3\/aws4_request/.exec(
      request.headers.authorization,
    )?.[1];
    if (keyId !== SCRIPTED_KEYS.accessKeyId) return { status: 401, code: "Unauthorized" };
    return signedAnswer(request, url, bucket, rest.join("/"));
  };

  const signedAnswer = (request: S3Request, url: URL, bucket: string, key: string): S3Answer => {
    const query = [...url.searchParams.keys()]
      .filter((name) => name !== "x-id")
      .toSorted()
      .join("&");
    const call = `${request.method} ${key === "" ? "bucket" : "object"} ${query}`.trimEnd();
    const operation = OPERATIONS[call];
    if (operation === undefined) return { status: 501, code: "NotImplemented" };
    if (!MAY[scope].includes(operation.needs)) return { status: 403, code: "AccessDenied" };
    if (operation.needs !== "administer" || call.includes("cors")) {
      if (!known.has(bucket)) return { status: 404, code: "NoSuchBucket" };
    }
    return operation.answer({ request, bucket, key: `${bucket}/${key}`, url, objects, buckets: known, s3 });
  };

  const publicAnswer = (request: S3Request, [bucket = "", ...rest]: readonly string[]): S3Answer => {
    const text = objects.get(`${bucket}/${rest.join("/")}`);
    const headers = allowing(request.headers.origin, s3.cors);
    return text === undefined ? { status: 404, headers } : { ...partOf(text, request), headers };
  };

  const s3: ScriptedS3 = {
    origin,
    requests,
    objects,
    buckets: known,
    cors: null,
    instead: null,
    settings: (bucket = "splats") => ({
      ...SCRIPTED_KEYS,
      endpoint: origin,
      bucket,
      publicUrl: `${origin}/public/${bucket}`,
    }),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return s3;
}

interface Asked {
  readonly request: S3Request;
  readonly bucket: string;
  /** With the bucket in front. */
  readonly key: string;
  readonly url: URL;
  readonly objects: Map<string, string>;
  readonly buckets: Set<string>;
  readonly s3: ScriptedS3;
}

interface Operation {
  readonly needs: string;
  readonly answer: (asked: Asked) => S3Answer;
}

const NAMESPACE = `xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`;

/** By method, what the path names, and the names of the query. ListBuckets and HEAD of a bucket are not among them. */
const OPERATIONS: Readonly<Record<string, Operation | undefined>> = {
  "GET bucket list-type&max-keys": {
    needs: "read",
    answer: ({ bucket, url, objects }) => {
      const most = Number(url.searchParams.get("max-keys"));
      const keys = [...objects.keys()].filter((key) => key.startsWith(`${bucket}/`)).toSorted();
      const contents = keys
        .slice(0, most)
        .map((key) => `<Contents><Key>${key.slice(bucket.length + 1)}</Key><Size>1</Size></Contents>`);
      const isCut = keys.length > most;
      const body = `<ListBucketResult ${NAMESPACE}><Name>${bucket}</Name>${contents.join("")}<IsTruncated>${isCut}</IsTruncated></ListBucketResult>`;
      return { status: 200, body };
    },
  },
  "GET object": {
    needs: "read",
    answer: ({ key, objects, request }) => {
      const text = objects.get(key);
      return text === undefined ? { status: 404, code: "NoSuchKey" } : partOf(text, request);
    },
  },
  "PUT object": {
    needs: "write",
    answer: ({ key, objects, request }) => {
      const condition = request.headers["if-none-match"];
      if (condition === "*" && objects.has(key)) return { status: 412, code: "PreconditionFailed" };
      objects.set(key, request.body);
      return { status: 200, headers: { etag: `"${md5(request.body, "hex")}"` } };
    },
  },
  "DELETE object": {
    needs: "write",
    answer: ({ key, objects }) => {
      objects.delete(key);
      return { status: 204 };
    },
  },
  "GET bucket cors": {
    needs: "look",
    answer: ({ s3 }) =>
      s3.cors === null ? { status: 404, code: "NoSuchCORSConfiguration" } : { status: 200, body: s3.cors },
  },
  "PUT bucket cors": {
    needs: "administer",
    answer: ({ request, s3 }) => {
      const { headers, body } = request;
      // R2's list of what it implements names these as what it does not know.
      const foreign = Object.keys(headers).find((name) => /^x-amz-(?:sdk-)?checksum/.test(name));
      if (foreign !== undefined) return { status: 501, code: "NotImplemented" };
      if (headers["content-md5"] !== md5(body, "base64")) return { status: 400, code: "BadDigest" };
      if (rulesOf(body).length === 0) return { status: 400, code: "MalformedXML" };
      s3.cors = body;
      return { status: 200 };
    },
  },
  "DELETE bucket cors": {
    needs: "administer",
    answer: ({ s3 }) => {
      s3.cors = null;
      return { status: 204 };
    },
  },
  "PUT bucket": {
    needs: "administer",
    answer: ({ bucket, buckets, request }) => {
      const location = /<LocationConstraint>(.*?)<\/LocationConstraint>/.exec(request.body)?.[1] ?? "";
      if (!["", "auto", "us-east-1"].includes(location))
        return { status: 400, code: "InvalidLocationConstraint" };
      if (buckets.has(bucket)) return { status: 409, code: "BucketAlreadyOwnedByYou" };
      buckets.add(bucket);
      return { status: 200 };
    },
  },
};

/** The rules in an XML of CORS, as a parser of somebody else reads it. */
export function rulesOf(xml: string): { readonly [field: string]: unknown }[] {
  const lists = ["CORSRule", "AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader"];
  const parser = new XMLParser({ isArray: (name) => lists.includes(name) });
  const parsed = parser.parse(xml) as { CORSConfiguration?: { CORSRule?: { [field: string]: unknown }[] } };
  return parsed.CORSConfiguration?.CORSRule ?? [];
}

function allowing(origin: string | undefined, cors: string | null): Record<string, string> {
  const allowed = rulesOf(cors ?? "").flatMap(({ AllowedOrigin }) => AllowedOrigin as string[]);
  const match = allowed.includes("*") ? "*" : allowed.find((each) => each === origin);
  return match === undefined || origin === undefined ? {} : { "access-control-allow-origin": match };
}

function partOf(text: string, { headers }: S3Request): S3Answer {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
  if (first === undefined) return { status: 200, body: text };
  if (Number(first) >= text.length) return { status: 416, code: "InvalidRange" };
  return { status: 206, body: text.slice(Number(first), Number(last) + 1) };
}

/** An error of R2, which repeats what it was sent: nothing of that may be printed. */
function send(
  response: ServerResponse,
  request: S3Request,
  { status, code, body = "", headers }: S3Answer,
): void {
  const said = `<Message>of ${request.headers.authorization ?? "nobody"}</Message>`;
  const text =
    code === undefined
      ? body
      : `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code>${said}</Error>`;
  response.writeHead(status, { "content-type": "application/xml", ...headers });
  response.end(status === 204 ? undefined : text);
}

function md5(text: string, encoding: "hex" | "base64"): string {
  return createHash("md5").update(text).digest(encoding);
}

async function readBody(message: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of message as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
