import { expect, it } from "vitest";
import { parseSessionStatus } from "../../src/chunks/parse-status.ts";

function statusOf(sessionId: string): Buffer {
  const counts = { frame_count: 0, gaussian_count: 0 };
  const status = { session_id: sessionId, updated_at: 1, state: "training", ...counts, complete: false };
  return Buffer.from(JSON.stringify({ ...status, chunks: [] }), "latin1");
}

it("takes no bytes that are no UTF-8 for another session's name", () => {
  expect(parseSessionStatus("main", statusOf("a")).sessionId).toBe("a");
  expect(() => parseSessionStatus("main", statusOf("a\u00ff"))).toThrow("cannot be used");
});
