import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { awaitBackend } from "../../src/commands/await-backend.ts";
import { SplatError } from "../../src/errors.ts";
import { lockFile } from "../../src/files/lock.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { modalDesk, type Desk, type Script } from "../helpers/modal-desk.ts";
import {
  ABORTED,
  ALREADY_STOPPED,
  NO_NETWORK,
  NO_TOKEN,
  NOT_FOUND,
  URL_1,
} from "../remote/modal-recordings.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const DEPLOYED: Script = {
  deploy: { stdout: `└── LiveSplat.web -> ${URL_1}\n` },
  python: { code: 1 },
};

/** A desk from which the backend was deployed. */
async function deployedDesk(...flags: string[]): Promise<Desk> {
  const desk = await modalDesk();
  await desk.script(DEPLOYED);
  const { code, stderr } = await desk.run([
    "deploy",
    "--template",
    desk.template,
    "--yes",
    "--no-wait",
    ...flags,
  ]);
  expect(code, stderr).toBe(0);
  return desk;
}

async function tokenOf(desk: Desk): Promise<string | undefined> {
  const { backends } = (await desk.json(desk.secretsFile)) as { backends: Record<string, { token: string }> };
  return backends[URL_1]?.token;
}

async function deletedSecrets(desk: Desk): Promise<readonly string[]> {
  const lines = (await desk.calls()).map(({ args }) => args?.join(" ") ?? "");
  return lines.filter((line) => line.startsWith("secret delete"));
}

describe("splatctl undeploy", () => {
  it.each<[string, Script, string, boolean]>([
    ["one that runs", { "app stop": {} }, "so100-live-splat is stopped\n", true],
    [
      "one that was stopped",
      { "app stop": { stderr: ALREADY_STOPPED, code: 1 } },
      "so100-live-splat did not run\n",
      false,
    ],
    [
      "one that is not there",
      { "app stop": { stderr: NOT_FOUND, code: 1 } },
      "so100-live-splat did not run\n",
      false,
    ],
  ])("stops %s, and forgets its URL", async (_name, script, text, wasRunning) => {
    const desk = await deployedDesk();
    const token = await tokenOf(desk);
    await desk.script(script);
    expect(await desk.run(["undeploy", "--yes"])).toMatchObject({ code: 0, stdout: text });
    expect((await desk.call("app stop")).args).toEqual(["app", "stop", "so100-live-splat", "-y"]);
    const kept = (await desk.json(desk.userFile)) as Record<string, unknown>;
    expect(kept).not.toHaveProperty("url");
    const again = await desk.run(["undeploy", "--yes", "--json"]);
    expect(JSON.parse(again.stdout)).toMatchObject({
      success: true,
      was_running: wasRunning,
      environment: null,
    });
    // It can stand again as it stood, with the token that people know.
    await desk.script(DEPLOYED);
    const back = await desk.run(["redeploy", "--template", desk.template, "--yes", "--no-wait"]);
    expect(back).toMatchObject({ code: 0, stdout: `${URL_1}\n` });
    expect(await tokenOf(desk)).toBe(token);
  });

  it("removes secrets when asked to, in the environment where they are", async () => {
    const desk = await deployedDesk("--env", "dev");
    await desk.script({ "app stop": {} });
    expect((await desk.run(["undeploy", "--yes", "--delete-secrets"])).code).toBe(0);
    expect((await desk.call("app stop")).args?.join(" ")).toMatch(/--env dev$/);
    expect(await deletedSecrets(desk)).toEqual(["secret delete splat-api -y --allow-missing --env dev"]);
    expect(await tokenOf(desk)).toBeUndefined();
  });

  it("removes the bucket's secret when it was written from here, and no other", async () => {
    const listed = { "secret list": { stdout: '[{"name": "r2-credentials"}]\n' }, "app stop": {} };
    const theirs = await deployedDesk();
    await theirs.script(listed);
    const { code, stderr } = await theirs.run(["undeploy", "--yes", "--delete-secrets"]);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/r2-credentials stays on Modal/);
    expect(await deletedSecrets(theirs)).toEqual(["secret delete splat-api -y --allow-missing"]);

    const ours = await modalDesk();
    await ours.script(DEPLOYED);
    const args = ["deploy", "--template", ours.template, "--yes", "--no-wait"];
    const deployed = await ours.run(args, {
      R2_ENDPOINT_URL: "https://account.r2.cloudflarestorage.com",
      R2_BUCKET_NAME: "splats",
      AWS_ACCESS_KEY_ID: "key-of-the-bucket",
      AWS_SECRET_ACCESS_KEY: "swordfish",
    });
    expect(deployed.code, deployed.stderr).toBe(0);
    await ours.script(listed);
    expect((await ours.run(["undeploy", "--yes", "--delete-secrets"])).code).toBe(0);
    expect(await deletedSecrets(ours)).toEqual([
      "secret delete splat-api -y --allow-missing",
      "secret delete r2-credentials -y --allow-missing",
    ]);
    // It is removed once: one that somebody makes afterwards is theirs.
    expect((await ours.run(["undeploy", "--yes", "--delete-secrets"])).stderr).toMatch(/stays on Modal/);
  });

  it.each([[["undeploy"]], [["redeploy", "--rollback"]]])(
    "is refused while another change is under way: %j",
    async (args) => {
      const desk = await deployedDesk();
      const never = (): SplatError => new SplatError("internal", "not taken");
      const lock = await lockFile(join(desk.configDir, "deploy.lock"), { inUse: never, lost: never });
      onTestFinished(() => lock.release());
      const before = await desk.calls();
      const { code, stderr } = await desk.run([...args, "--yes"]);
      expect(code).toBe(2);
      expect(stderr).toContain(`process ${process.pid} on`);
      expect(await desk.calls()).toEqual(before);
    },
  );

  it("leaves what stands in another environment as it is", async () => {
    const desk = await deployedDesk();
    await desk.script({ "app stop": {} });
    expect((await desk.run(["undeploy", "--yes", "--env", "dev", "--delete-secrets"])).code).toBe(0);
    expect(await desk.json(desk.userFile)).toMatchObject({ url: URL_1 });
    expect(await tokenOf(desk)).toBeDefined();
  });

  it.each<[string, Script, readonly string[], number, RegExp]>([
    ["nobody to ask", {}, [], 2, /--yes/],
    ["no token", { "app stop": { stderr: NO_TOKEN, code: 1 } }, ["--yes"], 3, /modal setup/],
    ["no network", { "app stop": { stderr: NO_NETWORK, code: 1 } }, ["--yes"], 4, /cannot be reached/],
    ["a question after all", { "app stop": ABORTED }, ["--yes"], 4, /Aborted/],
  ])("keeps what it knows when it could not stop it: %s", async (_name, script, flags, code, said) => {
    const desk = await deployedDesk();
    await desk.script(script);
    const { code: ended, stderr } = await desk.run(["undeploy", ...flags]);
    expect(ended).toBe(code);
    expect(stderr).toMatch(said);
    expect(await desk.json(desk.userFile)).toMatchObject({ url: URL_1 });
  });
});

