import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { pythonEnvironment, resolveBucket, resolvePublicUrl } from "../src/config.ts";
import { bucketId } from "../src/config-bucket.ts";
import {
  closeSecrets,
  forgetBucketKeys,
  forgetKeysOf,
  forgetSecrets,
  readBucketKeys,
  readSecrets,
  saveBucketKeys,
  saveSecrets,
} from "../src/secrets-file.ts";
import { readUserConfig, saveUserConfig } from "../src/user-config.ts";

const ENDPOINT = "https://account.r2.cloudflarestorage.com";
const PUBLIC_URL = "https://pub-1.r2.dev";
const KEYS = { accessKeyId: "kept-key", secretAccessKey: "swordfish" };
const KEPT = { endpoint: ENDPOINT, name: "splats", publicUrl: PUBLIC_URL };
const NAMES = { R2_ENDPOINT_URL: ` ${ENDPOINT} `, R2_BUCKET_NAME: "splats" };
const KEY_VARIABLES = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" };
const FULL = { ...NAMES, ...KEY_VARIABLES, R2_PUBLIC_URL: PUBLIC_URL };

interface Settings {
  readonly env: NodeJS.ProcessEnv;
  readonly user: string;
  readonly secrets: string;
}

async function settings(): Promise<Settings> {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-bucket-settings-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return {
    env: { SPLAT_CONFIG_DIR: folder },
    user: join(folder, "config.json"),
    secrets: join(folder, "secrets.json"),
  };
}

async function kept(): Promise<Settings> {
  const made = await settings();
  await saveUserConfig(made.user, { bucket: KEPT });
  await saveBucketKeys(made.secrets, bucketId(ENDPOINT, "splats"), KEYS);
  return made;
}

it("reads the settings of a bucket from the environment, the public address being optional", async () => {
  const { env } = await settings();
  expect(await resolveBucket({ ...env, ...FULL })).toEqual({
    endpoint: ENDPOINT,
    bucket: "splats",
    accessKeyId: "key",
    secretAccessKey: "secret",
    publicUrl: PUBLIC_URL,
    namesFrom: "environment",
    keysFrom: "environment",
    mayWrite: true,
  });
  expect(await resolveBucket({ ...env, ...FULL, R2_PUBLIC_URL: "" })).toMatchObject({ publicUrl: null });
  expect(await resolveBucket({ ...env, ...FULL, AWS_SESSION_TOKEN: "t" })).toMatchObject({
    sessionToken: "t",
  });
});

it("asks for no bucket when none is named, also where keys for other purposes are set", async () => {
  const { env } = await settings();
  expect(await resolveBucket(env)).toBeUndefined();
  expect(await resolveBucket({ ...env, ...KEY_VARIABLES })).toBeUndefined();
  expect(await resolvePublicUrl({ ...env, ...KEY_VARIABLES })).toBeUndefined();
});

it.each([
  [["R2_ENDPOINT_URL"]],
  [["R2_BUCKET_NAME"]],
  [["AWS_ACCESS_KEY_ID"]],
  [["AWS_SECRET_ACCESS_KEY", "R2_ENDPOINT_URL"]],
  [["R2_BUCKET_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]],
])("names what is missing of an incomplete set: %s", async (missing) => {
  const { env } = await settings();
  const given = Object.entries(FULL).filter(([name]) => !missing.includes(name));
  const error: unknown = await resolveBucket({ ...env, ...Object.fromEntries(given) }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: "not_configured" });
  const said = String(error);
  for (const name of Object.keys(FULL)) expect(said.includes(name)).toBe(missing.includes(name));
  expect(said).not.toMatch(/\bkey\b|secret/);
});

it("takes what is kept where the environment says nothing", async () => {
  const { env } = await kept();
  expect(await resolveBucket({ ...env, R2_BUCKET_NAME: " " })).toEqual({
    endpoint: ENDPOINT,
    bucket: "splats",
    ...KEYS,
    publicUrl: PUBLIC_URL,
    namesFrom: "user settings",
    keysFrom: "user settings",
    mayWrite: true,
  });
  expect(await resolvePublicUrl(env)).toBe(PUBLIC_URL);
});

it("hands no keys of the environment to a kept bucket that has its own, nor half a pair", async () => {
  const { env } = await kept();
  const ofAws = { ...KEY_VARIABLES, AWS_SESSION_TOKEN: "t" };
  for (const given of [ofAws, { AWS_ACCESS_KEY_ID: "key" }, { AWS_SECRET_ACCESS_KEY: "secret" }]) {
    const bucket = await resolveBucket({ ...env, ...given, R2_PUBLIC_URL: PUBLIC_URL });
    expect(bucket).toMatchObject({ ...KEYS, namesFrom: "user settings", keysFrom: "user settings" });
    expect(bucket).not.toHaveProperty("sessionToken");
  }
});

it("takes keys of the environment where the environment names the bucket, or none are kept for it", async () => {
  const { env, secrets } = await kept();
  expect(await resolveBucket({ ...env, ...KEY_VARIABLES, R2_BUCKET_NAME: "splats" })).toMatchObject({
    accessKeyId: "key",
    namesFrom: "environment",
    keysFrom: "environment",
  });
  const written = {
    R2_ENDPOINT_URL: "https://ACCOUNT.r2.cloudflarestorage.com:443/",
    R2_BUCKET_NAME: "splats",
  };
  expect(await resolveBucket({ ...env, ...written })).toMatchObject({
    accessKeyId: "kept-key",
    publicUrl: PUBLIC_URL,
    namesFrom: "environment",
    keysFrom: "user settings",
  });
  await forgetBucketKeys(secrets);
  expect(await resolveBucket({ ...env, ...KEY_VARIABLES })).toMatchObject({
    secretAccessKey: "secret",
    namesFrom: "user settings",
    keysFrom: "environment",
  });
});

it("says what to do about a kept bucket whose keys are gone, not about variables that nobody set", async () => {
  const { env, secrets } = await kept();
  await forgetBucketKeys(secrets);
  const error: unknown = await resolveBucket(env).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "not_configured",
    message: 'bucket "splats" is kept, and its keys are not: no AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY',
    hint: expect.stringMatching(
      /`splatctl bucket init` .*`splatctl bucket init --forget` .*--no-bucket/,
    ) as string,
  });
});

