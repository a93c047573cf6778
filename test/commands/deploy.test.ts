import { mkdir, readFile, realpath } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openBackend } from "../../src/backend/open-backend.ts";
import { silentLog } from "../../src/log.ts";
import { lockFile } from "../../src/files/lock.ts";
import { SplatError } from "../../src/errors.ts";
import { saveBucketKeys } from "../../src/secrets-file.ts";
import { saveUserConfig } from "../../src/user-config.ts";
import { temporaryFolder } from "../helpers/backend-fixture.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { modalDesk, type Desk } from "../helpers/modal-desk.ts";
import { scriptedTrainer } from "../helpers/scripted-training.ts";
import {
  NO_ADDRESS,
  NO_NETWORK,
  NO_TOKEN,
  PROFILES_WITH_SENTENCE,
  REFUSED_TOKEN,
  URL_1,
  DEPLOYS,
} from "../remote/modal-recordings.ts";

const DEPLOYED = DEPLOYS.find(([name]) => name === "1.6.4")?.[1] ?? "";

const READY = JSON.stringify({ status: "ok", trainer_ready: true, session_id: "a", boot_id: "b" });

const BUCKET = {
  R2_ENDPOINT_URL: "https://account.r2.cloudflarestorage.com",
  R2_BUCKET_NAME: "splats",
  AWS_ACCESS_KEY_ID: "key-of-the-bucket",
  AWS_SECRET_ACCESS_KEY: "swordfish",
  R2_PUBLIC_URL: "https://pub-1.r2.dev",
};

/** A real backend, and in front of it what Modal's edge does; a step in the list is taken for each request. */
async function cloud(steps: readonly ((response: ServerResponse, url: string) => void)[] = []): Promise<{
  url: string;
  seen: { path: string; headers: NodeJS.Dict<string | string[]> }[];
}> {
  const backend = await openBackend({
    dataDir: await temporaryFolder(),
    port: 0,
    threads: 1,
    log: silentLog,
    startTraining: scriptedTrainer().start,
  });
  onTestFinished(() => backend.close());
  const seen: { path: string; headers: NodeJS.Dict<string | string[]> }[] = [];
  const left = [...steps];
  const edge = await serveHttp((request, response) => {
    const path = request.url ?? "";
    seen.push({ path, headers: request.headers });
    const step = left.shift();
    if (step !== undefined) return step(response, edge.url);
    void forward(`${backend.url}${path.split("?")[0]}`, response);
  });
  onTestFinished(() => edge.close());
  return { url: edge.url, seen };
}

async function forward(url: string, response: ServerResponse): Promise<void> {
  const answer = await fetch(url);
  response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
}

/** Nothing that a run printed, passed as an argument or left in the program's environment may hold a secret. */
async function expectNoSecrets(desk: Desk, printed: string, secrets: readonly string[]): Promise<void> {
  const calls = await desk.calls();
  expect(calls.length).toBeGreaterThan(0);
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(5);
    expect(printed).not.toContain(secret);
    for (const { argv, env } of calls) expect(JSON.stringify({ argv, env })).not.toContain(secret);
  }
}

async function keptAt(
  desk: Desk,
  url: string,
): Promise<{ token: string; proxyKey?: string; proxySecret?: string }> {
  const { backends } = (await desk.json(desk.secretsFile)) as { backends: Record<string, { token: string }> };
  return backends[url];
}

