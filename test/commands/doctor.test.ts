import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, afterEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { GROUPS } from "../../src/doctor/check.ts";
import { discreet, discreetText } from "../../src/doctor/discretion.ts";
import { openBackend } from "../../src/backend/open-backend.ts";
import { silentLog } from "../../src/log.ts";
import { createServoBus } from "../../src/sim/servo-bus.ts";
import { serveServoBus } from "../../src/sim/servo-port.ts";
import { temporaryFolder } from "../helpers/backend-fixture.ts";
import { STILL } from "../helpers/arm-run.ts";
import { ptyPairFor } from "../helpers/pty.ts";
import { scriptedTrainer } from "../helpers/scripted-training.ts";
import { strayVariables } from "../../src/doctor/variables.ts";
import { nobody } from "../helpers/loopback.ts";
import { modalDesk } from "../helpers/modal-desk.ts";
import { runCli } from "../helpers/run-cli.ts";
import { runHere } from "../helpers/run-here.ts";
import { startScriptedS3, type ScriptedS3 } from "../helpers/scripted-s3.ts";
import { bucketEnvironment, startCli } from "../helpers/start-cli.ts";
import { frame, open } from "../helpers/spools.ts";
import { splatctlInTerminal } from "../helpers/terminal.ts";

let s3: ScriptedS3 | null = null;
afterEach(async () => {
  await s3?.close();
  s3 = null;
});

