import { expect, test } from "vitest";
import { describeSessions } from "../../src/commands/chunks-ls-text.ts";
import { alignTable } from "../../src/commands/table.ts";

const COLUMNS = [
  { title: "NAME" },
  { title: "FRAMES", leaveOut: 2 },
  { title: "SIZE", right: true },
  { title: "AGE", leaveOut: 1 },
];
const ROWS = [
  ["chunk_0001.ply", "1–50", "1.2 MB", "3 min"],
  ["chunk_0002.ply", "51–100", "12.4 MB", "1 min"],
];

test.each([
  [Number.POSITIVE_INFINITY, "NAME            FRAMES     SIZE  AGE"],
  [38, "NAME            FRAMES     SIZE  AGE"],
  [37, "NAME               SIZE  AGE"],
  [27, "NAME               SIZE"],
  [5, "NAME               SIZE"],
])("in %s columns what matters least is left out", (room, titles) => {
  const lines = alignTable(COLUMNS, ROWS, room);
  expect(lines[0]).toBe(titles);
  if (room >= 23) for (const line of lines) expect(line.length).toBeLessThanOrEqual(room);
});

test("the chunks of a session on a narrow terminal: name and size stay", () => {
  const entry = {
    name: "chunk_0001.ply",
    key: "scenes/main/s/chunk_0001.ply",
    sizeBytes: 12_345_678,
    sha256: null,
    index: 1,
    firstFrame: 1,
    lastFrame: 50,
    gaussianCount: 40_000,
    createdAtS: Date.now() / 1000 - 100,
  };
  const session = {
    sessionId: "s",
    state: "capturing",
    complete: true,
    from: "status" as const,
    frameCount: 50,
    gaussianCount: 40_000,
    updatedAtS: null,
    entries: [entry],
  };
  const place = { bucket: "b", scene: "main", session: "latest", urlOf: () => null };
  const text = describeSessions([session] as never, place, false, 40);
  const [, titles, row] = text.split("\n");
  expect(titles).toBe("NAME               SIZE  AGE");
  expect(row).toMatch(/^chunk_0001\.ply {2}12\.3 MB {2}\S/);
  expect(describeSessions([session] as never, place, false)).toContain("GAUSSIANS");
});
