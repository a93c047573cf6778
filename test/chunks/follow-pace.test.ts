import { expect, it, test } from "vitest";
import { FOLLOW_PACE, FollowTrouble, nextWaitMs } from "../../src/chunks/follow-pace.ts";
import { SplatError, type ErrorCode } from "../../src/errors.ts";

/** The waits of looks of which each found something new or not. */
function waits(...changes: readonly boolean[]): number[] {
  let waitMs = FOLLOW_PACE.everyMs;
  return changes.map((hasChanged) => (waitMs = nextWaitMs(waitMs, hasChanged, FOLLOW_PACE)));
}

function refused(status: number): SplatError {
  return new SplatError("refused", `HTTP ${status}`, { refusal: { status, code: "" } });
}

const CUT = new SplatError("unreachable", "the connection was cut");
const DENIED = new SplatError("not_configured", "denied", { refusal: { status: 403, code: "AccessDenied" } });

test("waits grow while nothing changes, up to half a minute, and are short again after a change", () => {
  expect(waits(true, true, false, false, true, false)).toEqual([2000, 2000, 3000, 4500, 2000, 3000]);
  expect(waits(...Array.from({ length: 20 }, () => false)).at(-1)).toBe(30_000);
});

it("tells of trouble once, at once when nothing has worked yet, and of its end when it was told", () => {
  const trouble = new FollowTrouble();
  expect([trouble.failed(CUT), trouble.failed(refused(503)), trouble.failed(CUT)]).toEqual([
    "tell",
    "wait",
    "wait",
  ]);
  expect([trouble.worked(), trouble.worked()]).toEqual([true, false]);
  expect([trouble.failed(CUT), trouble.worked()]).toEqual(["wait", false]);
  expect([trouble.failed(CUT), trouble.failed(CUT), trouble.failed(CUT)]).toEqual(["wait", "tell", "wait"]);
  expect(trouble.failures).toBe(3);
  expect(trouble.worked()).toBe(true);
});

it("ends for what only the user can mend: at once at first, later after it was told and tried again", () => {
  expect(new FollowTrouble().failed(DENIED)).toBe("end");
  expect(new FollowTrouble().failed(refused(400))).toBe("end");
  const trouble = new FollowTrouble();
  trouble.worked();
  expect([trouble.failed(DENIED), trouble.failed(CUT), trouble.failed(DENIED)]).toEqual([
    "tell",
    "wait",
    "wait",
  ]);
  expect([trouble.failed(DENIED), trouble.failed(DENIED)]).toEqual(["wait", "end"]);
});

it.each<ErrorCode>(["internal", "usage", "interrupted"])("never waits for %s to mend itself", (code) => {
  const trouble = new FollowTrouble();
  trouble.worked();
  expect(trouble.failed(new SplatError(code, "no"))).toBe("end");
});
