import stringWidth from "string-width";
import { describe, expect, it, test } from "vitest";
import { screenRows } from "../../src/tui/dashboard-rows.ts";
import type { Room, View } from "../../src/tui/dashboard-view.ts";
import { CAPTURE, RELAY, statusOf, viewOf } from "../helpers/dashboard-views.ts";

const NASTY = "\u001b[2J\u001b]0;title\u0007 wide 漢字🦾 and\r\nlines \u202e turned ".repeat(6);
const NOTES = Array.from({ length: 60 }, (_, i) => ({ atMs: i, text: `note ${i}`, isWarning: i % 2 === 0 }));

const VIEWS: Readonly<Record<string, View>> = {
  "everything at once": viewOf({
    notes: NOTES,
    status: statusOf({ warnings: ["a warning ".repeat(20), "another"], last_error: "no room" }),
    question: "Stop training, finish the scene and end its capture?",
  }),
  "nothing known yet": viewOf({
    status: null,
    link: { kind: "asking" },
    local: { capture: null, relay: null },
    psnrTrain: [],
    psnrHeldOut: [],
    notes: [],
  }),
  idle: viewOf({
    status: statusOf({ state: "idle", frame_count: 0, psnr_train: null, psnr_holdout: null, chunks: [] }),
  }),
  finishing: viewOf({ status: statusOf({ state: "finishing", progress: 0.999 }) }),
  complete: viewOf({ status: statusOf({ state: "complete", progress: 1 }) }),
  failed: viewOf({ status: statusOf({ state: "failed", last_error: "out of memory" }) }),
  away: viewOf({ link: { kind: "away", why: "no answer from http://a", sinceMs: 0 } }),
  asleep: viewOf({ link: { kind: "asleep" } }),
  starting: viewOf({ startingS: 12, status: null }),
  paused: viewOf({ local: { capture: { ...CAPTURE, paused: true, waiting: "busy" }, relay: null } }),
  "a relay in trouble": viewOf({ local: { capture: null, relay: { ...RELAY, trouble: "no answer" } } }),
  "no joints": viewOf({
    status: statusOf({ joints_age_s: null }),
    local: { capture: null, relay: { ...RELAY, jointAngles: null } },
  }),
  help: viewOf({ isHelp: true }),
  ending: viewOf({ ending: "ending: what is under way is sent first" }),
  "big numbers": viewOf({
    status: statusOf({
      frame_count: 9_999_999,
      gaussian_count: 10_000_000,
      step: 123_456_789,
      steps_per_second: 12_345.6,
      memory_bytes: 1e12,
      latency_ms: { accepted: { p50: 5e8, p95: 9e9 }, trained: { p50: 5e8, p95: 9e9 } },
      joint_angles: [9, -9, 9, -9, 9, -9],
      joints_age_s: 1e6,
    }),
  }),
  "text from elsewhere": viewOf({
    url: `http://${NASTY}`,
    link: { kind: "away", why: NASTY, sinceMs: 0 },
    status: statusOf({
      warnings: [NASTY, NASTY],
      last_error: NASTY,
      engine: { name: NASTY, device: NASTY, threads: 1 },
    }),
    local: { capture: { ...CAPTURE, waiting: NASTY }, relay: { ...RELAY, from: NASTY, trouble: NASTY } },
    notes: [{ atMs: 0, text: NASTY, isWarning: true }],
    said: { text: NASTY, isBad: true },
  }),
};

const SIZES = [
  [200, 60],
  [120, 40],
  [101, 19],
  [100, 18],
  [80, 24],
  [64, 20],
  [50, 15],
  [40, 10],
  [30, 6],
  [24, 4],
  [24, 3],
  [23, 40],
  [10, 2],
  [2, 1],
  [1, 1],
] as const;

function linesOf(view: View, room: Room): string[] {
  return screenRows(view, room).map((row) => row.map(({ text }) => text).join(""));
}

describe.each(Object.entries(VIEWS))("%s", (_, view) => {
  it.each(SIZES)("fits into %i×%i", (columns, rows) => {
    for (const isUnicode of [true, false]) {
      const lines = linesOf(view, { columns, rows, isUnicode });
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1));
      for (const line of lines) {
        expect(stringWidth(line)).toBeLessThanOrEqual(Math.max(1, columns - 1));
        // oxlint-disable-next-line no-control-regex
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
        // oxlint-disable-next-line no-control-regex
        if (!isUnicode) expect(line).toMatch(/^[\x20-\x7e]*$/);
      }
    }
  });
});

const screen = (view: View, columns: number, rows: number, isUnicode = true): string =>
  linesOf(view, { columns, rows, isUnicode }).join("\n");