let home = "";
let closed = "";
beforeEach(async () => {
  closed = await nobody();
  home = await mkdtemp(join(tmpdir(), "splatctl-doctor-home-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

function bare(): Record<string, string> {
  return {
    HOME: home,
    PATH: join(home, "bin"),
    LANG: "C.UTF-8",
    LC_ALL: "",
    XDG_CONFIG_HOME: "",
    XDG_STATE_HOME: "",
    SPLAT_API_URL: closed,
  };
}

const reportSchema = z.strictObject({
  success: z.boolean(),
  checks: z.array(
    z.looseObject({
      id: z.string().regex(/^\S+$/),
      group: z.enum(Object.keys(GROUPS) as [string]),
      state: z.enum(["ok", "warning", "failed", "absent", "skipped"]),
      message: z.string().min(1),
      fix: z.string().optional(),
    }),
  ),
});

const DEPLOYMENT = {
  app: "live-splat",
  environment: null,
  url: "https://somebody--live-splat.modal.run",
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

/** A shell's own words alone: there are no others on that PATH. */
const FFMPEG = `#!/bin/sh
case "$2" in
-version) echo "ffmpeg version 7.1 Copyright" ;;
-devices) echo " D  v4l2  Video4Linux2" ;;
*) echo " V....D mjpeg  Motion JPEG" ;;
esac
`;

async function doctor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await runHere(["doctor", ...args], { ...bare(), ...env });
  return { code, stdout, stderr };
}

it("finds nothing wrong with a machine where nothing is set up", async () => {
  const { code, stdout, stderr } = await runCli(["doctor"], { cwd: home, env: bare() });
  const text = stdout.toString();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const titles = text.split("\n").filter((line) => /^\w/.test(line));
  expect(titles.slice(0, -1)).toEqual(Object.values(GROUPS));
  expect(titles.at(-1)).toMatch(/^(?:all is well|nothing failed): .*\d+ not set up$/);
  for (const line of [
    "– ffmpeg is not installed: cameras are read with it",
    "– no splatctl.json in this folder",
    `– none runs at ${closed} (from SPLAT_API_URL)`,
    "– Modal's program is not installed",
    "– no bucket is set up: chunks stay on the disk",
    "– no daemon runs",
    "✓ no frame waits to be delivered",
  ]) {
    expect(text).toContain(`  ${line}\n`);
  }
  expect(text).not.toContain(home);
});

it("finds everything in order where everything is set up", async (context) => {
  const pair = await ptyPairFor(context);
  const bus = createServoBus({ ticksAt: () => STILL });
  const served = await serveServoBus(bus, pair.a);
  context.onTestFinished(() => served.close());
  s3 = await startScriptedS3();
  const backend = await openBackend({
    dataDir: await temporaryFolder(),
    port: 0,
    threads: 1,
    token: "swordfish-token",
    log: silentLog,
    startTraining: scriptedTrainer().start,
  });
  context.onTestFinished(() => backend.close());
  const desk = await modalDesk();
  await writeFile(join(desk.folder, "bin", "ffmpeg"), FFMPEG, { mode: 0o755 });
  await mkdir(desk.configDir, { recursive: true });
  await writeFile(desk.secretsFile, JSON.stringify({ backends: {}, buckets: {} }), { mode: 0o600 });
  await writeFile(desk.userFile, JSON.stringify({ deployment: DEPLOYMENT }));
  const project = {
    url: backend.url,
    relay: { source: "serial", path: pair.b },
    capture: { folder: "frames" },
  };
  await writeFile(join(desk.folder, "splatctl.json"), JSON.stringify(project));
  const env = {
    HOME: home,
    LANG: "C.UTF-8",
    LC_ALL: "",
    NO_COLOR: "1",
    FORCE_COLOR: "",
    COLUMNS: "",
    SPLAT_API_TOKEN: "swordfish-token",
    ...bucketEnvironment(s3.settings()),
  };
  const { code, stdout, stderr } = await desk.run(["doctor"], env);
  if (process.env["SPLATCTL_SHOW_DOCTOR"] === "1") process.stdout.write(stdout);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const line of [
    "✓ ffmpeg 7.1, with v4l2 and mjpeg",
    `✓ ${pair.b}`,
    `✓ arm on ${pair.b}: 6 of 6 servos answer (STS3215, firmware 3.10)`,
    "✓ splatctl.json can be read, and sets url, capture, relay",
    `✓ ${desk.userFile} can be read, and keeps deployment`,
    "✓ tokens and keys are kept, and closed to others",
    "✓ set in the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, R2_BUCKET_NAME",
    `✓ ${backend.url} (from splatctl.json) answers, `,
    "✓ it accepts the token",
    "✓ this machine's clock agrees with the backend's within",
    "✓ Modal's program 1.6.4",
    "✓ logged in to Modal, workspace WORKSPACE",
    "✓ deployed: live-splat on L4, 2026-07-01, with the bucket",
    '✓ bucket "splats" at 127.0.0.1:',
    "✓ no frame waits to be delivered",
  ]) {
    expect(stdout).toContain(`  ${line}`);
  }
  expect(stdout).not.toContain("✗");
  expect(stdout).not.toContain("swordfish");
  expect(stdout).not.toContain(home);
  expect(bus.refusedWrites).toBe(0);
  expect([...s3.objects]).toEqual([]);
});

it("gives scripts one object, and 5 when something failed that was set up", async () => {
  const { code, stdout, stderr } = await doctor(["--json", "--offline"], {
    AWS_ACCESS_KEY_ID: "half-a-pair",
  });
  expect({ code, stderr }).toEqual({ code: 5, stderr: "" });
  const { success, checks } = reportSchema.parse(JSON.parse(stdout));
  expect(success).toBe(false);
  expect(checks.filter(({ state }) => state === "failed")).toEqual([
    {
      id: "aws-keys",
      group: "settings",
      state: "failed",
      message: "half of the bucket's keys is missing: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not",
      fix: "Set AWS_SECRET_ACCESS_KEY too, or `unset AWS_ACCESS_KEY_ID`",
    },
  ]);
  expect(stdout).not.toContain("half-a-pair");
});

it("looks at the groups that are named, and knows no others", async () => {
  const { stdout } = await doctor(["daemon", "ffmpeg"]);
  expect(
    stdout
      .split("\n")
      .filter((line) => /^\w/.test(line))
      .slice(0, -1),
  ).toEqual(["ffmpeg", "Daemons and spools"]);
  const { code, stderr } = await doctor(["kitchen"]);
  expect(code).toBe(2);
  expect(stderr).toContain("Allowed choices are machine, ffmpeg, camera, arm");
});

it("reads the files of settings one by one, and tells what is wrong with each", async () => {
  const config = join(home, "config");
  await mkdir(config);
  await writeFile(join(config, "config.json"), "{");
  await writeFile(join(config, "secrets.json"), `{"backends": {"x": {"token": "swordfish-1"}}`, {
    mode: 0o600,
  });
  const { code, stdout } = await doctor(["settings", "backend"], { SPLAT_CONFIG_DIR: config, HOME: home });
  expect(code).toBe(5);
  expect(stdout).toMatch(/✗ your settings in .*config\.json .*\n {4}→ Mend the file, or remove it\n/);
  expect(stdout).toMatch(/✗ the file of tokens and keys .*secrets\.json is not as it should be\n/);
  expect(stdout).toContain("– the settings cannot be read, which say where it is");
  expect(stdout).not.toContain("swordfish");
});

it("closes secrets that others can read when it is told to", async (context) => {
  context.skip(process.platform === "win32", "Windows has no permission bits");
  const config = join(home, "config");
  await mkdir(config);
  const file = join(config, "secrets.json");
  await writeFile(file, "{}");
  await chmod(file, 0o644);
  const env = { SPLAT_CONFIG_DIR: config };
  const told = await doctor(["settings"], env);
  expect(told.code).toBe(5);
  expect(told.stdout).toMatch(
    /✗ others on this machine can read .*secrets\.json \(mode 0644\)\n.*`chmod 600 .*secrets\.json`/,
  );
  expect((await stat(file)).mode & 0o777).toBe(0o644);
  const fixed = await doctor(["settings", "--fix"], env);
  expect(fixed).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/! .* it is closed now \(mode 0600\)/) as string,
  });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await doctor(["settings"], env)).stdout).toContain(
    "✓ tokens and keys are kept, and closed to others",
  );
});

