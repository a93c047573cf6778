import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import type { IncomingMessage } from "node:http";
import { afterEach, expect, it } from "vitest";
import type { ListedObject, ListOptions, ListPage } from "../../src/remote/r2-read.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { TEST_BUCKET } from "../helpers/bucket-reading.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { startR2 } from "../helpers/r2.ts";

const SIGNAL = new AbortController().signal;
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Lists a server that gives these answers, one for each request. */
async function listed(
  answer: (request: URLSearchParams, index: number) => string,
  options: ListOptions = {},
): Promise<{ pages: ListPage[]; asked: URLSearchParams[] }> {
  const asked: URLSearchParams[] = [];
  const server = await serveHttp((request: IncomingMessage, response) => {
    const query = new URL(request.url ?? "", "http://x").searchParams;
    asked.push(query);
    response.setHeader("content-type", "application/xml").end(answer(query, asked.length - 1));
  });
  const reader = openSignedReader({ ...TEST_BUCKET, endpoint: server.url });
  closing.push(
    () => reader.close(),
    () => server.close(),
  );
  const pages: ListPage[] = [];
  for await (const page of reader.list("scenes/", options, SIGNAL)) pages.push(page);
  return { pages, asked };
}

function entry(key: string, rest = "<ETag>&quot;e&quot;</ETag><Size>7</Size>"): string {
  return `<Contents><Key>${key}</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>${rest}</Contents>`;
}

