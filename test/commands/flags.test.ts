import { join } from "node:path";
import { expect, test } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { backendOf } from "../../src/commands/flags.ts";
import { resolveConfig } from "../../src/config.ts";
import { saveSecrets } from "../../src/secrets-file.ts";
import { saveUserConfig } from "../../src/user-config.ts";
import { tempFolder } from "../helpers/pictures.ts";

/** A name of the user's own, which leads to Modal. */
const BACKEND = "https://splats.example.com";
const DEPLOYMENT = {
  app: "live-splat",
  environment: null,
  url: BACKEND,
  gpu: ["L4"],
  strategy: "rolling" as const,
  idleStopMin: 15,
  scenes: ["main"],
  corsOrigins: [],
  proxyAuth: false,
  maxGaussians: null,
  withBucket: false,
  deployedAt: "2026-01-01T00:00:00.000Z",
};

test("what splatctl deployed is in the cloud, whatever its name; another backend of that kind of name is not", async () => {
  const dir = await tempFolder();
  await saveUserConfig(join(dir, "config.json"), { url: BACKEND, deployment: DEPLOYMENT });
  const isCloud = async (flags: { url?: string }): Promise<boolean> =>
    createClient(backendOf(await resolveConfig(flags, { SPLAT_CONFIG_DIR: dir }, dir))).isCloud;
  expect(await isCloud({})).toBe(true);
  expect(await isCloud({ url: `${BACKEND}/` })).toBe(true);
  expect(await isCloud({ url: "https://robot.example.com" })).toBe(false);
});

test("a token is said to be the environment's or the one that is kept", async () => {
  const dir = await tempFolder();
  await saveSecrets(join(dir, "secrets.json"), BACKEND, { token: "kept" });
  const env = { SPLAT_CONFIG_DIR: dir };
  const backend = async (more: NodeJS.ProcessEnv = {}) =>
    backendOf(await resolveConfig({ url: BACKEND }, { ...env, ...more }, dir));
  expect(await backend()).toMatchObject({ token: "kept", tokenFrom: "kept" });
  const own = { token: "own", tokenFrom: "environment" };
  expect(await backend({ SPLAT_API_TOKEN: "own" })).toMatchObject(own);
});