it.each([
  [{ SPLAT_PROXY_KEY: "wk-swordfish" }, /✗ half of the proxy token is missing: no SPLAT_PROXY_SECRET/],
  [
    { AWS_SECRET_ACCESS_KEY: "swordfish" },
    /✗ half of the bucket's keys is missing: AWS_SECRET_ACCESS_KEY is set/,
  ],
  [
    { SPLAT_API_TOKN: "swordfish" },
    /! nothing reads the variable SPLAT_API_TOKN\n {4}→ Did you mean SPLAT_API_TOKEN\?/,
  ],
  [
    { R2_BUCKET_NAMES: "swordfish" },
    /! nothing reads the variable R2_BUCKET_NAMES\n {4}→ Did you mean R2_BUCKET_NAME\?/,
  ],
  [
    { SPLAT_WHATEVER: "swordfish" },
    /! nothing reads the variable SPLAT_WHATEVER\n {4}→ `unset SPLAT_WHATEVER`/,
  ],
  [{ SPLAT_API_URL: "backend:swordfish" }, /✗ ".*" is not a backend URL/],
  [{ SPLAT_API_TOKEN: "swordfish" }, /✓ set in the environment: SPLAT_API_TOKEN, SPLAT_API_URL/],
])("tells of the variables %o", async (env, text) => {
  const { stdout } = await doctor(["settings"], env);
  expect(stdout).toMatch(text);
  if (!("SPLAT_API_URL" in env)) expect(stdout).not.toContain("swordfish");
});

it("lets the variables of others be", () => {
  expect(strayVariables(["SPLAT_API_URL", "R2_PUBLIC_URL", "R2D2_HOME", "R2_D2", "AWS_PROFILE"])).toEqual([]);
});

it("looks into the bucket without storing anything", async () => {
  s3 = await startScriptedS3({ scope: "read" });
  const env = bucketEnvironment(s3.settings());
  const well = await doctor(["bucket"], env);
  expect(well).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/✓ bucket "splats" at 127\.0\.0\.1:\d+ can be read/) as string,
  });
  expect(s3.requests.map(({ method }) => method)).not.toContain("PUT");
  expect(JSON.stringify(well)).not.toContain("swordfish");
  const offline = await doctor(["bucket", "--offline"], env);
  expect(offline.stdout).toMatch(/– bucket "splats" at .* is set up, and not asked with --offline/);
  const wrong = await doctor(["bucket"], { ...env, AWS_ACCESS_KEY_ID: "another" });
  expect(wrong).toMatchObject({
    code: 5,
    stdout: expect.stringMatching(/✗ bucket "splats" at .*: keys: /) as string,
  });
  const none = await doctor(["bucket"], { ...env, R2_BUCKET_NAME: "other-one" });
  expect(none.stdout).toMatch(/✗ bucket "other-one" at .*: .*NoSuchBucket/);
  const half = await doctor(["bucket"], { R2_BUCKET_NAME: "splats" });
  expect(half).toMatchObject({
    code: 5,
    stdout: expect.stringMatching(
      /✗ the settings of the bucket are incomplete: no R2_ENDPOINT_URL/,
    ) as string,
  });
});

it("tells of a clock that the bucket's server refuses", async () => {
  s3 = await startScriptedS3();
  const late = new Date(Date.now() - 20 * 60_000).toUTCString();
  s3.instead = () => ({ status: 403, code: "RequestTimeTooSkewed", headers: { date: late } });
  const { code, stdout } = await doctor(["bucket"], bucketEnvironment(s3.settings()));
  expect(code).toBe(5);
  expect(stdout).toMatch(/clock: this machine's is 1\d\d\d s ahead of the server's\n {4}→ Set it/);
});

it("asks Modal's program who is logged in, and nothing with --offline", async () => {
  const desk = await modalDesk();
  const plain = { LANG: "C.UTF-8", LC_ALL: "", NO_COLOR: "1", FORCE_COLOR: "" };
  const well = await desk.run(["doctor", "modal"], plain);
  expect(well.code).toBe(0);
  expect(well.stdout).toMatch(
    /✓ Modal's program 1\.6\.4\n {2}✓ logged in to Modal, workspace \S+\n {2}– nothing is deployed from here/,
  );
  const before = (await desk.calls()).length;
  expect((await desk.run(["doctor", "modal", "--offline"], plain)).stdout).toContain(
    "not asked with --offline",
  );
  expect((await desk.calls()).slice(before).map(({ args }) => args)).toEqual([["--version"]]);
  await desk.script({ "token info": { stderr: "Token missing. Could not authenticate client.\n", code: 1 } });
  const loggedOut = await desk.run(["doctor", "modal"], plain);
  expect(loggedOut).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      /– nobody is logged in to Modal on this machine\n.*`modal setup`/,
    ) as string,
  });
  await desk.script({ "token info": { stderr: "Token validation failed\n", code: 1 } });
  expect(await desk.run(["doctor", "modal"], plain)).toMatchObject({ code: 5 });
  await desk.script({ version: "modal client version: 1.3.9\n" });
  expect((await desk.run(["doctor", "modal"], plain)).stdout).toMatch(
    /Modal's program is too old: 1\.3\.9\n.*uv tool upgrade modal/,
  );
});

