import { expect, test } from "vitest";
import { parseSessionStatus } from "../../src/chunks/parse-status.ts";
import { isSessionId, sessionOfStatus } from "../../src/chunks/session-status.ts";
import type { BucketStatus, Chunk } from "../../src/api/schema.ts";

const CHUNK: Chunk = {
  name: "chunk_0001.ply",
  index: 1,
  first_frame: 1,
  last_frame: 50,
  gaussian_count: 1000,
  bytes: 10,
  sha256: "AB".repeat(32),
  key: "scenes/main/s1/chunk_0001.ply",
  url: "https://elsewhere.example/x",
  created_at: 5,
};
const SECOND: Chunk = { ...CHUNK, name: "chunk_0002.ply", key: "scenes/main/s1/chunk_0002.ply", index: 2 };
const STATUS: BucketStatus = {
  session_id: "s1",
  updated_at: 9,
  state: "training",
  frame_count: 70,
  gaussian_count: 1200,
  complete: false,
  chunks: [SECOND, CHUNK],
};

test("a status.json becomes a session, its entries by number", () => {
  const session = parseSessionStatus("main", Buffer.from(JSON.stringify({ ...STATUS, more: 1 })));
  expect(session).toMatchObject({
    sessionId: "s1",
    from: "status",
    state: "training",
    complete: false,
    frameCount: 70,
    gaussianCount: 1200,
    updatedAtS: 9,
    entries: [
      { name: "chunk_0001.ply", sha256: "ab".repeat(32), firstFrame: 1, lastFrame: 50, createdAtS: 5 },
      { name: "chunk_0002.ply" },
    ],
  });
});

test.each<[string, Partial<Chunk>]>([
  ["another scene's key", { key: "scenes/other/s1/chunk_0001.ply" }],
  ["another session's key", { key: "scenes/main/s2/chunk_0001.ply" }],
  ["a key of elsewhere", { key: "secrets/chunk_0001.ply" }],
  ["a key that climbs", { key: "scenes/main/s1/../../chunk_0001.ply" }],
  ["a name that is not the key's", { name: "chunk_0009.ply" }],
  ["a name with a slash", { name: "x/chunk_0001.ply", key: "scenes/main/s1/x/chunk_0001.ply" }],
  ["a file that is no scene", { name: "SHA256SUMS", key: "scenes/main/s1/SHA256SUMS" }],
  ["half a character", { name: "\ud800.ply", key: "scenes/main/s1/\ud800.ply" }],
  ["a sum that is none", { sha256: "../../etc" }],
  ["a file twice", { ...SECOND }],
])("a status.json with %s is not believed", (_, change) => {
  const hostile = { ...STATUS, chunks: [{ ...CHUNK, ...change }, SECOND] };
  expect(() => sessionOfStatus("main", hostile)).toThrow(/status\.json in the bucket cannot be used/);
});

test.each([
  "",
  ".",
  "..",
  "a/b",
  "a\u0000",
  "a\nb",
  "a\u009b",
  "a\u202e",
  "a\u2028",
  "\ud800",
  "x".repeat(600),
])("a session is not called %j", (id) => {
  expect(isSessionId(id)).toBe(false);
  expect(() => sessionOfStatus("main", { ...STATUS, session_id: id, chunks: [] })).toThrow(/no session/);
});

test.each(["", "null", "[]", "{", "\u0000", JSON.stringify({ ...STATUS, chunks: "all" })])(
  "%j is no status.json",
  (text) => {
    expect(() => parseSessionStatus("main", Buffer.from(text))).toThrow(/not the shape/);
  },
);