function result(inside: string, next: string | null = null): string {
  const more =
    next === null
      ? "<IsTruncated>false</IsTruncated>"
      : `<IsTruncated>true</IsTruncated><NextContinuationToken>${next}</NextContinuationToken>`;
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>splats</Name>${more}${inside}</ListBucketResult>`
  );
}

function objectsOf(pages: readonly ListPage[]): ListedObject[] {
  return pages.flatMap(({ objects }) => objects);
}

it("lists what the SDK lists: folders, the end of a prefix, after a key", async () => {
  const r2 = await startR2();
  const { endpoint, accessKeyId, secretAccessKey } = r2.settings();
  const sdk = new S3Client({
    region: "auto",
    endpoint,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const reader = openSignedReader(r2.settings());
  closing.push(
    () => reader.close(),
    () => r2.close(),
  );
  const keys = ["a/1", "a/10", "a/2", "a/ü +&/3", "a/b c/4", "a/b c/5", "b/6", "top"];
  for (const key of keys) await r2.put(key, Buffer.from(key));
  const cases: [string, ListOptions][] = [
    ["", {}],
    ["a/", {}],
    ["a/1", {}],
    ["", { byFolder: true }],
    ["a/", { byFolder: true }],
    ["a/", { startAfter: "a/10" }],
    ["a/", { byFolder: true, startAfter: "a/2" }],
    ["a/ü +&/", {}],
    ["nothing/", { byFolder: true }],
  ];
  for (const [prefix, options] of cases) {
    const pages: ListPage[] = [];
    for await (const page of reader.list(prefix, options, SIGNAL)) pages.push(page);
    const { Contents = [], CommonPrefixes = [] } = await sdk.send(
      new ListObjectsV2Command({
        Bucket: "splats",
        Prefix: prefix,
        StartAfter: options.startAfter,
        Delimiter: options.byFolder === true ? "/" : undefined,
      }),
    );
    expect(objectsOf(pages)).toEqual(
      Contents.map(({ Key, Size, ETag, LastModified }) => ({
        key: Key,
        sizeBytes: Size,
        etag: ETag,
        modifiedS: (LastModified?.getTime() ?? 0) / 1000,
      })),
    );
    expect(pages.flatMap(({ folders }) => folders)).toEqual(CommonPrefixes.map(({ Prefix }) => Prefix));
  }
  sdk.destroy();
});

it("goes on until the server says that it is done, however short or empty a page is", async () => {
  const keys = Array.from({ length: 10_000 }, (_, i) => `scenes/${String(i).padStart(5, "0")}.ply`);
  const at = new Map([
    ["", [0, 1000]],
    ["t+/=&1", [1000, 1975]],
    ["t 2", [1975, 1975]],
    ["t&3", [1975, 1976]],
  ]);
  for (let i = 1976; i < 10_000; i += 1000) at.set(`t${i}`, [i, Math.min(i + 1000, 10_000)]);
  const tokens = [...at.keys()];
  const { pages, asked } = await listed((query) => {
    const token = query.get("continuation-token") ?? "";
    const [from, to] = at.get(token) ?? [];
    const next = tokens[tokens.indexOf(token) + 1] as string | undefined;
    const inside = keys.slice(from, to).map((key) => entry(key));
    return result(inside.join(""), next?.replaceAll("&", "&amp;") ?? null);
  });
  expect(objectsOf(pages).map(({ key }) => key)).toEqual(keys);
  expect(pages.map(({ objects }) => objects.length).slice(0, 4)).toEqual([1000, 975, 0, 1]);
  expect(asked.map((query) => query.get("continuation-token") ?? "")).toEqual(tokens);
});

it("asks for pages, no more of them than are read", async () => {
  let count = 0;
  const server = await serveHttp((_, response) => response.end(result(entry("k"), `t${++count}`)));
  const reader = openSignedReader({ ...TEST_BUCKET, endpoint: server.url });
  closing.push(
    () => reader.close(),
    () => server.close(),
  );
  for await (const page of reader.list("", {}, SIGNAL)) if (page.objects.length > 0 && count === 3) break;
  expect(count).toBe(3);
});

it("says what it wants", async () => {
  const { asked } = await listed(() => result(""), { byFolder: true, startAfter: "scenes/a b+ü" });
  expect(Object.fromEntries(asked[0] ?? [])).toEqual({
    "list-type": "2",
    "encoding-type": "url",
    prefix: "scenes/",
    delimiter: "/",
    "start-after": "scenes/a b+ü",
  });
});

it("leaves text text: digits, blanks, entities, encoded keys", async () => {
  const plain = await listed(() =>
    result(
      [
        entry("0012"),
        entry("1e3"),
        entry("0x10"),
        entry("true"),
        entry(" blanks "),
        entry("a&amp;b &lt;&gt;&#39;&#x22;&apos;"),
        entry("100%"),
        entry("a+b"),
        entry("<![CDATA[c<d]]>"),
        entry("no-etag", "<Size>0</Size>"),
        entry("numbered", "<ETag>&#34;e&#34;</ETag><Size>007</Size>"),
      ].join("") + "<CommonPrefixes><Prefix>01/</Prefix></CommonPrefixes>",
    ),
  );
  const objects = objectsOf(plain.pages);
  expect(objects.map(({ key }) => key)).toEqual([
    "0012",
    "1e3",
    "0x10",
    "true",
    " blanks ",
    "a&b <>'\"'",
    "100%",
    "a+b",
    "c<d",
    "no-etag",
    "numbered",
  ]);
  expect(objects.slice(-3)).toMatchObject([
    { sizeBytes: 7, etag: '"e"', modifiedS: 1_767_323_045.678 },
    { sizeBytes: 0, etag: null },
    { sizeBytes: 7, etag: '"e"' },
  ]);
  expect(plain.pages[0]?.folders).toEqual(["01/"]);
  const encoded = await listed(() =>
    result(
      `<EncodingType>url</EncodingType>${entry("a%20b+c%2Bd%C3%BC")}${entry("%00%01")}` +
        "<CommonPrefixes><Prefix>x%2Fy/</Prefix></CommonPrefixes>",
    ),
  );
  expect(objectsOf(encoded.pages).map(({ key }) => key)).toEqual(["a b c+dü", "\0\u0001"]);
  expect(encoded.pages[0]?.folders).toEqual(["x/y/"]);
});

const BOMB = `<!DOCTYPE b [<!ENTITY a "${"x".repeat(50)}">${Array.from({ length: 10 }, (_, i) => `<!ENTITY a${i} "${`&a${i === 0 ? "" : i - 1};`.repeat(10)}">`).join("")}]>`;

it.each<[string, string]>([
  ["nothing", ""],
  ["something else", "<html><body>Sign in</body></html>"],
  ["JSON", '{"ListBucketResult":{}}'],
  ["a torn page", result(entry("a") + entry("b")).slice(0, -40)],
  ["a page without its beginning", result(entry("a")).slice(150)],
  ["entities that grow", BOMB + result(entry("&a9;"))],
  ["entities of its own", `<!DOCTYPE b [<!ENTITY f SYSTEM "file:///etc/passwd">]>${result(entry("&f;"))}`],
  ["tags without end", result("<a>".repeat(100_000))],
  ["an object without a key", result("<Contents><Size>1</Size></Contents>")],
  ["a size that is none", result(entry("a", "<Size>-1</Size>"))],
  ["a huge size", result(entry("a", `<Size>${"9".repeat(400)}</Size>`))],
  ["a key that is a tree", result(entry("<b>c</b>"))],
  ["a key that is badly encoded", result(`<EncodingType>url</EncodingType>${entry("%zz")}`)],
  [
    "names that JavaScript keeps for itself",
    result("<__proto__><key>1</key></__proto__><constructor>x</constructor>"),
  ],
  ["no word on whether there is more", "<ListBucketResult></ListBucketResult>"],
])("refuses %s for a listing", async (_, xml) => {
  await expect(listed(() => xml)).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringMatching(
      /^bucket "splats": 127\.0\.0\.1:\d+ sent a listing that cannot be read$/,
    ) as string,
  });
});

it.each<[string, (index: number) => string]>([
  [
    "goes on without a word where",
    () => "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
  ],
  ["goes on where it was", () => result(entry("a"), "same")],
  ["goes round in circles", (index) => result(entry("a"), `t${index % 3}`)],
])("ends a listing that %s", async (_, answer) => {
  await expect(listed((__, index) => answer(index))).rejects.toMatchObject({
    code: "refused",
    message: expect.stringContaining("says that a listing goes on, but not where") as string,
  });
});

it("stops reading a page that has no end", async () => {
  const server = await serveHttp((_, response) => {
    const piece = Buffer.alloc(1 << 20, "<a>");
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
    };
    response.on("drain", more);
    more();
  });
  const reader = openSignedReader({ ...TEST_BUCKET, endpoint: server.url });
  closing.push(
    () => reader.close(),
    () => server.close(),
  );
  await expect(reader.list("", {}, SIGNAL)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: "refused",
  });
});
