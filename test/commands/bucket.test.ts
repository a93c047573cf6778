import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { saveUserConfig } from "../../src/user-config.ts";
import { temporaryFolder } from "../helpers/backend-fixture.ts";
import { nobody } from "../helpers/loopback.ts";
import { startR2 } from "../helpers/r2.ts";
import { runCli } from "../helpers/run-cli.ts";
import { runHere, type RanHere } from "../helpers/run-here.ts";
import {
  rulesOf,
  SCRIPTED_KEYS,
  startScriptedS3,
  type Scope,
  type ScriptedS3,
} from "../helpers/scripted-s3.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

interface Desk {
  readonly s3: ScriptedS3;
  readonly folder: string;
  readonly userFile: string;
  readonly secretsFile: string;
  /** Names and keys in the environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly run: (
    args: readonly string[],
    env?: Readonly<Record<string, string | undefined>>,
  ) => Promise<RanHere>;
}

async function desk(
  scope: Scope = "admin",
  options: { readonly buckets?: readonly string[] } = {},
): Promise<Desk> {
  const s3 = await startScriptedS3({ scope, ...options });
  onTestFinished(() => s3.close());
  const folder = await temporaryFolder();
  const { endpoint, bucket, accessKeyId, secretAccessKey } = s3.settings();
  const env = {
    R2_ENDPOINT_URL: endpoint,
    R2_BUCKET_NAME: bucket,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  return {
    s3,
    folder,
    userFile: join(folder, "config.json"),
    secretsFile: join(folder, "secrets.json"),
    env,
    run: async (args, more = env) => {
      const ended = await runHere(["bucket", ...args], { SPLAT_CONFIG_DIR: folder, ...more });
      for (const secret of Object.values(SCRIPTED_KEYS))
        expect(ended.stdout + ended.stderr).not.toContain(secret);
      return ended;
    },
  };
}

async function jsonOf(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, "utf8"));
}

it("tells what a token may do, line by line, and what it comes to", async () => {
  const { run } = await desk("write");
  const { code, stdout, stderr } = await run(["check"]);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/bucket "splats" at 127\.0\.0\.1:\d+ \(from the environment\)/);
  expect(stderr).toMatch(
    /to try writing, splatctl-check\/\S+ \(\d+ bytes\) is stored and removed; --no-write/,
  );
  expect(stdout).toMatch(/^ok {7}endpoint {8}\S+ answers without TLS in \d+ ms\nok {7}clock/);
  expect(stdout).toMatch(/ok {7}write {11}may store objects/);
  expect(stdout).toMatch(
    /reads and writes: .* but bucket cors and making a bucket, for which a token that administers is needed\n$/,
  );
});

it("says of a token that administers that it is enough for everything", async () => {
  const { run } = await desk("admin");
  expect((await run(["check"])).stdout).toMatch(
    /\nreads, writes and administers: enough for every command\n$/,
  );
});

it("is content with a token that only reads, and says for what that is enough", async () => {
  const { run, s3 } = await desk("read");
  const { code, stdout } = await run(["check"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /no {7}write {11}the token may not store objects\n +`serve`, .*“Object Read & Write”/,
  );
  expect(stdout).toMatch(/read only: enough for ls, get and watch; serve needs write\n$/);
  const json = await run(["check", "--no-write", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({
    success: true,
    bucket: "splats",
    may_read: true,
    may_write: null,
    administers: false,
    checks: expect.arrayContaining([
      { name: "read", state: "ok", message: expect.any(String) as string },
    ]) as unknown,
  });
  expect(json.stderr).not.toContain("splatctl-check");
  expect(s3.objects.size).toBe(0);
});

it("ends with 3 for refused keys and with 4 where nobody answers, telling what was found before", async () => {
  const { run, env } = await desk();
  const refused = await run(["check"], { ...env, AWS_ACCESS_KEY_ID: "another" });
  expect(refused.code).toBe(3);
  expect(refused.stdout).toMatch(/no {7}keys .*does not know the access key[^]*Check AWS_ACCESS_KEY_ID/);
  const json = await run(["check", "--json"], { ...env, AWS_ACCESS_KEY_ID: "another" });
  expect(json.code).toBe(3);
  expect(JSON.parse(json.stdout)).toMatchObject({
    success: false,
    error: { code: "not_configured" },
    may_read: false,
    checks: [{ name: "endpoint" }, { name: "clock" }, { name: "keys", state: "no" }],
  });
  const gone = await run(["check"], { ...env, R2_ENDPOINT_URL: await nobody() });
  expect(gone.code).toBe(4);
  expect(gone.stdout).toMatch(/^no {7}endpoint +no answer from 127\.0\.0\.1:\d+/);
});

it("removes what it stored when Ctrl-C comes while it lies there, and ends with 130", async () => {
  const { s3, env, folder } = await desk("write");
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:SPLAT|R2|AWS)_/.test(name));
  const child = spawn(process.execPath, [BIN, "bucket", "check"], {
    env: { ...Object.fromEntries(inherited), ...env, SPLAT_CONFIG_DIR: folder },
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  s3.instead = ({ method }) => {
    if (method !== "PUT" || s3.objects.size === 0) return undefined;
    child.kill("SIGINT");
    return "hang";
  };
  expect(await once(child, "exit")).toEqual([130, null]);
  expect(s3.requests.at(-1)?.method).toBe("DELETE");
  expect(s3.objects.size).toBe(0);
});

it.each([["check"], ["cors"]])("ends with 3 where no bucket is set: %s", async (verb) => {
  const { run, env } = await desk();
  const { code, stdout, stderr } = await run([verb], { AWS_ACCESS_KEY_ID: env["AWS_ACCESS_KEY_ID"] });
  expect([code, stdout]).toEqual([3, ""]);
  expect(stderr).toMatch(/no bucket is set[^]*splatctl bucket init/);
});

it("sets, replaces and removes its own rule for web pages, and no other", async () => {
  const { run, s3 } = await desk();
  expect((await run(["cors"])).stdout).toMatch(/^no rules: no web page/);
  s3.cors = `<CORSConfiguration><CORSRule><ID>theirs</ID><AllowedOrigin>https://a.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod></CORSRule></CORSConfiguration>`;
  const dry = await run(["cors", "--origin", "https://b.example", "--dry-run"]);
  expect(dry.stderr).toMatch(/nothing is changed \(--dry-run\)/);
  expect(rulesOf(s3.cors)).toHaveLength(1);
  const set = await run(["cors", "--origin", "https://b.example", "http://localhost:5173"]);
  expect(set.code, set.stderr).toBe(0);
  expect(set.stderr).toMatch(/our rule is added \(1 of others stays\); it takes up to 30 s/);
  expect(set.stdout).toMatch(
    /theirs: pages of https:\/\/a\.example may PUT\nsplatctl: pages of https:\/\/b\.example, /,
  );
  const again = await run(["cors", "--origin", "https://b.example", "http://localhost:5173"]);
  expect(again.stderr).toMatch(/nothing is to be changed/);
  const open = await run(["cors", "--origin", "*", "--json"]);
  expect(open.stderr).toMatch(/\* lets every web page/);
  expect(JSON.parse(open.stdout)).toMatchObject({
    success: true,
    changed: true,
    rules: [{ ID: "theirs" }, { ID: "splatctl", AllowedOrigins: ["*"] }],
  });
  expect((await run(["cors", "--remove"])).stderr).toMatch(/our rule is removed \(1 of others stays\)/);
  expect(rulesOf(s3.cors)).toEqual([
    { ID: "theirs", AllowedOrigin: ["https://a.example"], AllowedMethod: ["PUT"] },
  ]);
});

it.each<[Scope, readonly string[], RegExp]>([
  ["write", ["--origin", "https://b.example"], /"AllowedOrigins": \[\n +"https:\/\/b\.example"/],
  ["admin-read", ["--origin", "https://b.example"], /“Admin Read & Write” for a minute[^]*CORS Policy, JSON/],
  ["read", [], /Settings, CORS Policy/],
])("ends with 3 for a token of scope %s, and says what to do instead: %j", async (scope, flags, said) => {
  const { run } = await desk(scope);
  const { code, stdout, stderr } = await run(["cors", ...flags]);
  expect([code, stdout]).toEqual([3, ""]);
  expect(stderr).toMatch(/the token may not see or change which web pages/);
  expect(stderr).toMatch(said);
  const json = await run(["cors", ...flags, "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ success: false, error: { code: "not_configured" } });
  if (flags.length > 0) {
    expect(JSON.parse(json.stdout)).toMatchObject({ dashboard: [{ AllowedMethods: ["GET", "HEAD"] }] });
  }
});

it.each([
  ["--origin", "https://b.example/"],
  ["--origin", "https://b.example", "--remove"],
])("refuses %s %s %s before anything is asked", async (...flags) => {
  const { run, s3 } = await desk();
  const { code, stderr } = await run(["cors", ...flags.filter((flag) => flag !== undefined)]);
  expect(code, stderr).toBe(2);
  expect(s3.requests).toEqual([]);
});

it("sets a bucket up from the environment, keeps it, and every command finds it", async () => {
  const { run, env, userFile, secretsFile, s3 } = await desk("write");
  const made = await run(["init", "--public-url", `${s3.origin}/public/splats/`], env);
  expect(made.code, made.stderr).toBe(0);
  expect(made.stderr).toMatch(/from the environment: R2_ENDPOINT_URL, R2_BUCKET_NAME, AWS_/);
  expect(made.stdout).toMatch(/bucket "splats" at \S+ is there\n[^]*kept in [^]*next: splatctl bucket check/);
  expect(await jsonOf(userFile)).toEqual({
    bucket: { endpoint: s3.origin, name: "splats", publicUrl: `${s3.origin}/public/splats`, mayWrite: true },
  });
  expect(await jsonOf(secretsFile)).toMatchObject({ buckets: { [`${s3.origin}/splats`]: SCRIPTED_KEYS } });
  if (process.platform !== "win32") expect((await stat(secretsFile)).mode & 0o777).toBe(0o600);
  expect(s3.objects.size).toBe(0);
  const found = await run(["check"], {});
  expect(found.code, found.stderr).toBe(0);
  expect(found.stderr).toMatch(/\(kept by splatctl bucket init\)/);
  // The keys that are kept go with the bucket alone.
  const other = await run(["check"], { R2_BUCKET_NAME: "other" });
  expect([other.code, other.stdout]).toEqual([3, ""]);
  const ofAws = { AWS_ACCESS_KEY_ID: "aws", AWS_SECRET_ACCESS_KEY: "aws" };
  expect((await run(["check", "--no-write"], ofAws)).code).toBe(0);
  const forgotten = await run(["init", "--forget"], {});
  expect(forgotten.stdout).toMatch(/forgotten: the settings of bucket "splats" and 1 pair of keys/);
  expect([await jsonOf(userFile), await jsonOf(secretsFile)]).toEqual([{}, { backends: {}, buckets: {} }]);
  expect((await run(["init", "--forget"], {})).stdout).toBe("nothing was kept\n");
});

it("says whose keys were refused where the kept bucket has none of its own", async () => {
  const { run, userFile, s3 } = await desk();
  await saveUserConfig(userFile, { bucket: { endpoint: s3.origin, name: "splats", publicUrl: null } });
  const foreign = await run(["check"], { AWS_ACCESS_KEY_ID: "aws", AWS_SECRET_ACCESS_KEY: "aws" });
  expect(foreign.code).toBe(3);
  expect(foreign.stderr).toMatch(/in the environment: unset both/);
});

it("makes the bucket where it is missing and the token may, and lets pages read it", async () => {
  const { run, s3 } = await desk("admin", { buckets: [] });
  const asked = await run(["init"]);
  expect([asked.code, asked.stdout]).toEqual([2, ""]);
  expect(asked.stderr).toMatch(/nobody is there to confirm[^]*--yes/);
  expect(s3.buckets.size).toBe(0);
  const made = await run(["init", "--yes", "--origin", "https://b.example", "--json"]);
  expect(made.code, made.stderr).toBe(0);
  expect(JSON.parse(made.stdout)).toMatchObject({
    success: true,
    bucket: "splats",
    created: true,
    kept: true,
    cors_set: true,
    may_write: true,
  });
  expect([...s3.buckets]).toEqual(["splats"]);
  expect(rulesOf(s3.cors ?? "")).toMatchObject([{ ID: "splatctl", AllowedOrigin: ["https://b.example"] }]);
  expect(made.stderr).toMatch(/it is one for the whole account/);
});

it("keeps nothing of what cannot be read, or when told so", async () => {
  const { run, env, userFile, secretsFile } = await desk("write", { buckets: [] });
  const missing = await run(["init", "--yes"]);
  expect(missing.code).toBe(3);
  expect(missing.stderr).toMatch(/is not there, and the token may not make it/);
  const { run: runOther, env: good } = await desk("write");
  const unkept = await runOther(["init", "--no-save"]);
  expect([unkept.code, unkept.stdout.includes("nothing is kept")]).toEqual([0, true]);
  const temporary = await run(["init"], { ...good, AWS_SESSION_TOKEN: "t" });
  expect(temporary.stderr).toMatch(/AWS_SESSION_TOKEN hold for some hours only: nothing is kept/);
  const refused = await run(["init"], { ...env, AWS_ACCESS_KEY_ID: "another" });
  expect(refused.code).toBe(3);
  for (const path of [userFile, secretsFile]) await expect(stat(path)).rejects.toThrow("ENOENT");
});

it("keeps the bucket though its rules could not be set, and ends with 5", async () => {
  const { run, userFile } = await desk("write");
  const { code, stdout, stderr } = await run(["init", "--origin", "https://b.example"]);
  expect(code).toBe(5);
  expect(stderr).toMatch(/CORS Policy, JSON[^]*"https:\/\/b\.example"/);
  expect(stdout).not.toContain("may read it");
  expect(await jsonOf(userFile)).toMatchObject({ bucket: { name: "splats" } });
});

it("names the variables that are missing where nobody can be asked", async () => {
  const { run, env } = await desk();
  const { code, stderr } = await run(["init"], { AWS_ACCESS_KEY_ID: env["AWS_ACCESS_KEY_ID"] });
  expect(code).toBe(3);
  expect(stderr).toMatch(/ask for R2_ENDPOINT_URL, R2_BUCKET_NAME, AWS_SECRET_ACCESS_KEY\n/);
  const json = await run(["init", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ success: false, error: { code: "usage" } });
});

it("tells of another bucket that is kept before it replaces it", async () => {
  const first = await desk("write");
  expect((await first.run(["init"])).code).toBe(0);
  const second = await desk("write");
  const asked = await first.run(["init"], second.env);
  expect(asked.code).toBe(2);
  expect(second.s3.requests).toEqual([]);
  const done = await first.run(["init", "--yes"], second.env);
  expect(done.code, done.stderr).toBe(0);
  expect(done.stderr).toMatch(
    /bucket "splats" at \S+ is kept already: it would be used no more, and its keys removed/,
  );
  expect(await jsonOf(first.userFile)).toMatchObject({ bucket: { endpoint: second.s3.origin } });
  expect(await jsonOf(first.secretsFile)).toEqual({
    backends: {},
    buckets: { [`${second.s3.origin}/splats`]: SCRIPTED_KEYS },
  });
  const same = await first.run(["init"], {});
  expect(same.code, same.stderr).toBe(0);
  expect(same.stderr).toMatch(/settings are kept for bucket "splats" already: they are replaced/);
});

it("closes a file of secrets that others can read, and says so", async (context) => {
  context.skip(process.platform === "win32", "Windows has no permission bits");
  const { run, folder, secretsFile } = await desk();
  await mkdir(folder, { recursive: true });
  await writeFile(secretsFile, `{"backends": {}}`);
  await chmod(secretsFile, 0o644);
  const { stderr } = await run(["check", "--no-write"]);
  expect(stderr).toMatch(/others on this machine could read .*secrets\.json: it is closed now/);
  expect((await stat(secretsFile)).mode & 0o777).toBe(0o600);
});

it("works with Cloudflare's simulator from the first command to the last", async () => {
  const r2 = await startR2();
  onTestFinished(() => r2.close());
  const { endpoint, bucket, accessKeyId, secretAccessKey, publicUrl } = r2.settings();
  const env = {
    SPLAT_CONFIG_DIR: await temporaryFolder(),
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const flags = ["--endpoint", endpoint, "--name", bucket, "--public-url", publicUrl ?? ""];
  const made = await runCli(["bucket", "init", ...flags], { env });
  expect(made.code, made.stderr).toBe(0);
  const checked = await runCli(["bucket", "check"], { env: { SPLAT_CONFIG_DIR: env.SPLAT_CONFIG_DIR } });
  expect(checked.code, checked.stderr).toBe(0);
  expect(checked.stdout.toString()).toMatch(/ok {7}public address {2}\S+ serves what the bucket holds/);
  expect(await r2.sums()).toEqual(new Map());
});
