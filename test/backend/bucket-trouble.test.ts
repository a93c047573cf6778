import { describe, expect, it } from "vitest";
import { BucketTrouble, UPLOAD_PACE } from "../../src/backend/bucket-trouble.ts";
import { SplatError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { waitAfter } from "../../src/remote/r2-pace.ts";

const DOWN = new SplatError("unreachable", "no answer");
const DENIED = new SplatError("not_configured", "denied", { hint: "Mend it." });

function busy(retryAfterS: number): SplatError {
  return new SplatError("refused", "busy", { refusal: { status: 503, code: "SlowDown", retryAfterS } });
}

function tracked() {
  const lines: string[] = [];
  const warnings: string[] = [];
  let changes = 0;
  const trouble = new BucketTrouble({
    log: createLog("normal", (line) => lines.push(line)),
    warn: (message) => warnings.push(message),
    changed: () => changes++,
  });
  return { trouble, lines, warnings, changes: () => changes };
}

describe("the wait after a failure", () => {
  it("grows from failure to failure, up to a bound, and is spread out", () => {
    const longest = (failures: number) => waitAfter(DOWN, failures, UPLOAD_PACE, () => 1);
    expect([1, 2, 3, 10, 1000].map(longest)).toEqual([500, 1000, 2000, 30_000, 30_000]);
    expect(waitAfter(DOWN, 10, UPLOAD_PACE, () => 0.5)).toBe(15_000);
  });

  it("grows further where only the user can help", () => {
    expect(waitAfter(DENIED, 1000, UPLOAD_PACE, () => 1)).toBe(120_000);
  });

  it("is at least what the server asks for, within reason", () => {
    expect(waitAfter(busy(7), 1, UPLOAD_PACE, () => 0)).toBe(7000);
    expect(waitAfter(busy(86_400), 1, UPLOAD_PACE, () => 1)).toBe(300_500);
  });
});

describe("what the user is told", () => {
  it("nothing of a few failures between successes", () => {
    const { trouble, lines, warnings, changes } = tracked();
    for (let i = 0; i < 10; i++) {
      trouble.failed(DOWN);
      trouble.failed(DOWN);
      trouble.succeeded();
    }
    expect([trouble.current, lines, warnings, changes()]).toEqual([null, [], [], 0]);
  });

  it("an outage, once when it begins and once when it is over", () => {
    const { trouble, lines, changes } = tracked();
    for (let i = 0; i < 100; i++) trouble.failed(DOWN);
    expect(trouble.current).toBe("no answer");
    expect(trouble.needsUser).toBe(false);
    expect(lines).toHaveLength(1);
    trouble.succeeded();
    expect([trouble.current, lines.length, changes()]).toEqual([null, 2, 2]);
  });

  it("what they have to mend: one warning with what to do, which an outage does not hide", () => {
    const { trouble, warnings } = tracked();
    for (let i = 0; i < 5; i++) trouble.failed(DENIED);
    for (let i = 0; i < 5; i++) trouble.failed(DOWN);
    expect(warnings).toEqual(["denied. Mend it."]);
    expect(trouble.current).toBe("denied. Mend it.");
    expect(trouble.needsUser).toBe(true);
  });
});
