/** Answers of HTTP/1.1 from bytes, however these are cut, and what is none. */
import { describe, expect, it } from "vitest";
import { AnswerParser, type AnswerHead } from "../../src/remote/http1-answer.ts";

interface Told {
  heads: AnswerHead[];
  body: string;
  /** As `onEnd` was told; null when it was not. */
  isLast: boolean | null;
}

/** Feed `text` in pieces of `size` bytes, as a connection would. */
function parse(text: string, size: number, ends = false): Told {
  const told: Told = { heads: [], body: "", isLast: null };
  const parser = new AnswerParser({
    onHead: (head) => told.heads.push(head),
    onPiece: (piece) => (told.body += piece.toString("latin1")),
    onEnd: (isLast) => (told.isLast = isLast),
  });
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += size) {
    let rest: Buffer = bytes.subarray(at, at + size);
    while (rest.length > 0) rest = parser.read(rest);
  }
  if (ends) expect(parser.readEnd()).toBe(told.isLast !== null);
  return told;
}

const OK = "HTTP/1.1 200 OK\r\n";

const WHOLE: [string, string, boolean, Partial<Told>][] = [
  [
    "a body with a length",
    `${OK}Content-Length: 5\r\nETag: "x"\r\n\r\nhello`,
    false,
    { body: "hello", isLast: false },
  ],
  ["an empty body", `${OK}Content-Length: 0\r\n\r\n`, false, { body: "", isLast: false }],
  ["lengths that agree", `${OK}Content-Length: 2, 2\r\nContent-Length: 2\r\n\r\nab`, false, { body: "ab" }],
  [
    "chunks",
    `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n, world...\r\n0\r\n\r\n`,
    false,
    { body: "hello, world...", isLast: false },
  ],
  [
    "chunks with a trailer",
    `${OK}transfer-encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\nZ: z\r\n\r\n`,
    false,
    { body: "a", isLast: false },
  ],
  [
    "chunks that hold ends of lines",
    `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n`,
    false,
    { body: "\r\n\r\n" },
  ],
  [
    "chunks and a length",
    `${OK}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`,
    false,
    { body: "a", isLast: true },
  ],
  ["a body up to the end", `${OK}\r\nuntil the end`, true, { body: "until the end", isLast: true }],
  ["no body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, { body: "", isLast: false }],
  ["a close", `${OK}Content-Length: 1\r\nConnection: Close\r\n\r\na`, false, { body: "a", isLast: true }],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", false, { body: "a", isLast: true }],
  [
    "HTTP/1.0 that stays",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
    false,
    { isLast: false },
  ],
  [
    "answers before the answer",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK}Content-Length: 1\r\n\r\na`,
    false,
    { body: "a" },
  ],
  ["a status without a reason", "HTTP/1.1 404\r\nContent-Length: 1\r\n\r\na", false, { body: "a" }],
];

describe.each(WHOLE)("%s", (_, text, ends, wanted) => {
  it.each([1, 2, 3, 7, 1000])("is read from pieces of %s bytes", (size) => {
    const told = parse(text, size, ends);
    expect(told).toMatchObject(wanted);
    expect(told.heads).toHaveLength(1);
  });
});

it("tells status and fields, those that come twice joined", () => {
  const text =
    'HTTP/1.1 206 Partial\r\nETag:"a"\r\nX-A:  1 \r\nx-a:2\r\n__proto__: 3\r\nContent-Length: 0\r\n\r\n';
  expect(parse(text, 5).heads).toEqual([
    { status: 206, headers: expect.objectContaining({ etag: '"a"', "x-a": "1, 2" }) as object },
  ]);
  expect(({} as Record<string, unknown>)["3"]).toBeUndefined();
});

it.each([
  ["another protocol", "SSH-2.0-OpenSSH\r\n\r\n\r\n"],
  ["a status that is none", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["HTTP/2", "HTTP/2 200\r\n\r\n"],
  ["a field without a name", `${OK}: x\r\n\r\n`],
  ["a folded field", `${OK}A: b\r\n c: d\r\n\r\n`],
  ["a blank before the colon", `${OK}Content-Length : 5\r\n\r\nhello`],
  ["a negative length", `${OK}Content-Length: -1\r\n\r\n`],
  ["a length that is none", `${OK}Content-Length: 0x5\r\n\r\n`],
  ["lengths that differ", `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`],
  ["an unknown encoding", `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  ["a chunk without a size", `${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`],
  ["a chunk of a negative size", `${OK}Transfer-Encoding: chunked\r\n\r\n-5\r\n`],
  ["a chunk that is too long", `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n`],
  ["a head without an end", `${OK}A: ${"x".repeat(70_000)}`],
  ["more than was asked for", `${OK}Content-Length: 1\r\n\r\nab`],
])("refuses %s", (_, text) => {
  for (const size of [1, 1000]) {
    expect(() => parse(text, size)).toThrow(expect.objectContaining({ code: "ERR_NO_HTTP" }) as Error);
  }
});

it.each([
  ["in its head", `${OK}Content-Le`],
  ["before its body", `${OK}Content-Length: 5\r\n\r\n`],
  ["in its body", `${OK}Content-Length: 5\r\n\r\nhell`],
  ["in a chunk", `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhe`],
  ["before the last chunk", `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`],
])("knows that an answer is not whole that ends %s", (_, text) => {
  expect(parse(text, 1000, true).isLast).toBeNull();
});