test("80×24 shows everything", () => {
  const text = screen(viewOf(), 80, 24);
  for (const wanted of [
    "http://127.0.0.1:7860",
    "live",
    /▶ training +█+░+ 47%/,
    "1 234 accepted   3 queued   1 failed   2 rejected",
    "1 240 kept of 12 400  (8 010 blurred,",
    "38 000   34 567 steps   41.3/s",
    /PSNR train 27\.3 dB +[▁▂▃▄▅▆▇█]{40}/,
    /held out +25\.9 dB +[▁▂▃▄▅▆▇█]{40}/,
    "shutter → accepted 34 ms (p95 60 ms) → trained 812 ms (p95 1.2 s)",
    "0.0 s old   98/s from serial /dev/ttyACM0",
    /pan +─+●─+ +11° +wrist +─+●─* +52°/,
    "2 written, 1 waiting for the bucket",
    /chunk_0003\.ply +frames 101–150 +37 035 Gaussians +17\.4 MB +waiting/,
    "412.0 MB memory",
    "p pause  s stop  g pull  o open  ? help  q quit",
  ]) {
    expect(text).toMatch(wanted);
  }
});

test("120×40 draws the arm beside the figures", () => {
  const text = screen(viewOf(), 120, 40);
  expect(text).toMatch(/[\u2801-\u28ff]{3}/);
  expect(text).toMatch(/frames +1 234 accepted.*joints +0\.0 s old/);
  expect(screen(viewOf(), 120, 40, false)).not.toMatch(/[\u2800-\u28ff]/);
});

test("what matters least goes first", () => {
  const view = viewOf({ status: statusOf({ warnings: ["no camera given"] }) });
  const small = screen(view, 50, 15);
  for (const wanted of ["training", "1 234 accepted", "38 000", "27.3 dB", "no camera given", "q quit"]) {
    expect(small).toContain(wanted);
  }
  expect(small).not.toContain("engine");
  const smaller = screen(view, 40, 7);
  for (const wanted of ["training", "1 234 accepted"]) expect(smaller).toContain(wanted);
  expect(smaller).not.toContain("latency");
  expect(screen(view, 60, 2)).toBe("training 47% 1 234 frames 38 000 G");
});

test.each([
  [80, 24],
  [50, 15],
  [40, 7],
  [24, 4],
])("a question, an end and a pause are seen at %i×%i", (columns, rows) => {
  expect(screen(viewOf({ question: "Stop?" }), columns, rows)).toContain("y / n");
  expect(screen(viewOf({ ending: "ending: sent first" }), columns, rows)).toContain("ending: sent");
  const paused = viewOf({ local: { capture: { ...CAPTURE, paused: true }, relay: null } });
  expect(screen(paused, columns, rows)).toContain("PAUSED");
});

test("while the backend is away it says how old all this is", () => {
  const view = viewOf({ link: { kind: "away", why: "no answer", sinceMs: 0 } });
  const text = screen({ ...view, nowMs: view.seenMs + 83_000 }, 80, 24);
  expect(text).toContain("no answer, shown: 83 s old");
  expect(text).toContain("no answer; asking again until it answers");
});

test("a cloud that is asked no more is said to be", () => {
  expect(screen(viewOf({ link: { kind: "asleep" } }), 80, 24)).toContain(
    "asks no more so that the GPU can stop; Enter asks again",
  );
});

test("joints of the backend grow older with what is shown", () => {
  const view = viewOf({ local: { capture: null, relay: null } });
  expect(screen({ ...view, nowMs: view.seenMs + 9000 }, 80, 24)).toMatch(/joints +9 s old/);
});

test("what the backend warns of stands there once", () => {
  const warning = "no camera given";
  const view = viewOf({
    status: statusOf({ warnings: [warning] }),
    notes: [{ atMs: 0, text: warning, isWarning: true }],
  });
  expect(screen(view, 80, 24).split(warning)).toHaveLength(2);
});

test("at 50 columns no sentence of the help, no question and no count is cut", () => {
  const help = screen(viewOf({ isHelp: true }), 50, 30);
  expect(help).not.toContain("…");
  expect(help).toMatch(/pause the capture, .*\n +on this machine\)/);
  const question = "Stop training and finish the scene? It takes no frames after that.";
  expect(screen(viewOf({ question }), 50, 15)).toMatch(/after that\. {2}y \/ n/);
  expect(screen(viewOf(), 50, 15)).toMatch(/1 234 accepted {3}3 queued {3}1 failed\n +2 rejected/);
  const fine = viewOf({ local: { capture: { ...CAPTURE, failed: 0, queued: 0 }, relay: null } });
  expect(screen(fine, 50, 15)).toMatch(/frames +1 234 accepted {3}2 rejected\n/);
});

test("a large terminal shows figures over time in several rows", () => {
  const rows = screen(viewOf(), 120, 40)
    .split("\n")
    .filter((line) => /[▁▂▃▄▅▆▇█]{10}/.test(line));
  expect(rows.length).toBeGreaterThanOrEqual(8);
});
