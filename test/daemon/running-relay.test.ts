import { hostname } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createControlApp } from "../../src/daemon/control-app.ts";
import { Relay } from "../../src/daemon/relay.ts";
import { writeRunFile } from "../../src/daemon/run-file.ts";
import { runningRelay, type RelayChoice } from "../../src/daemon/running-relay.ts";
import { startServer } from "../../src/http/server.ts";
import { silentLog } from "../../src/log.ts";
import { preciseNowS } from "../../src/time.ts";
import { startTrivial } from "../helpers/daemons.ts";
import { tempFolder } from "../helpers/pictures.ts";

/** A process that lives, and a server of this one that answers in its name. */
async function standIn(runDir: string, name: string, what: string, { relays = true, scene = "main" } = {}) {
  const pid = startTrivial([name, await tempFolder()]).child.pid ?? 0;
  const relay = new Relay(() => undefined);
  const app = createControlApp({
    identity: { name, pid },
    status: () => ({}),
    state: "running",
    joints: relay,
    takeJoints: null,
    jointsFrom: null,
    pause: null,
    stop: () => undefined,
    log: silentLog,
  });
  const server = await startServer({ host: "127.0.0.1", port: 0, fetch: (request) => app.fetch(request) });
  onTestFinished(() => server.close());
  const about = { host: hostname(), backend: "http://127.0.0.1:1", started_at: 1, log: null };
  await writeRunFile(runDir, { name, pid, url: server.url, what, relays, scene, ...about });
  return { relay, server };
}

async function newRunDir(): Promise<string> {
  return await tempFolder();
}

function listener() {
  const told: string[] = [];
  return { told, onNote: (line: string) => told.push(line), onWarning: (line: string) => told.push(line) };
}

test("joints come from the relay that runs, whatever folders other daemons watch", async () => {
  const runDir = await newRunDir();
  await standIn(runDir, "main", `capture ${join("/", "relay", "frames")}`, { relays: false });
  const { relay } = await standIn(runDir, "arm", "relay serial");
  const now = preciseNowS();
  for (let i = -50; i <= 10; i++) relay.take({ timeS: now + i / 100, anglesRad: [i, 0, 0, 0, 0, 0] });
  const { told, ...events } = listener();
  const around = await runningRelay(runDir, events).around(now);
  expect(around).toHaveLength(38);
  expect(told).toHaveLength(1);
  expect(told[0]).toContain("joints come from the relay at");
});

test("frames that ask at once all get the relay's answer, and one that is gone is told of once", async () => {
  const runDir = await newRunDir();
  const { relay, server } = await standIn(runDir, "main", "relay http + capture frames");
  const now = preciseNowS();
  for (let i = -5; i <= 10; i++) relay.take({ timeS: now + i / 100, anglesRad: [0, 0, 0, 0, 0, 0] });
  const { told, ...events } = listener();
  const joints = runningRelay(runDir, events);
  const answers = await Promise.all([1, 2, 3].map(() => joints.around(now)));
  expect(answers.map(({ length }) => length)).toEqual([13, 13, 13]);
  await server.close();
  expect(await Promise.all([joints.around(now), joints.around(now)])).toEqual([[], []]);
  expect(told).toHaveLength(2);
  expect(told[1]).toContain("does not answer any more");
});

test("of several relays the one for the same scene is asked, else the main one", async () => {
  const runDir = await newRunDir();
  const now = preciseNowS();
  const fill = ({ relay }: { relay: Relay }, angle: number): void => {
    for (let i = -5; i <= 10; i++) relay.take({ timeS: now + i / 100, anglesRad: [angle, 0, 0, 0, 0, 0] });
  };
  fill(await standIn(runDir, "arm", "relay serial", { scene: "table" }), 1);
  fill(await standIn(runDir, "main", "relay serial"), 2);
  const { told: _, ...events } = listener();
  const first = async (choice: RelayChoice): Promise<number | undefined> =>
    (await runningRelay(runDir, events, choice).around(now))[0]?.anglesRad[0];
  expect(await first({ scene: "table" })).toBe(1);
  expect(await first({ scene: "shelf" })).toBe(2);
  expect(await first({ scene: "main", name: "arm" })).toBe(1);
  expect(await first({ scene: "main", name: "other" })).toBeUndefined();
});

test("without a relay there are no joints, and nothing is said", async () => {
  const { told, ...events } = listener();
  expect(await runningRelay(await newRunDir(), events).around(preciseNowS())).toEqual([]);
  expect(told).toEqual([]);
});