it.each<[string, Record<string, string>]>([
  ["another bucket", { R2_BUCKET_NAME: "other" }],
  ["another account", { R2_ENDPOINT_URL: "https://other.r2.cloudflarestorage.com" }],
  ["another server", { R2_ENDPOINT_URL: `${ENDPOINT}.evil.example` }],
  ["a server without TLS", { R2_ENDPOINT_URL: ENDPOINT.replace("https", "http") }],
  ["a name of every object", { R2_BUCKET_NAME: "__proto__" }],
])("hands keys and public address to the bucket that they belong to, not to %s", async (_what, given) => {
  const { env } = await kept();
  const error: unknown = await resolveBucket({ ...env, ...given }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "not_configured",
    message: "the settings of the bucket are incomplete: no AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
    hint: expect.stringContaining("splatctl bucket init") as string,
  });
  expect(await resolveBucket({ ...env, ...given, ...KEY_VARIABLES })).toMatchObject({ publicUrl: null });
  expect(await resolvePublicUrl({ ...env, ...given })).toBeUndefined();
});

it.each(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])(
  "makes no pair of a kept key and %s from the environment",
  async (name) => {
    const made = await kept();
    const env = { ...made.env, R2_BUCKET_NAME: "splats" };
    const missing = name === "AWS_ACCESS_KEY_ID" ? /no AWS_SECRET_ACCESS_KEY$/ : /no AWS_ACCESS_KEY_ID$/;
    await expect(resolveBucket({ ...env, [name]: "half" })).rejects.toMatchObject({
      code: "not_configured",
      message: expect.stringMatching(missing) as string,
    });
  },
);

it("knows that kept keys only read, and nothing of that about others", async () => {
  const { env, user } = await kept();
  await saveUserConfig(user, { bucket: { ...KEPT, mayWrite: false } });
  expect(await resolveBucket(env)).toMatchObject({ mayWrite: false });
  expect(await resolveBucket({ ...env, ...NAMES, ...KEY_VARIABLES })).toMatchObject({ mayWrite: true });
});

it("gives the public address without keys, and takes it for no bucket to write to", async () => {
  const { env } = await settings();
  expect(await resolveBucket({ ...env, R2_PUBLIC_URL: PUBLIC_URL })).toBeUndefined();
  expect(await resolvePublicUrl({ ...env, R2_PUBLIC_URL: PUBLIC_URL })).toBe(PUBLIC_URL);
});

it("tells a Python backend of the bucket in variables, and of no other than the one chosen", async () => {
  const { env } = await kept();
  const given = { R2_BUCKET_NAME: "left-over", SPLAT_MAX_PIXELS: "1" };
  expect(pythonEnvironment(given, await resolveBucket(env))).toMatchObject({
    SPLAT_MAX_PIXELS: "1",
    R2_ENDPOINT_URL: ENDPOINT,
    R2_BUCKET_NAME: "splats",
    R2_PUBLIC_URL: PUBLIC_URL,
    AWS_ACCESS_KEY_ID: "kept-key",
    AWS_SECRET_ACCESS_KEY: "swordfish",
    AWS_SESSION_TOKEN: undefined,
  });
  expect(pythonEnvironment(given, undefined)["R2_BUCKET_NAME"]).toBeUndefined();
});