describe("splatctl redeploy", () => {
  it("has nothing to repeat before the first time", async () => {
    const desk = await modalDesk();
    const { code, stderr } = await desk.run(["redeploy", "--yes"]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/splatctl deploy/);
  });

  it.each<[readonly string[], string]>([
    [["--rollback"], "app rollback so100-live-splat --strategy recreate"],
    [["--rollback", "v3"], "app rollback so100-live-splat v3 --strategy recreate"],
    [["--rollback", "3"], "app rollback so100-live-splat v3 --strategy recreate"],
  ])("goes back to an earlier version: %j", async (flags, command) => {
    const desk = await deployedDesk();
    await desk.script({ "app rollback": { stdout: "✓ Deployment rollback successful!\n" } });
    const ended = await desk.run(["redeploy", ...flags, "--yes", "--no-wait"]);
    expect(ended, ended.stderr).toMatchObject({ code: 0, stdout: `${URL_1}\n` });
    expect((await desk.call("app rollback")).args?.join(" ")).toBe(command);
  });

  it("takes a rollback for done whose old containers are still there, and says so", async () => {
    const desk = await deployedDesk();
    const stderr =
      "UserWarning: App rollback executed successfully, but containers did not all terminate. Timed out\n";
    await desk.script({ "app rollback": { stderr, code: 1 } });
    const ended = await desk.run(["redeploy", "--rollback", "--yes", "--no-wait", "--json"]);
    expect(ended.code, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({ success: true, url: URL_1, ready: false });
    expect(ended.stderr).toMatch(/have not all ended/);
  });

  it("says that there is nothing to roll back, or no such version", async () => {
    const desk = await deployedDesk();
    const stderr = "Error: App 'so100-live-splat' is not deployed in the 'main' environment.\n";
    await desk.script({ "app rollback": { stderr, code: 1 } });
    const ended = await desk.run(["redeploy", "--rollback", "--yes", "--no-wait"]);
    expect(ended).toMatchObject({ code: 3, stderr: expect.stringMatching(/is not deployed/) as string });
    expect((await desk.run(["redeploy", "--rollback", "latest", "--yes"])).code).toBe(2);
  });
});

describe("splatctl logs --cloud", () => {
  it("shows what the containers print, without what looks like a token", async () => {
    const desk = await modalDesk();
    await desk.script({ "app logs": { stdout: "INFO one\nINFO wk-0bcdefgh\n" } });
    const { code, stdout, stderr } = await desk.run([
      "logs",
      "--cloud",
      "--since",
      "2h",
      "-n",
      "5",
      "--env",
      "dev",
    ]);
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: "INFO one\nINFO [secret]\n",
      stderr: "",
    });
    expect((await desk.call("app logs")).args?.join(" ")).toBe(
      "app logs so100-live-splat --since 2h --tail 5 --env dev",
    );
  });

  it("follows until Ctrl-C, which is no fault", async () => {
    const desk = await modalDesk();
    await desk.script({ "app logs": { stdout: "INFO one\n", untilInterrupted: true, codeAfter: 0 } });
    const child = spawn(process.execPath, [BIN, "logs", "--cloud", "-f"], {
      env: { ...process.env, ...desk.env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    expect(line.toString()).toBe("INFO one\n");
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([0, null]);
    expect((await desk.call("app logs so100-live-splat --follow")).args).not.toContain("--tail");
  });

  it.each([[["-f"]], [["-n", "5"]]])("ends quietly when nobody reads any more: %j", async (flags) => {
    const desk = await modalDesk();
    await desk.script({ "app logs": { again: "INFO one\n", untilInterrupted: true } });
    const child = spawn(process.execPath, [BIN, "logs", "--cloud", ...flags], {
      env: { ...process.env, ...desk.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let said = "";
    child.stderr.on("data", (piece: Buffer) => (said += piece.toString()));
    await once(child.stdout, "data");
    child.stdout.destroy();
    await once(child, "close");
    expect(said).toBe("");
  });

  it.each<[readonly string[], Script, number, RegExp]>([
    [["--cloud", "-f", "--since", "2h"], {}, 2, /neither --since nor --lines/],
    [["--since", "2h"], {}, 2, /--cloud/],
    [["--cloud", "--since", "-x"], {}, 2, /such as 2h/],
    [["--cloud"], { "app logs": { stderr: NOT_FOUND, code: 1 } }, 3, /is not deployed[^]*splatctl deploy/],
    [["--cloud"], { "app logs": { stderr: NO_TOKEN, code: 1 } }, 3, /modal setup/],
  ])("ends with the right code: %j", async (flags, script, code, said) => {
    const desk = await modalDesk();
    await desk.script(script);
    const { code: ended, stderr } = await desk.run(["logs", ...flags]);
    expect(ended, stderr).toBe(code);
    expect(stderr).toMatch(said);
  });

  it("shows a daemon's log without it, as ever", async () => {
    const desk = await modalDesk();
    const { code, stderr } = await desk.run(["logs", "nobody", "-n", "5"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/no log of a daemon "nobody"/);
    expect(await desk.calls()).toEqual([]);
  });
});

describe("waiting for a backend", () => {
  /** What is told, and a server that answers everything in one way. */
  async function edge(status: number, body: string): Promise<string> {
    const server = await serveHttp((_request, response) => response.writeHead(status).end(body));
    onTestFinished(() => server.close());
    return server.url;
  }
  const { signal } = new AbortController();
  const never = { proxyAuth: undefined, signal, onProgress: () => undefined };

  it.each([
    [
      "a trainer that is not ready",
      200,
      `{"status":"starting","trainer_ready":false,"session_id":"a","boot_id":"b"}`,
    ],
    ["a server that fails", 502, "bad gateway"],
  ])("ends when its patience does: %s", async (_name, status, body) => {
    const url = await edge(status, body);
    await expect(awaitBackend({ ...never, url, patienceMs: 1500 })).rejects.toMatchObject({
      code: "partial",
      hint: expect.stringContaining("logs --cloud") as string,
    });
  });

  it("gives an address that is new some time, and then believes what it says", async () => {
    const url = await edge(404, "modal-http: app for invoked web endpoint is stopped");
    const waiting = awaitBackend({ ...never, url, patienceMs: 20_000, settleMs: 500 });
    await expect(waiting).rejects.toMatchObject({ code: "refused" });
  });

  it("ends at once on Ctrl-C", async () => {
    const url = await edge(503, "");
    const controller = new AbortController();
    const waiting = awaitBackend({ ...never, url, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 100);
    await expect(waiting).rejects.toThrow("enough");
  });
});
