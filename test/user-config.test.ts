import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { resolveConfig } from "../src/config.ts";
import { forgetSecrets, readSecrets, saveSecrets } from "../src/secrets-file.ts";
import { readUserConfig, saveUserConfig, type Deployment } from "../src/user-config.ts";

const CLOUD = "https://somebody--so100-live-splat.modal.run";

const DEPLOYMENT: Deployment = {
  app: "so100-live-splat",
  environment: null,
  url: CLOUD,
  gpu: ["L4"],
  strategy: "recreate",
  idleStopMin: 15,
  scenes: ["main"],
  corsOrigins: [],
  proxyAuth: false,
  maxGaussians: null,
  withBucket: false,
  deployedAt: "2026-01-02T03:04:05.000Z",
};

/** A folder of settings that is not there yet, and what names it. */
async function settings(): Promise<{
  env: NodeJS.ProcessEnv;
  folder: string;
  user: string;
  secrets: string;
}> {
  const parent = await mkdtemp(join(tmpdir(), "splatctl-settings-"));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  const folder = join(parent, "splatctl");
  return {
    env: { SPLAT_CONFIG_DIR: folder },
    folder,
    user: join(folder, "config.json"),
    secrets: join(folder, "secrets.json"),
  };
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

it("keeps what it is told, changes only what is named, and removes what is undefined", async () => {
  const { user, folder } = await settings();
  expect(await readUserConfig(user)).toEqual({});
  await saveUserConfig(user, { url: CLOUD, deployment: DEPLOYMENT });
  await saveUserConfig(user, { scene: "left" });
  expect(await readUserConfig(user)).toEqual({ url: CLOUD, deployment: DEPLOYMENT, scene: "left" });
  await saveUserConfig(user, { url: undefined, deployment: undefined });
  expect(await readUserConfig(user)).toEqual({ scene: "left" });
  expect(await readdir(folder)).toEqual(["config.json"]);
});

it("lets be what a newer splatctl may have written", async () => {
  const { user, folder } = await settings();
  await mkdir(folder);
  await writeFile(user, JSON.stringify({ url: CLOUD, colour: "blue" }));
  await saveUserConfig(user, { scene: "main" });
  expect(JSON.parse(await readFile(user, "utf8"))).toEqual({ url: CLOUD, colour: "blue", scene: "main" });
});

it.each([["{"], [`{"url": 7}`], [`{"deployment": {"app": "a"}}`]])(
  "refuses settings that are not as they should be, and does not write over them: %s",
  async (content) => {
    const { env, user, folder } = await settings();
    await mkdir(folder);
    await writeFile(user, content);
    const hint = "Mend the file, or remove it.";
    const wrong = { code: "bad_input", message: expect.stringContaining(user) as string, hint };
    await expect(resolveConfig({}, env, folder)).rejects.toMatchObject(wrong);
    await expect(saveUserConfig(user, { scene: "main" })).rejects.toMatchObject(wrong);
    expect(await readFile(user, "utf8")).toBe(content);
  },
);

it("takes the user's URL after the project file's and before what is usual", async () => {
  const { env, user, folder } = await settings();
  await saveUserConfig(user, { url: CLOUD, scene: "left" });
  expect(await resolveConfig({}, env, folder)).toMatchObject({
    url: CLOUD,
    urlOrigin: "user settings",
    scene: "left",
    user: { url: CLOUD },
  });
  await writeFile(join(folder, "splatctl.json"), JSON.stringify({ url: "http://project:1" }));
  expect(await resolveConfig({}, env, folder)).toMatchObject({
    url: "http://project:1",
    urlOrigin: "project file",
  });
});

it("hands a token to the backend that it belongs to, and to no other", async () => {
  const { env, secrets, folder } = await settings();
  await saveSecrets(secrets, CLOUD, { token: "t-cloud", proxyKey: "k", proxySecret: "s" });
  expect(await resolveConfig({ url: `${CLOUD}/` }, env, folder)).toMatchObject({
    token: "t-cloud",
    ownToken: undefined,
    proxyAuth: { key: "k", secret: "s" },
  });
  for (const url of [
    "http://127.0.0.1:7860",
    "https://somebody--other.modal.run",
    `${CLOUD}.evil.example`,
    CLOUD.replace("https", "http"),
    `${CLOUD}/path`,
    "https://__proto__",
  ]) {
    expect(await resolveConfig({ url }, env, folder)).toMatchObject({
      token: undefined,
      proxyAuth: undefined,
    });
  }
});

it("lets the environment win over what is kept", async () => {
  const { env, secrets, folder } = await settings();
  await saveSecrets(secrets, CLOUD, { token: "kept", proxyKey: "k", proxySecret: "s" });
  const named = { ...env, SPLAT_API_TOKEN: "given", SPLAT_PROXY_KEY: "a", SPLAT_PROXY_SECRET: "b" };
  expect(await resolveConfig({ url: CLOUD }, named, folder)).toMatchObject({
    token: "given",
    ownToken: "given",
    proxyAuth: { key: "a", secret: "b" },
  });
});

it.each(["SPLAT_PROXY_KEY", "SPLAT_PROXY_SECRET"])("names what is missing beside %s", async (name) => {
  const { env, folder } = await settings();
  const missing = name === "SPLAT_PROXY_KEY" ? /no SPLAT_PROXY_SECRET/ : /no SPLAT_PROXY_KEY/;
  const resolving = resolveConfig({}, { ...env, [name]: "half" }, folder);
  await expect(resolving).rejects.toMatchObject({
    code: "not_configured",
    message: expect.stringMatching(missing) as string,
  });
});

it("keeps secrets for their owner alone, also where the file was open before", async (context) => {
  context.skip(process.platform === "win32", "Windows has no permission bits");
  const { secrets, folder } = await settings();
  await saveSecrets(secrets, CLOUD, { token: "one" });
  expect([await modeOf(folder), await modeOf(secrets)]).toEqual([0o700, 0o600]);
  await chmod(folder, 0o755);
  await chmod(secrets, 0o644);
  await saveSecrets(secrets, "https://other.modal.run", { token: "two" });
  // The folder may be any that was named: it stays as it was.
  expect([await modeOf(folder), await modeOf(secrets)]).toEqual([0o755, 0o600]);
  expect(await readSecrets(secrets, CLOUD)).toEqual({ token: "one" });
  await forgetSecrets(secrets, CLOUD);
  expect(await readSecrets(secrets, CLOUD)).toEqual({});
  expect(await readSecrets(secrets, "https://other.modal.run")).toEqual({ token: "two" });
  expect(await readdir(folder)).toEqual(["secrets.json"]);
});

it.each([`{"backends": {"${CLOUD}": {"token": 7, "proxyKey": "hunter2"}}}`, "hunter2", "[]"])(
  "refuses a file of secrets that is not as it should be, without quoting it",
  async (content) => {
    const { env, secrets, folder } = await settings();
    await mkdir(folder);
    await writeFile(secrets, content);
    const error = await resolveConfig({ url: CLOUD }, env, folder).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "bad_input", hint: "Mend the file, or remove it." });
    expect(String(error)).toContain(secrets);
    expect(String(error)).not.toContain("hunter2");
    await expect(saveSecrets(secrets, CLOUD, { token: "new" })).rejects.toMatchObject({ code: "bad_input" });
    expect(await readFile(secrets, "utf8")).toBe(content);
  },
);

it("looks for the settings where the platform's other programs have theirs", async () => {
  const base = tmpdir();
  expect((await resolveConfig({}, { XDG_CONFIG_HOME: base }, base)).userFile).toBe(
    join(base, "splatctl", "config.json"),
  );
  // A relative path is to be ignored, says the specification.
  const { userFile, secretsFile } = await resolveConfig({ url: CLOUD }, { XDG_CONFIG_HOME: "here" }, base);
  expect(userFile.startsWith(homedir())).toBe(true);
  expect(secretsFile.startsWith(homedir())).toBe(true);
});