it("tells of frames that wait, and of daemons that died", async () => {
  const [spoolDir, runDir] = [join(home, "spools"), join(home, "run")];
  const { spool } = await open(join(spoolDir, "frames-1"));
  await spool.put(frame("a"), null, new AbortController().signal);
  await spool.close();
  await mkdir(runDir);
  const claim = {
    name: "main",
    pid: 2 ** 22 + 1,
    url: "http://127.0.0.1:9",
    started_at: 1,
    backend: "http://127.0.0.1:9",
    what: "captures",
    log: null,
  };
  await writeFile(join(runDir, "main.json"), JSON.stringify(claim));
  const { code, stdout } = await doctor(["daemon"], { SPLAT_SPOOL_DIR: spoolDir, SPLAT_RUN_DIR: runDir });
  expect(code).toBe(0);
  expect(stdout).toMatch(/! the daemon "main" died without a word: process 4194305 is gone\n.*`splatctl ps`/);
  expect(stdout).toMatch(/! frames of \/frames: 1 waiting, 0\.0 MB\n.*`splatctl capture \/frames`/);
  // Whoever looks leaves everything as it is.
  expect(JSON.parse(await readFile(join(runDir, "main.json"), "utf8"))).toEqual(claim);
});

it("says nothing of who somebody is", () => {
  const told = { homes: ["/home/anna"], user: "anna", host: "annas-laptop" };
  const hide = (text: string): string => discreetText(text, told);
  expect(hide("/home/anna/.config/splatctl, /home/annabel, /media/anna/disk")).toBe(
    "~/.config/splatctl, /home/annabel, /media/USER/disk",
  );
  expect(hide("runs on annas-laptop, not annas-laptop-2")).toBe("runs on HOST, not annas-laptop-2");
  expect(hide(`https://${"0123456789abcdef".repeat(2)}.r2.cloudflarestorage.com`)).toBe(
    "https://ACCOUNT.r2.cloudflarestorage.com",
  );
});

it("leaves what scripts go by as it is, whatever the machine is called", () => {
  const found = {
    id: "arm:/home/anna/port",
    group: "arm",
    state: "ok",
    message: "logged in, workspace annas-lab, https://annas-lab--splatctl-backend.modal.run",
    facts: {
      url: "https://annas-lab--splatctl-backend.modal.run/health",
      machine: true,
      workspace: "annas-lab",
    },
  } as const;
  for (const host of ["arm", "machine", "ok", "annas-box"]) {
    expect(discreet(found, { homes: ["/home/anna"], user: "anna", host })).toEqual({
      id: "arm:~/port",
      group: "arm",
      state: "ok",
      message: "logged in, workspace WORKSPACE, https://WORKSPACE--splatctl-backend.modal.run",
      fix: undefined,
      facts: {
        url: "https://WORKSPACE--splatctl-backend.modal.run/health",
        machine: true,
        workspace: "WORKSPACE",
      },
    });
  }
});

it("ends at once with Ctrl-C, and with 130", async () => {
  const desk = await modalDesk();
  await desk.script({ "token info": { untilInterrupted: true } });
  const running = startCli(["doctor", "modal"], { cwd: desk.folder, env: { ...desk.env, HOME: homedir() } });
  await vi.waitFor(
    async () => expect((await desk.calls()).map(({ args }) => args?.[0])).toContain("token"),
    10_000,
  );
  running.signal("SIGINT");
  expect(await running.ended).toBe(130);
});

it("shows on a terminal what it looks at, and folds no command", async (context) => {
  const terminal = await splatctlInTerminal(context, ["doctor", "ffmpeg", "camera", "settings"], {
    columns: 44,
    rows: 60,
    cwd: home,
    env: { ...bare(), PATH: `${join(home, "bin")}:/usr/bin:/bin` },
  });
  expect(await terminal.ended).toBe(0);
  expect(terminal.screen()).toContain(
    "Settings\n  – no splatctl.json in this folder\n    → `splatctl init` writes one",
  );
  expect(terminal.screen()).not.toContain("looking at");
  expect(terminal.isCursorShown()).toBe(true);
});
