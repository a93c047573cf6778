import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { bytes, duration } from "../../src/quantities.ts";
import { SplatError } from "../../src/errors.ts";
import { describeTransfer, openTransferLine } from "../../src/tui/transfer-line.ts";
import { TransferTally } from "../../src/tui/transfer-tally.ts";

const WORDS = { bytes, duration, named: (key: string, text: string) => `${key}: ${text}` };
const [A, B] = ["a", "b"].map((key) => ({ key, sizeBytes: 50_000_000 }));
const CUT = new SplatError("unreachable", "the connection was cut");

/** 30 MB in three seconds, and a file that was there before. */
function halfWay(): TransferTally {
  const tally = new TransferTally(3, 150_000_000, 0);
  for (let ms = 100; ms <= 3000; ms += 100) {
    tally.count({ kind: "progress", entry: A, bytes: 1_000_000 }, ms);
  }
  tally.count({ kind: "done", result: { entry: B, outcome: "already", sizeBytes: 50_000_000 } }, 3000);
  return tally;
}

test("counts what is done, how fast it goes, and what is left", () => {
  const tally = halfWay();
  expect(tally.doneBytes).toBe(80_000_000);
  expect(tally.bytesPerS(3000)).toBeCloseTo(10_000_000, -6);
  expect(tally.leftS(3000)).toBeCloseTo(7, 0);
  expect(describeTransfer(tally, WORDS, null, 3000)).toMatch(
    /^1 of 3 files, 80\.0 MB of 150\.0 MB, (?:9\.9|10\.\d) MB\/s, [78] s left$/,
  );
});

test("what an attempt loses is not done, and what failed is told", () => {
  const tally = halfWay();
  tally.count({ kind: "retry", entry: A, error: CUT, waitMs: 10, bytes: 30_000_000 }, 3000);
  expect(tally.doneBytes).toBe(50_000_000);
  tally.count({ kind: "progress", entry: A, bytes: 20_000_000 }, 3100);
  tally.count({ kind: "done", result: { entry: A, outcome: "failed", sizeBytes: 0 } }, 3100);
  expect(describeTransfer(tally, WORDS, null, 3100)).toMatch(
    /^1 of 3 files, 1 failed, 50\.0 MB of 100\.0 MB/,
  );
});

test("a part that an earlier run left counts, but not for the rate", () => {
  const tally = new TransferTally(1, 50_000_000, 0);
  tally.count({ kind: "resumed", entry: A, bytes: 30_000_000 }, 50);
  expect(tally.doneBytes).toBe(30_000_000);
  expect(tally.bytesPerS(1000)).toBe(0);
  tally.count({ kind: "progress", entry: A, bytes: 10_000_000 }, 100);
  tally.count({ kind: "done", result: { entry: A, outcome: "downloaded", sizeBytes: 50_000_000 } }, 200);
  expect(tally.doneBytes).toBe(50_000_000);
});

test("a transfer that stands still has no time left to tell", () => {
  const tally = new TransferTally(1, 50_000_000, 0);
  expect(tally.bytesPerS(0)).toBeNull();
  expect(describeTransfer(tally, WORDS, null, 0)).toBe("0 of 1 files, 0 B of 50.0 MB");
  tally.count({ kind: "progress", entry: A, bytes: 1000 }, 100);
  expect(tally.leftS(10 * 60_000)).toBeNull();
});

test.each([10, 20, 30, 40, 60, 80, 200])("%i columns are enough", (columns) => {
  const text = describeTransfer(halfWay(), WORDS, columns, 3000);
  expect(text.length).toBeLessThanOrEqual(columns - 3);
  expect(text.includes("█")).toBe(columns >= 100);
  expect(text).toMatch(columns < 20 ? /^53%$/ : /1 of 3 files/);
});

test("attempts that fail are told when they last; all of them with --verbose", async () => {
  const told = async (level: "normal" | "verbose", firstWaitMs = 500): Promise<string> => {
    const stream = Object.assign(new PassThrough(), { isTTY: false }) as unknown as NodeJS.WriteStream;
    const line = await openTransferLine({ files: 2, sizeBytes: 100, level, words: WORDS, stream });
    const failing = (entry: typeof A) =>
      line.tell({ kind: "retry", entry, error: CUT, waitMs: 500, bytes: 0 });
    line.tell({ kind: "retry", entry: A, error: CUT, waitMs: firstWaitMs, bytes: 0 });
    failing(B);
    for (let i = 0; i < 5; i++) failing(A);
    line.end();
    return (stream.read() as Buffer | null)?.toString() ?? "";
  };
  expect(await told("normal")).toBe("a: the connection was cut; again in 0.5 s\n");
  expect(await told("normal", 300_000)).toMatch(/^a: the connection was cut; again in 5 min/);
  expect((await told("verbose")).split("\n")).toHaveLength(8);
});
