/** The program against a cloud, as a user runs it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sleep } from "../../src/time.ts";
import { openTestBackend } from "../helpers/backend-fixture.ts";
import { endDaemonsAfterwards, startSplatctl, type Started } from "../helpers/daemons.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { MODAL, scriptedCloud, type ScriptedCloud } from "../helpers/scripted-cloud.ts";

/** A user who has settings of no other, and a folder with two images. */
async function newUser(cloud: ScriptedCloud, more: Readonly<Record<string, string>> = {}) {
  const folder = await tempFolder();
  const images = await tempFolder();
  for (const n of [1, 2]) await writeFile(join(images, `${n}.jpg`), await jpeg(n));
  const runDir = join(folder, "run");
  endDaemonsAfterwards(runDir);
  const env = {
    ...cloud.environment,
    SPLAT_API_URL: cloud.cloudUrl,
    SPLAT_CONFIG_DIR: join(folder, "config"),
    SPLAT_RUN_DIR: runDir,
    SPLAT_LOG_DIR: join(folder, "log"),
    SPLAT_SPOOL_DIR: join(folder, "spool"),
    ...more,
  };
  const start = (...args: string[]): Started => startSplatctl(args, env);
  const run = async (...args: string[]): Promise<{ code: number | string | null; output: string }> => {
    const started = start(...args);
    return { code: await started.ended, output: started.output };
  };
  return { images, start, run };
}

test("status waits for a GPU to start, follows the edge to its result, and says what it waits for", async () => {
  const cloud = await scriptedCloud({ coldStartMs: 5000 });
  cloud.edge.resultAfterMs = 1500;
  const { run } = await newUser(cloud);
  const { code, output } = await run("status");
  expect(output).toContain(`backend ${cloud.cloudUrl} (from SPLAT_API_URL)`);
  expect(output).toMatch(/^starting GPU, \d+ s$/m);
  expect(output).toContain("state      training");
  expect(code).toBe(0);
  expect(cloud.asked.length).toBeGreaterThan(2);
});

test("exit codes: undeployed 4, proxy token wanted 3, no name of a scene 2, no such scene 4", async () => {
  const cloud = await scriptedCloud();
  const { run } = await newUser(cloud);
  cloud.edge.isStopped = true;
  const stopped = await run("status");
  expect(stopped.code).toBe(4);
  expect(stopped.output).toMatch(/was undeployed\n.*`splatctl deploy` starts it/);
  cloud.edge.isStopped = false;
  cloud.edge.proxyAuth = { key: "wk-1", secret: "ws-1" };
  const unknown = await run("status");
  expect(unknown.code).toBe(3);
  expect(unknown.output).toContain("SPLAT_PROXY_KEY");
  const known = await newUser(cloud, { SPLAT_PROXY_KEY: "wk-1", SPLAT_PROXY_SECRET: "ws-1" });
  expect(await known.run("status")).toMatchObject({ code: 0 });
  expect((await known.run("status", "--scene", "My Table")).code).toBe(2);
  const missing = await known.run("status", "--scene", "shelf");
  expect(missing.code).toBe(4);
  expect(missing.output).toContain('has no scene "shelf"');
});

test("the embedded backend's word on scenes it does not hold is passed on", async () => {
  const backend = await openTestBackend();
  const server = await serveHttp((request, response) => {
    const pass = async (): Promise<void> => {
      const answer = await backend.send(request.url ?? "/");
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    };
    void pass();
  });
  const { run } = await newUser(await scriptedCloud(), { SPLAT_API_URL: server.url });
  const { code, output } = await run("status", "--scene", "table");
  await server.close();
  expect(code).toBe(4);
  expect(output).toContain('has no scene "table": this backend holds one scene: main');
  expect(output).toContain("Leave out --scene");
});

test("one folder goes into two scenes at once, each with a spool of its own", async () => {
  const cloud = await scriptedCloud({ scenes: ["main", "a", "b"] });
  const { images, run } = await newUser(cloud);
  const capture = (...args: string[]) => run("capture", images, "--once", "--json", "--quiet", ...args);
  const ran = await Promise.all([capture("--scene", "a"), capture("--scene", "b"), capture()]);
  expect(ran.map(({ code }) => code)).toEqual([0, 0, 0]);
  for (const name of ["a", "b", "main"]) expect(cloud.scene(name).frames).toHaveLength(2);
  const results = ran.map(({ output }) => JSON.parse(output.trim().split("\n").at(-1) ?? "") as Summary);
  expect(new Set(results.map(({ spool }) => spool)).size).toBe(3);
  expect(results.map(({ scene }) => scene)).toEqual(["a", "b", "main"]);
  const queue = await run("queue", "ls");
  expect(queue.output).toContain(`→ ${cloud.cloudUrl} scene a\n`);
  expect(queue.output).toContain(`→ ${cloud.cloudUrl}\n`);
});

interface Summary {
  readonly spool: string;
  readonly scene: string;
}

test("a daemon is called as its scene, says so, and is found by it", async () => {
  const cloud = await scriptedCloud({ scenes: ["main", "table"], coldStartMs: 4000 });
  const { images, run } = await newUser(cloud, { SPLAT_SCENE: "table" });
  const up = await run("up", images, "--detach");
  expect(up).toMatchObject({ code: 0 });
  expect(up.output).toContain('daemon "table" runs');
  while (cloud.scene("table").frames.length < 2) await sleep(20);
  const listed = await run("ps");
  expect(listed.output).toMatch(
    new RegExp(`^table .* running +capture ${images} +${cloud.cloudUrl} scene table +2 sent`, "m"),
  );
  expect((await run("logs", "table")).output).toContain("starting GPU");
  expect(await run("down")).toMatchObject({
    code: 0,
    output: expect.stringContaining('daemon "table" has ended') as string,
  });
});

test("capture takes frames while the GPU starts, and says so on its line", async () => {
  const cloud = await scriptedCloud({ coldStartMs: 7000 });
  const { images, start } = await newUser(cloud);
  const capture = start("capture", images);
  await capture.until(/^0 sent, 2 not sent; starting GPU, \d+ s$/m);
  await capture.until(/^2 sent$/m);
  capture.child.kill("SIGINT");
  expect(await capture.ended).toBe(0);
  expect(capture.output).not.toContain("warning: the backend");
});

test("a pre-empted container gets its frames again, and the user is told", async () => {
  const cloud = await scriptedCloud();
  const { images, start } = await newUser(cloud);
  const capture = start("capture", images);
  while (cloud.scene().frames.length < 2) await sleep(20);
  cloud.preempt({ keep: 1 });
  cloud.edge.next.push({ path: "/upload-frame", reply: MODAL.broken });
  await writeFile(join(images, "3.jpg"), await jpeg(3));
  await capture.until("the backend was started again; 1 frames that it does not have are sent again");
  while (cloud.scene().frames.length < 3) await sleep(20);
  capture.child.kill("SIGINT");
  expect(await capture.ended).toBe(0);
  expect(new Set(cloud.scene().frames).size).toBe(3);
});
