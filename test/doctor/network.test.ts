import { onTestFinished, expect, it } from "vitest";
import { backendChecks } from "../../src/doctor/backend.ts";
import { measureSkew } from "../../src/doctor/clock-skew.ts";
import { openBackend } from "../../src/backend/open-backend.ts";
import type { Config } from "../../src/config.ts";
import { silentLog } from "../../src/log.ts";
import type { Deployment } from "../../src/user-config.ts";
import { STATUS } from "../api/answers.ts";
import { temporaryFolder } from "../helpers/backend-fixture.ts";
import { nobody, serveHttp } from "../helpers/loopback.ts";
import { scriptedTrainer } from "../helpers/scripted-training.ts";
import { doctorDesk, findingsOf, linesOf } from "./doctor-desk.ts";

const DEPLOYMENT: Deployment = {
  app: "live-splat",
  environment: null,
  url: "",
  gpu: ["L4"],
  strategy: "rolling",
  idleStopMin: 10,
  scenes: ["main"],
  corsOrigins: [],
  proxyAuth: false,
  maxGaussians: null,
  withBucket: true,
  deployedAt: "2026-07-01T12:00:00.000Z",
};

/** The embedded backend, without the work of training. */
async function backend(token?: string): Promise<string> {
  const opened = await openBackend({
    dataDir: await temporaryFolder(),
    port: 0,
    threads: 1,
    log: silentLog,
    startTraining: scriptedTrainer().start,
    token,
  });
  onTestFinished(() => opened.close());
  return opened.url;
}

it("finds a backend in order, and its clock the same", async () => {
  const url = await backend();
  const found = await findingsOf(backendChecks, (await doctorDesk({ flags: { url } })).context);
  expect(found.map(({ id, state }) => [id, state])).toEqual([
    ["backend", "ok"],
    ["backend-clock", "ok"],
  ]);
  expect(found[0].message).toMatch(
    /^http:.* \(from --url\) answers, [\d.]+ ms: idle, 0 frames, 0 Gaussians$/,
  );
  expect(found[0].facts).toMatchObject({ url, url_from: "flag", cloud: false, state: "idle", token: "none" });
  expect(found[1].message).toMatch(/^this machine's clock agrees with the backend's within \d+ ms$/);
});

it("tells how far the clocks are apart", async () => {
  const url = await backend();
  const desk = await doctorDesk({ flags: { url }, system: { nowS: () => Date.now() / 1000 + 2.5 } });
  const [, clock] = await findingsOf(backendChecks, desk.context);
  expect(clock).toMatchObject({ id: "backend-clock", state: "warning" });
  expect(clock.message).toMatch(
    /^this machine's clock is 2\.\d\d s ahead of the backend's: joints and pictures/,
  );
  expect(clock.fix).toContain("timedatectl set-ntp true");
  expect(clock.facts?.["ahead_s"]).toBeCloseTo(2.5, 0);
});

it("takes no time that stands still for a clock", async () => {
  const ask = () => Promise.resolve({ ...STATUS, updated_at: 1000 });
  expect((await measureSkew(ask, () => Date.now() / 1000)).skew).toBeNull();
});

it("says whether the token is accepted", async () => {
  const url = await backend("right");
  const lines = async (token?: string): Promise<string> =>
    (
      await linesOf(
        backendChecks,
        await doctorDesk({ flags: { url }, env: token === undefined ? {} : { SPLAT_API_TOKEN: token } }),
      )
    ).join("\n");
  expect(await lines("right")).toContain("  ✓ it accepts the token");
  expect(await lines("wrong-swordfish")).toMatch(/✓ .* answers: \w+\n {2}✗ [^\n]+\n {4}→ .*SPLAT_API_TOKEN/);
  expect(await lines("wrong-swordfish")).not.toContain("swordfish");
  expect(await lines()).toMatch(/✗ [^\n]+\n {4}→ .*SPLAT_API_TOKEN/);
});

it("takes none that runs here for no failure, and none elsewhere for one", async () => {
  const here = await linesOf(backendChecks, await doctorDesk({ flags: { url: await nobody() } }));
  expect(here).toEqual([expect.stringMatching(/– none runs at http:/), "    → `splatctl serve` starts one"]);
  const there = await linesOf(
    backendChecks,
    await doctorDesk({ flags: { url: "http://backend.invalid:1" } }),
  );
  expect(there[0]).toMatch(/✗ .*backend\.invalid/);
});

it("tells of one that is something else, and of one that hangs no longer than it may", async () => {
  const other = await serveHttp((_request, response) => response.end("<html>"));
  onTestFinished(() => other.close());
  expect((await linesOf(backendChecks, await doctorDesk({ flags: { url: other.url } })))[0]).toMatch(
    /✗ .*not JSON/,
  );
  const silent = await serveHttp(() => undefined);
  onTestFinished(() => silent.close());
  const desk = await doctorDesk({ flags: { url: silent.url } });
  const [hung] = await findingsOf(
    backendChecks.map((check) => ({ ...check, limitMs: 50 })),
    desk.context,
  );
  expect(hung).toMatchObject({ state: "failed", facts: { timed_out: true } });
});

it("hands on what the backend warns of", async () => {
  const status = {
    ...STATUS,
    warnings: ["the disk is nearly full"],
    last_error: "the bucket refuses\u001b[2J",
  };
  const server = await serveHttp((request, response) => {
    const health = { session_id: "s", boot_id: "b", status: "ok", trainer_ready: false };
    const body = request.url === "/health" ? health : { ...status, updated_at: Date.now() / 1000 };
    response.setHeader("content-type", "application/json").end(JSON.stringify(body));
  });
  onTestFinished(() => server.close());
  const text = (await linesOf(backendChecks, await doctorDesk({ flags: { url: server.url } }))).join("\n");
  expect(text).toContain("  ! its trainer is not ready yet");
  expect(text).toContain("  ! it warns: the disk is nearly full");
  expect(text).toContain("  ! its last error: the bucket refuses\\u{1b}[2J");
});

it("asks a cloud with --wake alone", async () => {
  const url = await backend();
  const desk = await doctorDesk({ flags: { url } });
  const deployment = { ...DEPLOYMENT, url };
  const config = { ...(desk.context.config as Config), user: { deployment } };
  const lines = (wake: boolean): Promise<string[]> =>
    linesOf(backendChecks, {
      ...desk,
      context: { ...desk.context, config, asked: { ...desk.context.asked, wake } },
    });
  expect((await lines(false))[0]).toMatch(/– http:.* is not asked: that starts it/);
  expect((await lines(true))[0]).toMatch(/✓ http:.* answers/);
});

it("wakes no cloud, and asks nothing over the network with --offline", async () => {
  const cloud = { flags: { url: "https://somebody--live.modal.run" } };
  expect(await linesOf(backendChecks, await doctorDesk(cloud))).toEqual([
    "  – https://somebody--live.modal.run (from --url) is not asked: that starts it, and it costs while it runs",
    "    → `splatctl doctor backend --wake` asks it all the same",
  ]);
  const offline = { flags: { url: "http://backend.invalid:1" }, asked: { offline: true } };
  expect(await linesOf(backendChecks, await doctorDesk(offline))).toEqual([
    "  – http://backend.invalid:1 (from --url) is not asked with --offline",
  ]);
  expect((await linesOf(backendChecks, await doctorDesk({ isBroken: true })))[0]).toMatch(
    /– the settings cannot be read/,
  );
});