describe("splatctl deploy", () => {
  it("deploys, waits through a cold start, and prints the URL alone", async () => {
    const desk = await modalDesk();
    const { url, seen } = await cloud([
      (response, here) =>
        response.writeHead(303, { location: `${here}/health?__modal_function_call_id=fc-1` }).end(),
      (response) => response.writeHead(503).end("starting"),
    ]);
    await desk.script({ deploy: { stdout: DEPLOYED }, python: { stdout: `${JSON.stringify(url)}\n` } });
    const args = [
      "deploy",
      "--template",
      desk.template,
      "--yes",
      "--scenes",
      "main,left",
      "--max-gaussians",
      "5000",
    ];
    const { code, stdout, stderr } = await desk.run(
      [...args, "--cors-origins", "http://localhost:5173/"],
      BUCKET,
    );
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: `${url}\n` });
    expect(stderr).toMatch(/workspace somebody/);
    expect(stderr).toMatch(/GPU L4 or A10: about \$0\.80 to \$1\.10 an hour \(list price, September 2026\)/);
    expect(stderr).toMatch(/5 min after the last request; a session without frames is finished after 15 min/);
    expect(stderr).toMatch(/splatctl undeploy/);
    expect(stderr).toMatch(/starting GPU, \d+ s|ready after \d+ s/);
    expect(seen.map(({ path }) => path)).toEqual([
      "/health",
      "/health?__modal_function_call_id=fc-1",
      "/health",
    ]);

    const deploy = await desk.call("deploy");
    expect(deploy.args).toEqual(["deploy", "modal_app.py", "--strategy", "recreate"]);
    expect(deploy.env).toMatchObject({
      COLUMNS: "1000",
      NO_COLOR: "1",
      PYTHONUTF8: "1",
      PYTHONIOENCODING: "utf-8",
    });
    expect(Object.keys(deploy.env)).not.toContain("FORCE_COLOR");
    expect(
      Object.fromEntries(Object.entries(deploy.env).filter(([name]) => /^(SPLAT|R2|AWS)_/.test(name))),
    ).toEqual({
      SPLAT_GPU: "L4,A10",
      SPLAT_IDLE_STOP_S: "900",
      SPLAT_SCALEDOWN_S: "300",
      SPLAT_SCENES: "main,left",
      SPLAT_PROXY_AUTH: "0",
      SPLAT_WITH_BUCKET: "1",
      SPLAT_CORS_ORIGINS: "http://localhost:5173",
      SPLAT_MAX_GAUSSIANS: "5000",
    });
    expect(deploy.files).toEqual(["live_splat", "live_splat/api.py", "modal_app.py"]);

    const { token } = await keptAt(desk, url);
    expect(Buffer.from(token, "base64url")).toHaveLength(32);
    const written = (await desk.calls()).flatMap(({ file }) => (file === undefined ? [] : [file]));
    expect(written.map(({ values }) => values)).toEqual([{ SPLAT_API_TOKEN: token }, BUCKET]);
    for (const { mode, folderMode } of written) expect([mode, folderMode]).toEqual([0o600, 0o700]);
    expect(await desk.leftovers()).toEqual([]);
    await expectNoSecrets(desk, stdout + stderr, [
      token,
      BUCKET.AWS_ACCESS_KEY_ID,
      BUCKET.AWS_SECRET_ACCESS_KEY,
    ]);
    expect([await desk.modeOf(desk.configDir), await desk.modeOf(desk.secretsFile)]).toEqual([0o700, 0o600]);
    expect(await desk.json(desk.userFile)).toMatchObject({
      url,
      deployment: { url, gpu: ["L4", "A10"], scenes: ["main", "left"], withBucket: true, environment: null },
    });
    // From now on every command talks to it.
    const status = await desk.run(["status"]);
    expect(status.stderr).toContain(`backend ${url} (from your settings)`);
    expect(seen.at(-1)?.headers["authorization"]).toBe(`Bearer ${token}`);
  });

  it.each(["modal, not saying its Python", "uvx modal"] as const)(
    "reads the address where it cannot ask for it: %s",
    async (installed) => {
      const desk = await modalDesk(installed);
      await desk.script({ version: "modal client version: 1.4.2\n", deploy: { stdout: DEPLOYED } });
      const { code, stdout, stderr } = await desk.run([
        "deploy",
        "--template",
        desk.template,
        "--yes",
        "--no-wait",
      ]);
      expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: `${URL_1}\n` });
      expect(stderr).toMatch(/no bucket is set/);
      expect((await desk.call("deploy")).env["SPLAT_WITH_BUCKET"]).toBe("0");
      expect((await desk.calls()).filter(({ file }) => file !== undefined)).toHaveLength(1);
    },
  );

  it("works the address out where nothing says it", async () => {
    const desk = await modalDesk("python3 -m modal");
    await desk.script({
      deploy: { stdout: NO_ADDRESS },
      python: { stderr: "modal.exception.NotFoundError\n", code: 1 },
      "environment list": { stdout: '[{"name": "dev", "web_suffix": "dev", "active": false}]\n' },
    });
    const args = ["deploy", "--template", desk.template, "--yes", "--no-wait", "--env", "dev", "--json"];
    const { code, stdout, stderr } = await desk.run(args);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      success: true,
      url: "https://somebody-dev--so100-live-splat.modal.run",
      environment: "dev",
      workspace: "somebody",
      ready: false,
      gpu: ["L4", "A10"],
    });
    for (const command of ["deploy", "secret create", "secret list"]) {
      expect((await desk.call(command)).args?.join(" ")).toMatch(/--env dev$/);
    }
  });

  it("gives Modal the bucket that is kept, unless its keys only read, and says so", async () => {
    const desk = await modalDesk();
    const { R2_ENDPOINT_URL: endpoint, R2_BUCKET_NAME: name } = BUCKET;
    const kept = { endpoint, name, publicUrl: null };
    const keys = { accessKeyId: "key-of-the-bucket", secretAccessKey: "swordfish" };
    await saveBucketKeys(desk.secretsFile, `${endpoint}/${name}`, keys);
    await saveUserConfig(desk.userFile, { bucket: { ...kept, mayWrite: false } });
    await desk.script({ deploy: { stdout: DEPLOYED }, python: { code: 1 } });
    const args = ["deploy", "--template", desk.template, "--yes", "--no-wait"];
    expect((await desk.run(args)).stderr).toMatch(
      /no bucket is given to it \(the keys kept for bucket "splats" only read/,
    );
    await saveUserConfig(desk.userFile, { bucket: kept });
    const { stderr } = await desk.run(args);
    expect(stderr).toMatch(
      /chunks go to bucket "splats" \(kept by splatctl bucket init\), and its keys to a secret on Modal/,
    );
    const calls = await desk.calls();
    expect(
      calls.flatMap(({ file }) => (file?.values["R2_BUCKET_NAME"] === undefined ? [] : [file.values])),
    ).toEqual([
      {
        R2_ENDPOINT_URL: endpoint,
        R2_BUCKET_NAME: name,
        AWS_ACCESS_KEY_ID: keys.accessKeyId,
        AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
      },
    ]);
    for (const secret of Object.values(keys)) expect(stderr).not.toContain(secret);
  });

  it("uses the bucket that a secret on Modal names already", async () => {
    const desk = await modalDesk();
    await desk.script({
      // Titles of columns, as before 1.5.0.
      "secret list": { stdout: '[{"Name": "r2-credentials", "Created at": "x"}]\n' },
      deploy: { stdout: DEPLOYED },
      python: { code: 1 },
    });
    const { code, stderr } = await desk.run(["deploy", "--template", desk.template, "--yes", "--no-wait"]);
    expect(code, stderr).toBe(0);
    expect((await desk.call("deploy")).env["SPLAT_WITH_BUCKET"]).toBe("1");
    expect(stderr).toMatch(/r2-credentials on Modal/);
  });

  it("says so when it writes over a bucket's secret that was not made from here", async () => {
    const desk = await modalDesk();
    await desk.script({
      "secret list": { stdout: '[{"name": "r2-credentials"}]\n' },
      deploy: { stdout: DEPLOYED },
      python: { code: 1 },
    });
    const args = ["deploy", "--template", desk.template, "--yes", "--no-wait"];
    const foreign = /r2-credentials is on Modal already[^]*writing over it/;
    expect((await desk.run(args, BUCKET)).stderr).toMatch(foreign);
    // From then on it is.
    const again = await desk.run(args, BUCKET);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).not.toMatch(foreign);
  });

  it("says so when chunks go to a bucket no more", async () => {
    const desk = await modalDesk();
    await desk.script({ deploy: { stdout: DEPLOYED }, python: { code: 1 } });
    const args = ["deploy", "--template", desk.template, "--yes", "--no-wait"];
    await desk.run(args, BUCKET);
    expect((await desk.run(args)).stderr).toMatch(/sent chunks to a bucket before, and does not any more/);
  });

  it("goes without a bucket where none is wanted, whatever is set, and again", async () => {
    const desk = await modalDesk();
    await desk.script({
      "secret list": { stdout: '[{"name": "r2-credentials"}]\n' },
      deploy: { stdout: DEPLOYED },
      python: { code: 1 },
    });
    const args = ["--template", desk.template, "--yes", "--no-wait"];
    const planned = await desk.run(["deploy", ...args, "--no-bucket", "--dry-run", "--json"], BUCKET);
    expect(planned.stdout).not.toMatch(/r2-credentials|SPLAT_WITH_BUCKET":"1"/);
    for (const command of [["deploy", "--no-bucket"], ["redeploy"]]) {
      const { code, stderr } = await desk.run([...command, ...args], BUCKET);
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/no bucket is given to it: chunks stay on Modal's volume/);
    }
    const calls = await desk.calls();
    const deploys = calls.filter((call) => call.args?.[0] === "deploy");
    expect(deploys.map(({ env }) => env["SPLAT_WITH_BUCKET"])).toEqual(["0", "0"]);
    expect(calls.flatMap(({ file }) => Object.keys(file?.values ?? {}))).toEqual(
      Array.from({ length: 2 }, () => "SPLAT_API_TOKEN"),
    );
    await desk.run(["deploy", ...args], BUCKET);
    await desk.run(["deploy", ...args, "--no-bucket"]);
    // The secret that was written from here stays known, for undeploy.
    expect(await desk.json(desk.userFile)).toMatchObject({
      deployment: { withBucket: false, wroteBucketSecret: true },
    });
  });

  it("shows the bucket's name in what Modal's program prints, and no secret", async () => {
    const desk = await modalDesk();
    const stdout = `uploading live to ${BUCKET.R2_ENDPOINT_URL} with ${BUCKET.AWS_SECRET_ACCESS_KEY}\n`;
    await desk.script({ deploy: { stdout: `${stdout}${DEPLOYED}` }, python: { code: 1 } });
    const args = ["deploy", "--template", desk.template, "--yes", "--no-wait"];
    const { stderr } = await desk.run(args, { ...BUCKET, R2_BUCKET_NAME: "live" });
    expect(stderr).toContain(`uploading live to ${BUCKET.R2_ENDPOINT_URL} with [secret]`);
    expect(stderr).toContain(URL_1);
  });

  it("never runs Modal's program where a modal.py of the user's may lie", async () => {
    const desk = await modalDesk("python3 -m modal");
    await desk.script({ deploy: { stdout: DEPLOYED }, python: { code: 1 } });
    const ended = await desk.run(["deploy", "--template", desk.template, "--yes", "--no-wait"]);
    expect(ended.code, ended.stderr).toBe(0);
    const folders = (await desk.calls()).map(({ cwd }) => cwd);
    expect(folders.length).toBeGreaterThan(4);
    expect(folders).not.toContain(await realpath(desk.folder));
  });

  it("keeps its token when it is deployed again, unless another is given", async () => {
    const desk = await modalDesk();
    await desk.script({ deploy: { stdout: DEPLOYED }, python: { code: 1 } });
    const args = ["deploy", "--template", desk.template, "--yes", "--no-wait"];
    await desk.run([...args, "--gpu", "t4", "--scenes", "left"]);
    const { token } = await keptAt(desk, URL_1);
    const again = await desk.run(["redeploy", "--template", desk.template, "--yes", "--no-wait"]);
    expect(again, again.stderr).toMatchObject({ code: 0, stdout: `${URL_1}\n` });
    expect(await keptAt(desk, URL_1)).toEqual({ token });
    const deploys = (await desk.calls()).filter(({ args: asked }) => asked?.[0] === "deploy");
    expect(deploys.map(({ env }) => [env["SPLAT_GPU"], env["SPLAT_SCENES"]])).toEqual([
      ["T4", "left"],
      ["T4", "left"],
    ]);
    const given = await desk.run(args, { SPLAT_API_TOKEN: "a-token-of-my-own" });
    expect(given.code).toBe(0);
    expect(await keptAt(desk, URL_1)).toEqual({ token: "a-token-of-my-own" });
    await expectNoSecrets(desk, given.stdout + given.stderr + again.stderr, [token, "a-token-of-my-own"]);
  });

  it("makes a proxy token, keeps it, and waits with it", async () => {
    const desk = await modalDesk();
    const { url, seen } = await cloud();
    const made = { "Modal-Key": "wk-made-for-this", "Modal-Secret": "ws-made-for-this" };
    await desk.script({
      deploy: { stdout: DEPLOYED },
      python: { stdout: JSON.stringify(url) },
      "workspace proxy-tokens create": {
        stdout: `${JSON.stringify({ ...made, Authorization: "Bearer x" }, null, 2)}\n`,
      },
    });
    const args = ["deploy", "--template", desk.template, "--yes", "--proxy-auth"];
    const { code, stdout, stderr } = await desk.run(args);
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: `${url}\n` });
    expect((await desk.call("deploy")).env["SPLAT_PROXY_AUTH"]).toBe("1");
    expect(await keptAt(desk, url)).toMatchObject({
      proxyKey: made["Modal-Key"],
      proxySecret: made["Modal-Secret"],
    });
    expect(seen[0].headers).toMatchObject({
      "modal-key": "wk-made-for-this",
      "modal-secret": "ws-made-for-this",
    });
    await expectNoSecrets(desk, stdout + stderr, [made["Modal-Key"], made["Modal-Secret"]]);
    // It is not made a second time.
    expect((await desk.run(args)).code).toBe(0);
    await desk.call("workspace proxy-tokens create");
  });

  const NO_ENTRY = "modal-http: missing credentials for proxy authorization";
  const proxyToken = (key: string): { stdout: string } => ({
    stdout: JSON.stringify({ "Modal-Key": key, "Modal-Secret": "ws-0123456789" }),
  });

  it("waits until a proxy token that it has just made is known", async () => {
    const desk = await modalDesk();
    const { url, seen } = await cloud([(response) => response.writeHead(401).end(NO_ENTRY)]);
    await desk.script({
      deploy: { stdout: DEPLOYED },
      python: { stdout: JSON.stringify(url) },
      "workspace proxy-tokens create": proxyToken("wk-0123456789"),
    });
    const ended = await desk.run(["deploy", "--template", desk.template, "--yes", "--proxy-auth"]);
    expect(ended, ended.stderr).toMatchObject({ code: 0, stdout: `${url}\n` });
    expect(seen).toHaveLength(2);
  });

  it("makes another proxy token when the one that it kept is refused", async () => {
    const desk = await modalDesk();
    const { url, seen } = await cloud([
      (response) => response.writeHead(200).end(READY),
      (response) => response.writeHead(401).end(NO_ENTRY),
    ]);
    const script = { deploy: { stdout: DEPLOYED }, python: { stdout: JSON.stringify(url) } };
    const args = ["deploy", "--template", desk.template, "--yes", "--proxy-auth"];
    await desk.script({ ...script, "workspace proxy-tokens create": proxyToken("wk-1111111111") });
    expect((await desk.run(args)).code).toBe(0);
    await desk.script({ ...script, "workspace proxy-tokens create": proxyToken("wk-2222222222") });
    const ended = await desk.run(args);
    expect(ended, ended.stderr).toMatchObject({ code: 0, stdout: `${url}\n` });
    expect(seen.map(({ headers }) => headers["modal-key"])).toEqual([
      "wk-1111111111",
      "wk-1111111111",
      "wk-2222222222",
    ]);
    expect(await keptAt(desk, url)).toMatchObject({ proxyKey: "wk-2222222222" });
  });

  it("tells where it is deployed though it could not make a proxy token", async () => {
    const desk = await modalDesk();
    await desk.script({
      deploy: { stdout: DEPLOYED },
      python: { code: 1 },
      "workspace proxy-tokens create": { stderr: "Error: not allowed\n", code: 1 },
    });
    const args = ["deploy", "--template", desk.template, "--yes", "--proxy-auth"];
    const ended = await desk.run(args);
    expect(ended, ended.stderr).toMatchObject({ code: 4, stdout: `${URL_1}\n` });
    expect(ended.stderr).toMatch(/an hour \(list price/);
    const { code, stdout } = await desk.run([...args, "--json"]);
    expect(code).toBe(4);
    const { error } = JSON.parse(stdout) as { error: { message: string } };
    expect(error.message).toContain(URL_1);
  });

  it("asks for a proxy token where the program cannot make one, before anything is done", async () => {
    const desk = await modalDesk();
    await desk.script({ version: "modal client version: 1.5.0\n" });
    const args = ["deploy", "--template", desk.template, "--yes", "--proxy-auth", "--no-wait"];
    const { code, stderr } = await desk.run(args);
    expect(code).toBe(3);
    expect(stderr).toMatch(/SPLAT_PROXY_KEY and SPLAT_PROXY_SECRET/);
    expect((await desk.calls()).map(({ args: asked }) => asked)).toEqual([["--version"]]);
    await desk.script({
      version: "modal client version: 1.5.0\n",
      deploy: { stdout: DEPLOYED },
      python: { code: 1 },
    });
    const given = await desk.run(args, {
      SPLAT_PROXY_KEY: "wk-given-by-me",
      SPLAT_PROXY_SECRET: "ws-given-by-me",
    });
    expect(given.code, given.stderr).toBe(0);
    expect(await keptAt(desk, URL_1)).toMatchObject({ proxyKey: "wk-given-by-me" });
    await expectNoSecrets(desk, given.stdout + given.stderr, ["wk-given-by-me", "ws-given-by-me"]);
  });

  it("says that Modal's proxy refuses us instead of waiting for ten minutes", async () => {
    const desk = await modalDesk();
    const edge = await serveHttp((_request, response) =>
      response.writeHead(401).end("modal-http: missing credentials for proxy authorization"),
    );
    onTestFinished(() => edge.close());
    await desk.script({ deploy: { stdout: DEPLOYED }, python: { stdout: JSON.stringify(edge.url) } });
    const { code, stdout, stderr } = await desk.run(["deploy", "--template", desk.template, "--yes"]);
    // It is deployed, and kept, all the same.
    expect({ code, stdout }).toEqual({ code: 3, stdout: `${edge.url}\n` });
    expect(stderr).toMatch(/wants a proxy token[^]*SPLAT_PROXY_KEY/);
    expect(await desk.json(desk.userFile)).toMatchObject({ url: edge.url });
  });

  it("tells the whole plan and does nothing with --dry-run", async () => {
    const desk = await modalDesk();
    const args = ["deploy", "--template", desk.template, "--dry-run", "--proxy-auth", "--env", "dev"];
    const { code, stdout, stderr } = await desk.run(args, {
      ...BUCKET,
      SPLAT_API_TOKEN: "a-token-of-my-own",
    });
    expect(code, stderr).toBe(0);
    expect((await desk.calls()).map(({ args: asked }) => asked)).toEqual([["--version"]]);
    expect(stdout).toContain("modal secret create splat-api --force --from-json FILE --env dev");
    expect(stdout).toContain("modal secret create r2-credentials --force --from-json FILE --env dev");
    expect(stdout).toContain("AWS_SECRET_ACCESS_KEY=[secret]");
    expect(stdout).toContain("modal deploy modal_app.py --strategy recreate --env dev");
    expect(stdout).toContain("modal workspace proxy-tokens create --json");
    expect(stdout).toContain("SPLAT_GPU=L4,A10");
    await expectNoSecrets(desk, stdout + stderr, ["a-token-of-my-own", "key-of-the-bucket", "swordfish"]);
    const json = await desk.run([...args, "--json"]);
    expect(json.stdout).toMatch(
      /secret r2-credentials is on Modal already: if it is, chunks go to the bucket/,
    );
    expect(JSON.parse(json.stdout)).toMatchObject({ dry_run: true, variables: { SPLAT_WITH_BUCKET: "0" } });
    await expect(readFile(desk.userFile)).rejects.toThrow("ENOENT");
    expect(await desk.leftovers()).toEqual([]);
    const bare = await modalDesk("nothing");
    const without = await bare.run(["deploy", "--template", bare.template, "--dry-run"]);
    expect(without).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("modal deploy modal_app.py") as string,
    });
    expect(without.stderr).toMatch(/uv tool install modal/);
  });

  it("is refused while another is under way, and says whose that is", async () => {
    const desk = await modalDesk();
    await mkdir(desk.configDir);
    const never = (): SplatError => new SplatError("internal", "not taken");
    const lock = await lockFile(join(desk.configDir, "deploy.lock"), { inUse: never, lost: never });
    onTestFinished(() => lock.release());
    const { code, stderr } = await desk.run(["deploy", "--template", desk.template, "--yes"]);
    expect(code).toBe(2);
    expect(stderr).toContain(`process ${process.pid} on`);
    expect(await desk.calls()).toEqual([]);
  });

  it.each<[string, Parameters<Desk["script"]>[0], number, RegExp]>([
    ["no token", { "token info": { stderr: NO_TOKEN, code: 1 } }, 3, /nobody is logged in[^]*modal setup/],
    ["a refused token", { "token info": { stderr: REFUSED_TOKEN, code: 1 } }, 3, /modal token new/],
    ["no network", { "token info": { stderr: NO_NETWORK, code: 1 } }, 4, /cannot be reached/],
    ["no profile", { "token info": undefined, "profile list": { stdout: "[]\n" } }, 3, /nobody is logged in/],
    [
      "a build that fails",
      {
        deploy: {
          stdout: "Building image\n",
          stderr: "ERROR: No matching distribution for gsplat\n",
          code: 1,
        },
      },
      4,
      /deploying failed[^]*No matching distribution/,
    ],
    [
      "a wrong call",
      { deploy: { stderr: "Error: No such option: --strategy\n", code: 2 } },
      4,
      /No such option/,
    ],
    [
      "a secret refused",
      { "secret create": { stderr: "Error: quota\n", code: 1 } },
      4,
      /writing the secret splat-api/,
    ],
    ["an old program", { version: "modal client version: 1.3.5\n" }, 3, /too old: 1\.3\.5[^]*1\.4\.0/],
    ["something else of that name", { version: "modal 3.2, windows for the browser\n" }, 3, /not installed/],
  ])("ends with the right code and a way out: %s", async (_name, script, code, said) => {
    const desk = await modalDesk();
    await desk.script(script);
    const ended = await desk.run(["deploy", "--template", desk.template, "--yes", "--no-wait"]);
    expect(ended, ended.stderr).toMatchObject({ code, stdout: "" });
    expect(ended.stderr).toMatch(said);
    expect(await desk.leftovers()).toEqual([]);
    await expect(readFile(desk.userFile)).rejects.toThrow("ENOENT");
  });

  it("takes the workspace of a token in the environment from the sentence about it", async () => {
    const desk = await modalDesk();
    await desk.script({
      "token info": undefined,
      "profile list": { stdout: PROFILES_WITH_SENTENCE },
      deploy: { stdout: DEPLOYED },
    });
    const { code, stderr } = await desk.run(["deploy", "--template", desk.template, "--yes", "--no-wait"]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("workspace somebody");
  });

  it.each<[readonly string[], Record<string, string>, number, RegExp]>([
    [[], {}, 2, /nobody is there to confirm[^]*--yes/],
    [["--yes", "--gpu", "RTX4090"], {}, 2, /no GPU called "RTX4090"[^]*There are: T4, L4/],
    [["--yes", "--scenes", "Main"], {}, 2, /a-z, 0-9/],
    [["--yes", "--cors-origins", "*"], {}, 2, /no origin/],
    [["--yes", "--env", "-x"], {}, 2, /environment/],
    [["--yes"], { R2_BUCKET_NAME: "splats" }, 3, /no R2_ENDPOINT_URL, AWS_ACCESS_KEY_ID/],
    [["--yes"], { ...BUCKET, R2_ENDPOINT_URL: "http://127.0.0.1:9000" }, 3, /names this machine/],
    [["--yes"], { SPLAT_API_TOKEN: "two words" }, 3, /SPLAT_API_TOKEN/],
    [["--yes", "--template", "nowhere"], {}, 2, /nowhere[^]*modal_app\.py/],
  ])("refuses before anything is done: %j", async (flags, env, code, said) => {
    const desk = await modalDesk();
    const { code: ended, stderr } = await desk.run(["deploy", "--template", desk.template, ...flags], env);
    expect(ended).toBe(code);
    expect(stderr).toMatch(said);
    expect(await desk.calls()).toEqual([]);
  });

  it("says how to get the program where there is none", async () => {
    const desk = await modalDesk("nothing");
    const { code, stderr } = await desk.run(["deploy", "--template", desk.template, "--yes"]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/uv tool install modal[^]*pip install modal[^]*modal setup/);
  });
});

it("warns when another setting wins over what was deployed", async () => {
  const desk = await modalDesk();
  await desk.script({ deploy: { stdout: DEPLOYED }, python: { code: 1 } });
  const args = ["deploy", "--template", desk.template, "--yes", "--no-wait"];
  const { stderr } = await desk.run(args, { SPLAT_API_URL: "http://127.0.0.1:7860" });
  expect(stderr).toMatch(/SPLAT_API_URL names another backend/);
});
