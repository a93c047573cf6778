import { expect, test } from "vitest";
import { SplatError } from "../../src/errors.ts";
import { Dashboard, type Deeds } from "../../src/tui/dashboard-control.ts";
import { CAPTURE, statusOf } from "../helpers/dashboard-views.ts";

/** A dashboard, what its keys have done, and what it shows now. */
function newDashboard(deeds: Partial<Deeds> = {}) {
  const done: string[] = [];
  const deed = (what: string) => () => {
    done.push(what);
    return Promise.resolve(`${what} done`);
  };
  const dashboard = new Dashboard({
    url: "http://a",
    scene: "main",
    quitWord: "quit",
    deeds: {
      pause: (isPaused) => deed(`paused: ${isPaused}`)(),
      stop: deed("stop"),
      pull: deed("pull"),
      open: deed("open"),
      quit: () => done.push("quit"),
      ...deeds,
    },
    startingS: () => null,
    onChange: () => undefined,
    onSomebody: () => done.push("somebody"),
  });
  const view = () => dashboard.view(Date.now());
  const press = (...keys: string[]): void => keys.forEach((key) => dashboard.onKey(key));
  const deedsDone = (): string[] => done.filter((what) => what !== "somebody");
  return { dashboard, view, press, done, deedsDone, settled: () => new Promise(setImmediate) };
}

test("stop is asked for, and y alone is yes", async () => {
  const { press, view, deedsDone, settled } = newDashboard();
  for (const no of ["n", "q", "s", "return", "escape"]) {
    press("s");
    expect(view().question).toContain("Stop training");
    press(no);
    expect(view()).toMatchObject({ question: null, said: { text: "nothing was stopped" } });
  }
  expect(deedsDone()).toEqual([]);
  press("s", "y");
  expect(view().doing).toBe("stopping ...");
  await settled();
  expect(deedsDone()).toEqual(["stop"]);
  expect(view()).toMatchObject({ doing: null, said: { text: "stop done", isBad: false } });
});

test("p pauses what runs and resumes what is paused", async () => {
  const { dashboard, press, deedsDone, settled } = newDashboard();
  press("p");
  await settled();
  dashboard.onLocal({ capture: { ...CAPTURE, paused: true }, relay: null });
  press("p");
  await settled();
  expect(deedsDone()).toEqual(["paused: true", "paused: false"]);
});

test("a key that fails says why, and what to do", async () => {
  const error = new SplatError("refused", "it has no Gaussians yet", { hint: "Send frames." });
  const { press, view, settled } = newDashboard({ pull: () => Promise.reject(error) });
  press("g");
  await settled();
  expect(view().said).toMatchObject({ text: "it has no Gaussians yet. Send frames.", isBad: true });
});

test("one deed at a time; q and Ctrl-C always", () => {
  const { press, deedsDone } = newDashboard({ pull: () => new Promise(() => undefined) });
  press("g", "o", "p", "q", "ctrl-c");
  expect(deedsDone()).toEqual(["quit", "quit"]);
});

test("at the end no key does anything but Ctrl-C", () => {
  const { dashboard, press, view, deedsDone } = newDashboard();
  dashboard.onEnding("ending");
  press("s", "g", "p", "q");
  expect(view()).toMatchObject({ question: null, ending: "ending" });
  press("ctrl-c");
  expect(deedsDone()).toEqual(["quit"]);
});

test("a reset begins the curves anew, a restart does not", () => {
  const { dashboard, view } = newDashboard();
  dashboard.onStatus(statusOf({ step: 1, psnr_train: 20 }));
  dashboard.onStatus(statusOf({ step: 1, boot_id: "b2" }));
  expect(view().psnrTrain).toEqual([20]);
  expect(view().notes.at(-1)?.text).toBe("the backend was started again");
  dashboard.onStatus(statusOf({ step: 1, boot_id: "b2", session_id: "s2", psnr_train: null }));
  expect(view().psnrTrain).toEqual([]);
  expect(view().notes.at(-1)?.text).toBe("the scene was reset");
});

test("notes are told once in a row, and no more than some are kept", () => {
  const { dashboard, view } = newDashboard();
  for (let i = 0; i < 500; i++) dashboard.note(`note ${i >> 1}`);
  expect(view().notes.length).toBeLessThanOrEqual(50);
  expect(
    view()
      .notes.slice(-2)
      .map(({ text }) => text),
  ).toEqual(["note 248", "note 249"]);
});

test("what needs no news wakes no cloud; another key asks it again", async () => {
  const { dashboard, press, view, done, settled } = newDashboard();
  dashboard.onAsleep();
  press("?", "x", "p");
  await settled();
  press("q");
  expect(done).toEqual(["paused: true", "quit"]);
  expect(view().link.kind).toBe("asleep");
  press("return");
  expect(done.at(-1)).toBe("somebody");
  expect(view().link.kind).toBe("asking");
});

test("a second p resumes, though nobody has looked since the first", async () => {
  const { dashboard, press, view, deedsDone, settled } = newDashboard();
  dashboard.onLocal({ capture: CAPTURE, relay: null });
  press("p");
  await settled();
  expect(view().local.capture?.paused).toBe(true);
  press("p");
  await settled();
  expect(deedsDone()).toEqual(["paused: true", "paused: false"]);
  expect(dashboard.pauses).toBe(2);
});
