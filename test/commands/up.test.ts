import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { planUp, type UpFlags } from "../../src/commands/up-plan.ts";
import { resolveConfig, type Config } from "../../src/config.ts";
import { sleep } from "../../src/time.ts";
import { endDaemonsAfterwards, startSplatctl } from "../helpers/daemons.ts";
import { nobody, serveHttp } from "../helpers/loopback.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";

/** Folders of a user of their own, and how that user runs the program. */
async function newUser(more: Readonly<Record<string, string>> = {}): Promise<{
  folder: string;
  start: (...args: string[]) => ReturnType<typeof startSplatctl>;
  run: (...args: string[]) => Promise<{ code: number | string | null; output: string }>;
}> {
  const folder = await tempFolder();
  const runDir = join(folder, "run");
  endDaemonsAfterwards(runDir);
  const env = {
    ...more,
    SPLAT_RUN_DIR: runDir,
    SPLAT_LOG_DIR: join(folder, "log"),
    SPLAT_SPOOL_DIR: join(folder, "spool"),
  };
  const start = (...args: string[]): ReturnType<typeof startSplatctl> => startSplatctl(args, env);
  const run = async (...args: string[]): Promise<{ code: number | string | null; output: string }> => {
    const started = start(...args);
    return { code: await started.ended, output: started.output };
  };
  return { folder, start, run };
}

test("up --detach captures on; ps, logs and down find it", async () => {
  const backend = await uploadBackend();
  const images = await tempFolder();
  await writeFile(join(images, "1.jpg"), await jpeg(1));
  const { start, run } = await newUser();
  const up = await run("up", images, "--detach", "--json", "--quiet", "--url", backend.url);
  expect(up).toMatchObject({ code: 0 });
  const { pid, log, ready } = JSON.parse(up.output) as { pid: number; log: string; ready: boolean };
  expect(ready).toBe(true);

  const following = start("logs", "-f", "--quiet");
  await following.until(`process ${pid}`);
  await writeFile(join(images, "2.jpg"), await jpeg(2));
  while (backend.accepted.length < 2) await sleep(20);

  const listed = await run("ps");
  expect(listed.output).toMatch(/^NAME +PID +UP +STATE +WHAT +BACKEND/);
  expect(listed.output).toMatch(
    new RegExp(`^main +${pid} +\\d.* +running +capture ${images} +${backend.url} +\\d sent`, "m"),
  );
  const { daemons } = JSON.parse((await run("ps", "--json")).output) as { daemons: unknown[] };
  expect(daemons).toMatchObject([{ name: "main", pid, state: "running", backend: backend.url, log }]);

  const second = await run("up", images, "--detach", "--url", backend.url);
  expect(second.code).toBe(2);
  expect(second.output).toContain(`a daemon "main" runs already: process ${pid}`);

  const down = await run("down");
  expect(down).toMatchObject({
    code: 0,
    output: expect.stringContaining(`daemon "main" has ended`) as string,
  });
  await following.until("2 sent");
  following.child.kill("SIGINT");
  expect(await following.ended).toBe(0);
  expect(following.output).toMatch(/^\d{4}-\d\d-\d\dT.* daemon "main"/m);
  expect(await readFile(log, "utf8")).toContain("stopping");
  expect((await run("logs", "-n", "1")).output).toContain("2 sent");
  expect((await run("ps")).output).toBe("no daemon runs\n");
});

test("a daemon waits for a backend that is not there yet, and ends when asked", async () => {
  const { run } = await newUser();
  const url = await nobody();
  expect((await run("up", await tempFolder(), "--detach", "--name", "early", "--url", url)).code).toBe(0);
  expect((await run("down")).output).toBe(`no daemon "main" runs; there runs: early\n`);
  const down = await run("down", "early", "--json", "--quiet");
  expect(JSON.parse(down.output)).toMatchObject({ success: true, name: "early", outcome: "ended" });
});

