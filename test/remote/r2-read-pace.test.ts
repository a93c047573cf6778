import { describe, expect, it } from "vitest";
import { SplatError } from "../../src/errors.ts";
import { mayPass, retrying, type RetryPace } from "../../src/remote/r2-pace.ts";

const PACE: RetryPace = { firstWaitMs: 1, longestWaitMs: 2, longestUserWaitMs: 2 };
const SIGNAL = new AbortController().signal;
const DOWN = new SplatError("unreachable", "no answer");

function refused(status: number, code = "unknown", more: object = {}): SplatError {
  return new SplatError("refused", `HTTP ${status}`, { refusal: { status, code, ...more } });
}

/** Fails as told, then answers "done"; says how often it was called. */
async function tried(failures: readonly Error[], attempts?: number) {
  const left = [...failures];
  const waits: SplatError[] = [];
  let calls = 0;
  const outcome = await retrying(
    () => {
      calls++;
      const error = left.shift();
      return error === undefined ? Promise.resolve("done") : Promise.reject(error);
    },
    { attempts, pace: PACE, signal: SIGNAL, onWait: (error) => waits.push(error) },
  ).catch((error: unknown) => error);
  return { outcome, calls, waits };
}

it("tells what may pass from what will not", () => {
  const passing = [DOWN, refused(429), refused(500), refused(503), refused(522), refused(408)];
  expect([...passing, refused(400, "RequestTimeout")].filter((error) => !mayPass(error))).toEqual([]);
  const lasting = [404, 412, 416, 400, 418, 501].map((status) => refused(status));
  const others = [
    new SplatError("not_configured", "denied"),
    new SplatError("interrupted", "x"),
    new Error("x"),
  ];
  expect([...lasting, ...others, null].filter((error) => mayPass(error))).toEqual([]);
});

describe("work is done again", () => {
  it("until it succeeds, and each wait is told", async () => {
    const failures = [DOWN, refused(503), refused(429)];
    expect(await tried(failures)).toEqual({ outcome: "done", calls: 4, waits: failures });
  });

  it("as often as told, then its last error is thrown", async () => {
    const last = refused(500);
    expect(await tried([DOWN, DOWN, last], 3)).toMatchObject({ outcome: last, calls: 3 });
    expect(await tried([DOWN], 1)).toMatchObject({ outcome: DOWN, calls: 1 });
  });

  it("not when only the user can mend it, nor when the answer stays what it is", async () => {
    for (const error of [
      new SplatError("not_configured", "denied", { refusal: { status: 403, code: "AccessDenied" } }),
      refused(404, "NoSuchKey"),
      refused(416, "InvalidRange"),
      new SplatError("bad_input", "no room"),
    ]) {
      expect(await tried([error])).toMatchObject({ outcome: error, calls: 1 });
    }
  });

  it("once when a no did not come from the bucket", async () => {
    const page = refused(403, "unknown", { isForeign: true });
    expect(await tried([page])).toMatchObject({ outcome: "done", calls: 2 });
    expect(await tried([page, DOWN, page])).toMatchObject({ outcome: page, calls: 3 });
  });

  it("not when it is a bug, which is told as one", async () => {
    expect(await tried([new TypeError("x is undefined")])).toMatchObject({
      outcome: { code: "internal", message: "x is undefined" },
      calls: 1,
    });
  });
});

it("gives up waiting at the signal, with its reason", async () => {
  const stop = new AbortController();
  const reason = new SplatError("interrupted", "Ctrl-C");
  const pace = { firstWaitMs: 1e6, longestWaitMs: 1e6, longestUserWaitMs: 1e6 };
  const busy = refused(503, "SlowDown", { retryAfterS: 200 });
  const work = retrying(() => Promise.reject(busy), {
    pace,
    signal: stop.signal,
    onWait: () => stop.abort(reason),
  });
  await expect(work).rejects.toBe(reason);
});
