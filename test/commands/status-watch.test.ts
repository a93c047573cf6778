import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { answer, no, STATUS } from "../api/answers.ts";
import type { Status } from "../../src/api/schema.ts";
import { endDaemonsAfterwards, startSplatctl } from "../helpers/daemons.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { startCli } from "../helpers/start-cli.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";
import { onTestFinished } from "vitest";

/** A backend that says of itself what it is told to, and how it is watched. */
async function watched(status: Partial<Status>, ...args: string[]) {
  const now = { ...STATUS, ...status };
  const server = await serveHttp((request, response) => {
    const path = new URL(request.url ?? "", "http://a").pathname;
    return path === "/status" ? answer(response, 200, now) : answer(response, 404, no("not_found"));
  });
  onTestFinished(() => server.close());
  const folder = await tempFolder();
  const env = { SPLAT_RUN_DIR: join(folder, "run"), SPLAT_SPOOL_DIR: join(folder, "spool") };
  return { now, cli: startCli(["status", "--watch", "--url", server.url, ...args], { env }) };
}

test("--json: an object a line whenever something changes, until training is complete", async () => {
  const { now, cli } = await watched({ frame_count: 1 }, "--json", "--until-complete", "--interval", "0.1");
  await cli.saying(/"frame_count":1,/);
  now.memory_bytes++; // never stands still, and is no news
  now.frame_count = 2;
  await cli.saying(/"frame_count":2,/);
  now.state = "complete";
  expect(await cli.ended).toBe(0);
  const lines = cli
    .stdout()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Status);
  expect(lines.map(({ state, frame_count }) => [state, frame_count])).toEqual([
    ["training", 1],
    ["training", 2],
    ["complete", 2],
  ]);
});

test("training that fails ends it with 5; without --json lines are for people", async () => {
  const { now, cli } = await watched({}, "--until-complete", "--interval", "0.1");
  await cli.saying(/^training 99%: 1 234 frames, .* Gaussians, PSNR .* dB/m);
  Object.assign(now, { state: "failed", last_error: "out of \u001b[2Jmemory" });
  expect(await cli.ended).toBe(5);
  expect(cli.stdout()).toContain("out of \\u{1b}[2Jmemory");
});

test("ended before the end that was waited for, it does not say that it came", async () => {
  const { cli } = await watched({}, "--until-complete", "--json");
  await cli.saying(/"training"/);
  cli.signal("SIGTERM");
  expect(await cli.ended).toBe(130);
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s is no failure", async (signal) => {
  const { cli } = await watched({}, "--json");
  await cli.saying(/"training"/);
  cli.signal(signal);
  expect(await cli.ended).toBe(0);
});

test("a reader that goes ends it quietly", async () => {
  const { now, cli } = await watched({}, "--json", "--quiet", "--interval", "0.1");
  await cli.saying(/"training"/);
  cli.stopReading();
  now.frame_count++;
  await cli.ended;
  expect(cli.stderr()).toBe("");
});

test("what a server says moves no cursor", async () => {
  const server = await serveHttp((request, response) =>
    request.url === "/status"
      ? answer(response, 200, {
          ...STATUS,
          warnings: ["\u001b[2Jdark"],
          engine: { ...STATUS.engine, device: "\u001b[31mcpu" },
        })
      : answer(response, 409, {
          ...no("conflict"),
          error: { code: "conflict", message: "\u001b[2Jno", hint: "\u009b1m!" },
        }),
  );
  onTestFinished(() => server.close());
  const { url } = server;
  const cli = startCli(["status", "--url", url]);
  expect(await cli.ended).toBe(0);
  const stop = startCli(["stop", "--url", url]);
  expect(await stop.ended).not.toBe(0);
  const printed = cli.stdout() + cli.stderr() + stop.stdout() + stop.stderr();
  expect(printed).toContain("\\u{1b}[2Jdark");
  expect(printed).toContain("\\u{1b}[2Jno");
  // oxlint-disable-next-line no-control-regex
  expect(printed).not.toMatch(/[\u001b\u009b]/);
});

test("a token that is refused ends it with what to do", async () => {
  const server = await serveHttp((_request, response) => answer(response, 401, no("unauthorized")));
  onTestFinished(() => server.close());
  const cli = startCli(["status", "--watch", "--url", server.url]);
  expect(await cli.ended).toBe(3);
});

test("one look, ps and lines tell of the capture here; it is paused and goes on over its server", async () => {
  const backend = await uploadBackend();
  const [folder, images] = [await tempFolder(), await tempFolder()];
  const env = {
    SPLAT_RUN_DIR: join(folder, "run"),
    SPLAT_LOG_DIR: join(folder, "log"),
    SPLAT_SPOOL_DIR: join(folder, "spool"),
  };
  endDaemonsAfterwards(env.SPLAT_RUN_DIR);
  const run = async (...args: string[]): Promise<string> => {
    const started = startSplatctl([...args, "--quiet"], env);
    expect(await started.ended).toBe(0);
    return started.output;
  };
  await writeFile(join(images, "1.jpg"), await jpeg(1));
  const up = await run("up", images, "--detach", "--json", "--url", backend.url);
  const { url } = JSON.parse(up) as { url: string };
  while (backend.accepted.length < 1) await fetch(`${url}/health`);
  expect(await run("status", "--url", backend.url)).toContain(`here       0 queued (daemon "main")`);

  expect((await fetch(`${url}/pause`, { method: "POST" })).status).toBe(200);
  expect(await run("status", "--url", backend.url)).toContain(`here       paused, 0 queued`);
  expect(await run("ps")).toContain("paused, 1 sent");
  const looked = JSON.parse(await run("status", "--json", "--url", backend.url)) as object;
  expect(looked).toMatchObject({ state: "training", capture: { daemon: "main", paused: true, queued: 0 } });
  expect((await fetch(`${url}/resume`, { method: "POST" })).status).toBe(200);
  expect(await run("ps")).not.toContain("paused");
  await run("down");
  // Of what it kept its spool still tells.
  const after = JSON.parse(await run("status", "--json", "--url", backend.url)) as object;
  expect(after).toMatchObject({ capture: { daemon: null, queued: 0, failed: 0 } });
});