it("keeps keys of buckets beside the secrets of backends, in a file of a version that knew none too", async () => {
  const { secrets } = await settings();
  const backend = "http://127.0.0.1:7860";
  await writeFile(secrets, JSON.stringify({ backends: { [backend]: { token: "one" } } }));
  expect(await readBucketKeys(secrets, "a/b")).toBeUndefined();
  await saveBucketKeys(secrets, "a/b", KEYS);
  await saveSecrets(secrets, backend, { token: "two" });
  expect(await readBucketKeys(secrets, "a/b")).toEqual(KEYS);
  expect(await forgetBucketKeys(secrets)).toBe(1);
  expect(await forgetBucketKeys(secrets)).toBe(0);
  expect(await readBucketKeys(secrets, "a/b")).toBeUndefined();
  expect(await readSecrets(secrets, backend)).toEqual({ token: "two" });
});

it("loses nothing of what others write to the file of secrets meanwhile", async () => {
  const { secrets, user } = await settings();
  const backends = ["http://a:1", "http://b:1", "http://c:1"];
  await Promise.all([
    ...backends.map(async (url) => saveSecrets(secrets, url, { token: url })),
    saveBucketKeys(secrets, "a/b", KEYS),
    saveUserConfig(user, { scene: "left" }),
    saveUserConfig(user, { bucket: KEPT }),
  ]);
  for (const url of backends) expect(await readSecrets(secrets, url)).toEqual({ token: url });
  expect(await readBucketKeys(secrets, "a/b")).toEqual(KEYS);
  expect(await readUserConfig(user)).toEqual({ scene: "left", bucket: KEPT });
});

it("lets be what a newer splatctl may have written among the secrets", async () => {
  const { secrets } = await settings();
  const newer = {
    relays: { one: "r" },
    backends: { "http://a:1": { token: "one", cookie: "c" }, "http://b:1": { token: "two" } },
    buckets: { "a/b": { ...KEYS, expires: "never" }, "a/c": KEYS, "a/d": KEYS },
  };
  await writeFile(secrets, JSON.stringify(newer));
  await saveBucketKeys(secrets, "a/e", KEYS);
  await forgetKeysOf(secrets, "a/d");
  await forgetSecrets(secrets, "http://b:1");
  expect(JSON.parse(await readFile(secrets, "utf8"))).toEqual({
    relays: newer.relays,
    backends: { "http://a:1": newer.backends["http://a:1"] },
    buckets: { "a/b": newer.buckets["a/b"], "a/c": KEYS, "a/e": KEYS },
  });
  expect(await readBucketKeys(secrets, "a/b")).toEqual(KEYS);
  expect(await forgetBucketKeys(secrets)).toBe(3);
  expect(JSON.parse(await readFile(secrets, "utf8"))).toMatchObject({ relays: newer.relays, buckets: {} });
});

it.each([{ buckets: { "a/b": { accessKeyId: "hunter2" } } }, { buckets: "hunter2" }])(
  "refuses keys that are not as they should be, without quoting them",
  async (content) => {
    const { secrets } = await settings();
    await writeFile(secrets, JSON.stringify({ backends: {}, ...content }));
    const error: unknown = await readBucketKeys(secrets, "a/b").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "bad_input" });
    expect(String(error)).not.toContain("hunter2");
    await expect(saveBucketKeys(secrets, "a/b", KEYS)).rejects.toMatchObject({ code: "bad_input" });
    expect(await readFile(secrets, "utf8")).toContain("hunter2");
  },
);

it("closes a file of secrets that others can read, and says whether it had to", async (context) => {
  context.skip(process.platform === "win32", "Windows has no permission bits");
  const { secrets } = await settings();
  expect(await closeSecrets(secrets)).toBe(false);
  await writeFile(secrets, "{}", { mode: 0o640 });
  expect(await closeSecrets(secrets)).toBe(true);
  expect(await closeSecrets(secrets)).toBe(false);
});

it("refuses a kept bucket that is not as it should be", async () => {
  const { env, user } = await settings();
  await writeFile(user, JSON.stringify({ bucket: { endpoint: ENDPOINT } }));
  await expect(resolveBucket(env)).rejects.toMatchObject({ code: "bad_input" });
  await expect(readUserConfig(user)).rejects.toMatchObject({
    message: expect.stringContaining("bucket: name") as string,
  });
});
