import { expect, test } from "vitest";
import { ConfirmationPace } from "../../src/queue/confirmation-pace.ts";

/** The pauses of a run in which `accepted` frames wait and every question shows the same. */
function pauses(pace: ConfirmationPace, accepted: number, most = 20): number[] {
  const taken: number[] = [];
  for (let pauseMs = pace.pauseMs(accepted); pauseMs !== null && taken.length < most;) {
    taken.push(pauseMs);
    pace.saw({ durableThrough: 3, isOver: false });
    pauseMs = pace.pauseMs(accepted);
  }
  return taken;
}

test("nobody asks while no frame waits to be safe", () => {
  for (const isCloud of [true, false]) expect(new ConfirmationPace(isCloud).pauseMs(0)).toBeNull();
});

test("a backend near us is asked at the same pace for ever", () => {
  expect(new Set(pauses(new ConfirmationPace(false), 7))).toEqual(new Set([2000]));
});

test("a cloud is asked less and less often while nothing changes, and then not again", () => {
  const pace = new ConfirmationPace(true);
  const taken = pauses(pace, 7);
  expect(taken).toEqual([10_000, 10_000, 20_000, 40_000, 80_000, 160_000]);
  expect(pace.pauseMs(7)).toBeNull();
  // A frame more: there is something to ask for.
  expect(pace.pauseMs(8)).toBe(10_000);
});

test("what changes quickens it, silence slows it down too", () => {
  const pace = new ConfirmationPace(true);
  pace.pauseMs(7);
  for (let i = 0; i < 3; i++) pace.saw(null);
  expect(pace.pauseMs(7)).toBe(80_000);
  pace.saw({ durableThrough: 9, isOver: false });
  expect(pace.pauseMs(7)).toBe(10_000);
});

test("silence shows nothing: whoever does not answer is asked on and on, and once back as at first", () => {
  const pace = new ConfirmationPace(true);
  pauses(pace, 7, 4);
  for (let i = 0; i < 20; i++) pace.saw(null);
  expect(pace.pauseMs(7)).toBe(300_000);
  pace.saw({ durableThrough: 3, isOver: false });
  expect(pauses(pace, 7)).toEqual([10_000, 20_000, 40_000, 80_000, 160_000]);
});

test("while a full spool waits for them to be safe, a cloud is asked on and on", () => {
  const pace = new ConfirmationPace(true);
  pauses(pace, 7);
  for (let i = 0; i < 20; i++) {
    expect(pace.pauseMs(7, true)).toBe(300_000);
    pace.saw({ durableThrough: 3, isOver: i > 9 });
  }
  expect(pace.pauseMs(7, false)).toBeNull();
  expect(pace.pauseMs(0, true)).toBeNull();
});

test("of a session that has failed nothing more is to be had", () => {
  const pace = new ConfirmationPace(true);
  pace.pauseMs(7);
  pace.saw({ durableThrough: 3, isOver: true });
  expect(pace.pauseMs(7)).toBeNull();
});