test("a token goes to the daemon in its environment, and nowhere else", async () => {
  const heard = new Set<string | undefined>();
  const backend = await serveHttp((request, response) => {
    heard.add(request.headers.authorization);
    response.writeHead(503).end();
  });
  onTestFinished(() => backend.close());
  const { folder, run } = await newUser({ SPLAT_API_TOKEN: "hunter2" });
  const up = await run("up", folder, "--detach", "--json", "--quiet", "--url", backend.url);
  const { pid, log } = JSON.parse(up.output) as { pid: number; log: string };
  while (heard.size === 0) await sleep(10);
  expect([...heard]).toEqual(["Bearer hunter2"]);
  const written = [log, join(folder, "run", "main.json"), `/proc/${pid}/cmdline`];
  for (const path of written) expect(await readFile(path, "utf8").catch(() => "")).not.toContain("hunter2");
  expect((await run("down")).code).toBe(0);
});

test("what cannot start says why, to whoever started it", async () => {
  const { folder, run } = await newUser();
  const missing = join(folder, "none");
  const up = await run("up", missing, "--detach");
  expect(up.code).toBe(2);
  expect(up.output).toContain(`error: the daemon "main" ended at once`);
  expect(up.output).toContain(missing);
  expect((await run("up", "--name", "Main!")).code).toBe(2);
});

test("without daemons: ps and down are content, logs is not", async () => {
  const { run } = await newUser();
  expect(await run("ps")).toEqual({ code: 0, output: "no daemon runs\n" });
  expect(await run("down")).toEqual({ code: 0, output: `no daemon "main" runs\n` });
  expect(await run("logs")).toMatchObject({ code: 2 });
});

test("a daemon on another host is shown, and left to that host", async () => {
  const { folder, run } = await newUser();
  await mkdir(join(folder, "run"));
  const about = { url: await nobody(), started_at: 1, backend: "http://127.0.0.1:1", what: "relay serial" };
  const elsewhere = { ...about, name: "arm", pid: 1234, host: "lab-pc", log: null };
  await writeFile(join(folder, "run", "arm.json"), JSON.stringify(elsewhere));
  expect((await run("ps")).output).toMatch(/^arm +1234 .* on lab-pc +relay serial/m);
  for (const command of ["down", "logs"]) {
    const refused = await run(command, "arm");
    expect(refused.code).toBe(2);
    expect(refused.output).toContain(`the daemon "arm" runs on lab-pc, not here`);
    expect(refused.output).toContain("arm.json");
  }
  expect((await run("down")).output).toBe(`no daemon "main" runs; there runs: arm on lab-pc\n`);
});

test("a daemon in a terminal has no log, and says whose terminal it is", async () => {
  const { start, run } = await newUser();
  const up = start("up", await tempFolder(), "--url", await nobody());
  await up.until("splatctl down");
  const logs = await run("logs");
  expect(logs.code).toBe(2);
  expect(logs.output).toContain(`Process ${up.child.pid} prints`);
});

const flags = (some: Partial<UpFlags>): UpFlags => ({ name: "main", ...some });

async function config(project: Config["project"]): Promise<Config> {
  return {
    ...(await resolveConfig({}, { SPLAT_CONFIG_DIR: await tempFolder() }, await tempFolder())),
    project,
  };
}

test("a plan takes flags over the project file, and one source's settings for no other's", async () => {
  const project = await config({
    capture: { folder: "photos", fps: 5, include: ["*.png"] },
    relay: { source: "serial", path: "/dev/arm", hz: 100, robot_id: "a" },
  });
  expect(planUp(undefined, flags({}), project)).toMatchObject({
    capture: { folder: "photos", fps: 5, include: ["*.png"], spoolDir: project.spoolDir },
    relay: { source: "serial", path: "/dev/arm", hz: 100, robotId: "a" },
  });
  const plan = planUp("others", flags({ fps: 9, relay: "http", relayUrl: "http://a" }), project);
  expect(plan).toMatchObject({ capture: { folder: "others", fps: 9, include: ["*.png"] } });
  expect(plan.relay).toEqual({ source: "http", url: "http://a" });
  expect(planUp(undefined, flags({ relay: false }), project).relay).toBeNull();
  expect(planUp(undefined, flags({ relay: "lerobot" }), await config({})).capture).toBeNull();
  const nothing = await config({});
  expect(() => planUp(undefined, flags({}), nothing)).toThrow("there is nothing to do");
});
