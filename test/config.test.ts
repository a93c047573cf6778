import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { resolveConfig } from "../src/config.ts";
import { SplatError } from "../src/errors.ts";

/** Nobody's own settings: those of whoever runs the tests are not looked at. */
const NOBODY = { SPLAT_CONFIG_DIR: join(tmpdir(), "splatctl-no-settings") };

/** A folder with a project file, text or what is to be JSON. */
async function project(content: unknown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-project-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const text = typeof content === "string" ? content : JSON.stringify(content);
  await writeFile(join(folder, "splatctl.json"), text);
  return folder;
}

it("takes flags over the environment over the project file over what is usual", async () => {
  const folder = await project({ url: "http://project:1", spool: "kept" });
  const env = { ...NOBODY, SPLAT_API_URL: "http://environment:1" };
  const flags = { url: "http://flag:1/" };
  expect(await resolveConfig(flags, env, folder)).toMatchObject({ url: "http://flag:1", urlOrigin: "flag" });
  expect(await resolveConfig({}, env, folder)).toMatchObject({
    url: "http://environment:1",
    urlOrigin: "environment",
    spoolDir: "kept",
  });
  expect(await resolveConfig({}, NOBODY, folder)).toMatchObject({
    url: "http://project:1",
    urlOrigin: "project file",
  });
  expect(await resolveConfig({}, NOBODY, tmpdir())).toMatchObject({ urlOrigin: "default", project: {} });
});

it("takes the scene from the flag over SPLAT_SCENE over the project file over nothing", async () => {
  const folder = await project({ scene: "project" });
  const own = { SPLAT_CONFIG_DIR: join(folder, "none") };
  const env = { ...own, SPLAT_SCENE: "environment" };
  expect(await resolveConfig({ scene: "flag" }, env, folder)).toMatchObject({ scene: "flag" });
  expect(await resolveConfig({}, env, folder)).toMatchObject({ scene: "environment" });
  expect(await resolveConfig({}, own, folder)).toMatchObject({ scene: "project" });
  expect((await resolveConfig({}, own, tmpdir())).scene).toBeUndefined();
});

it("keeps what runs and its logs where the environment says, else with the user's state", async () => {
  const env = { ...NOBODY, XDG_STATE_HOME: tmpdir() };
  expect(await resolveConfig({}, env, tmpdir())).toMatchObject({
    runDir: join(tmpdir(), "splatctl", "run"),
    logDir: join(tmpdir(), "splatctl", "log"),
    detachedLog: undefined,
  });
  const named = { ...env, SPLAT_RUN_DIR: "a", SPLAT_LOG_DIR: "b" };
  expect(await resolveConfig({}, named, tmpdir())).toMatchObject({ runDir: "a", logDir: "b" });
});

it("hands on what the project file says of capture and relay", async () => {
  const whole = {
    capture: { folder: "photos", recursive: true, include: ["*.png"], exclude: [], fps: 10 },
    relay: { source: "http", url: "http://127.0.0.1:8020", hz: 30, units: "deg", port: 7861, robot_id: "a" },
  };
  expect((await resolveConfig({}, NOBODY, await project(whole))).project).toEqual(whole);
});

it.each<[string, unknown, RegExp, RegExp | undefined]>([
  ["text that is no JSON", `{"a": "hunter2"`, /is not JSON/, /not needed/],
  ["a list", [], /expected object/, undefined],
  ["an unknown key", { ulr: "http://a" }, /no setting is called "ulr"/, /There are: url, scene, spool/],
  ["one further in", { relay: { source: "serial", baud: 1 } }, /"relay.baud"/, /There are: source, path/],
  ["a wrong value", { capture: { fps: 0 } }, /capture\.fps: /, undefined],
  ["a source that is none", { relay: { source: "usb" } }, /relay\.source: /, undefined],
  ["a token", { token: "hunter2" }, /must not hold secrets: "token"/, /SPLAT_API_TOKEN/],
  [
    "a secret further in",
    { relay: { source: "http", api_key: "hunter2" } },
    /"relay.api_key"/,
    /environment/,
  ],
  ["a password in a URL", { url: "http://me:hunter2@a" }, /secrets: url holds one/, /environment/],
])("refuses a project file with %s", async (_name, content, message, hint) => {
  const folder = await project(content);
  const error = await resolveConfig({}, NOBODY, folder).catch((thrown: unknown) => thrown as SplatError);
  expect(error).toMatchObject({ code: "bad_input" });
  if (!(error instanceof SplatError)) return;
  expect(error.message).toContain(join(folder, "splatctl.json"));
  expect(error.message).toMatch(message);
  if (hint !== undefined) expect(error.hint).toMatch(hint);
  expect(`${error.message} ${error.hint}`).not.toContain("hunter2");
});
