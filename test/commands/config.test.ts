/** `splatctl config`: what counts and why, and changes that keep everything else. */
import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, type TestContext } from "vitest";
import { temporaryFolder } from "../helpers/backend-fixture.ts";
import { converse } from "../helpers/conversation.ts";
import { runHere, type RanHere } from "../helpers/run-here.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const URL_HERE = "http://127.0.0.1:7860";

interface Desk {
  readonly folder: string;
  readonly userFile: string;
  readonly secretsFile: string;
  readonly env: Readonly<Record<string, string>>;
  /** `splatctl config ...args`, with variables on top. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<RanHere>;
  projectText(): Promise<string>;
}

async function desk({
  project,
  user,
  secrets,
}: { project?: string; user?: object; secrets?: object } = {}): Promise<Desk> {
  const folder = await temporaryFolder();
  const own = join(await temporaryFolder(), "settings");
  await mkdir(own);
  const [userFile, secretsFile] = [join(own, "config.json"), join(own, "secrets.json")];
  if (project !== undefined) await writeFile(join(folder, "splatctl.json"), project);
  if (user !== undefined) await writeFile(userFile, JSON.stringify(user));
  if (secrets !== undefined) await writeFile(secretsFile, JSON.stringify(secrets), { mode: 0o600 });
  const env = { SPLAT_CONFIG_DIR: own };
  return {
    folder,
    userFile,
    secretsFile,
    env,
    async run(args, more = {}) {
      const before = process.cwd();
      process.chdir(folder);
      try {
        return await runHere(["config", ...args], { ...env, ...more });
      } finally {
        process.chdir(before);
      }
    },
    projectText: () => readFile(join(folder, "splatctl.json"), "utf8"),
  };
}

interface Listed {
  readonly settings: readonly { key: string; value: unknown; set: boolean; origin: string; source: string }[];
  readonly warnings: readonly string[];
}

async function listed(at: Desk, env = {}, flags: readonly string[] = []): Promise<(key: string) => unknown> {
  const { stdout } = await at.run(["list", "--json", ...flags], env);
  const { settings } = JSON.parse(stdout) as Listed;
  return (key) => {
    const { value, set, origin, source } =
      settings.find((each) => each.key === key) ?? expect.unreachable(key);
    return set ? [value, origin, source] : null;
  };
}

it("takes the flag over the variable over the project file over the user's own over what is usual, and says which", async () => {
  const at = await desk({
    project: `{ "url": "http://project:1" }`,
    user: { url: "http://user:1", scene: "mine" },
  });
  const env = { SPLAT_API_URL: "http://variable:1/" };
  expect((await listed(at, env, ["--url", "http://flag:1"]))("url")).toEqual([
    "http://flag:1",
    "flag",
    "--url",
  ]);
  const given = await listed(at, env);
  expect(given("url")).toEqual(["http://variable:1", "environment", "SPLAT_API_URL"]);
  expect(given("scene")).toEqual(["mine", "user settings", at.userFile]);
  expect(given("data")).toEqual(["splatctl-data", "default", "default"]);
  expect(given("capture.folder")).toBeNull();
  expect((await listed(at))("url")).toEqual(["http://project:1", "project file", "splatctl.json"]);
  const other = await desk({ user: { url: "http://user:1" } });
  expect((await listed(other))("url")).toEqual(["http://user:1", "user settings", other.userFile]);
  expect((await listed(await desk()))("url")).toEqual([URL_HERE, "default", "default"]);
});

it("shows that secrets are set and where, never what they are", async () => {
  const at = await desk({
    user: { bucket: { endpoint: "https://a.r2.cloudflarestorage.com", name: "splats", publicUrl: null } },
    secrets: {
      backends: { [URL_HERE]: { token: "swordfish-1", proxyKey: "swordfish-2", proxySecret: "swordfish-3" } },
      buckets: {
        "https://a.r2.cloudflarestorage.com/splats": {
          accessKeyId: "swordfish-4",
          secretAccessKey: "swordfish-5",
        },
      },
    },
  });
  const env = { SPLAT_PROXY_KEY: "swordfish-6", SPLAT_CAMERA_URL: "rtsp://me:swordfish@cam" };
  const runs = [
    await at.run(["list"], env),
    await at.run(["list", "--json"], env),
    await at.run(["get", "token"]),
  ];
  expect(JSON.stringify(runs)).not.toContain("swordfish");
  expect(runs[0].stdout).toMatch(/^token +set \(not shown\) +\S*secrets\.json/m);
  expect(runs[2]).toMatchObject({ code: 2, stdout: "" });
  const given = await listed(at, env);
  expect(given("token")).toEqual([null, "user settings", at.secretsFile]);
  expect(given("bucket.access_key_id")).toEqual([null, "user settings", at.secretsFile]);
  expect(given("bucket.name")).toEqual(["splats", "user settings", at.userFile]);
  // Half a pair is never made whole with half of another.
  expect(given("proxy.key")).toEqual([null, "environment", "SPLAT_PROXY_KEY"]);
  expect(given("proxy.secret")).toBeNull();
});

it("prints a bare value, and ends with 3 where there is none", async () => {
  const at = await desk({
    project: `{ "capture": { "folder": "a b", "include": ["*.jpg", "*.png"], "gate": false } }`,
  });
  for (const [key, printed] of [
    ["url", `${URL_HERE}\n`],
    ["scene", "main\n"],
    ["capture.folder", "a b\n"],
    ["capture.include", "*.jpg\n*.png\n"],
    ["capture.gate", "false\n"],
  ]) {
    expect(await at.run(["get", key])).toEqual({ code: 0, stdout: printed, stderr: "" });
  }
  expect(await at.run(["get", "token"])).toMatchObject({ code: 3, stdout: "" });
  expect(await at.run(["get", "capture.webcam"])).toMatchObject({ code: 3, stdout: "" });
});

it.each([
  ["uri", "Is url meant?"],
  ["capture.foldr", "Is capture.folder meant?"],
  ["folder", "Is capture.folder meant?"],
  ["relay", "There are relay.source"],
  ["\u001b[31m", "splatctl config list has them all"],
])("knows no setting %j, and says which may be meant", async (key, hint) => {
  const { code, stderr } = await (await desk()).run(["get", key]);
  expect(code).toBe(2);
  expect(stderr).toContain(hint);
  expect(stderr).not.toContain("\u001b[31m");
});

const WRITTEN = `{
  // ours
  "scene": "main", // the table
  "capture": {
    // slow disk
    "fps": 3,
  },
}
`;

it("changes one value and leaves the rest of the file alone", async () => {
  const at = await desk({ project: WRITTEN });
  expect((await at.run(["set", "capture.fps", "4.5"])).stdout).toBe("capture.fps is 4.5 (splatctl.json)\n");
  await at.run(["set", "capture.recursive", "yes"]);
  await at.run(["set", "capture.include", "*.jpg, *.png"]);
  await at.run(["unset", "scene"]);
  expect(await at.projectText()).toBe(`{
  // ours
  // the table
  "capture": {
    // slow disk
    "fps": 4.5,
    "recursive": true,
    "include": ["*.jpg", "*.png"]
  },
}
`);
});

it.each([
  [["capture.fps", "0"], "capture.fps cannot be that"],
  [["capture.fps", "fast"], "capture.fps must be a number"],
  [["capture.gate", "maybe"], "capture.gate must be true or false"],
  [["capture.size", "big"], "width and height"],
  [["relay.source", "usb"], "relay.source cannot be that"],
  [["relay.hz", "30"], "says nothing without relay.source"],
  [["url", "swordfish"], "url must be one like http://127.0.0.1:7860"],
  [["url", "http://me:swordfish@host"], "must not hold a secret"],
  [["scene", "A B"], "scene must be 1 to 32 of a-z"],
  [["scene"], "no value is given"],
  [["token", "swordfish"], "command lines are visible to all"],
  [["token", "--project"], "splatctl.json is shared and committed"],
  [["capture.fps", "3", "--user"], "cannot be kept there"],
  [["data", "there"], "It is set by SPLAT_DATA_DIR"],
  [["bucket.name", "a"], "splatctl bucket init"],
  [["deployment.url", "http://a"], "splatctl deploy"],
])("refuses to set %j", async (args, said) => {
  const at = await desk({ project: WRITTEN });
  const { code, stdout, stderr } = await at.run(["set", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(said);
  expect(stderr).not.toContain("swordfish");
  expect(await at.projectText()).toBe(WRITTEN);
});

it("keeps what both files may hold where it is told, else in the project file where there is one", async () => {
  const at = await desk();
  expect((await at.run(["set", "url", "http://a:1/"])).stdout).toBe(`url is http://a:1 (${at.userFile})\n`);
  await at.run(["set", "scene", "left", "--project"]);
  expect(await at.projectText()).toBe(`{\n  "scene": "left"\n}\n`);
  const { stderr, stdout } = await at.run(["set", "url", "http://b:1", "--json"], {
    SPLAT_API_URL: "http://c:1",
  });
  expect(stderr).toContain("SPLAT_API_URL gives it too, and wins: http://c:1");
  expect(JSON.parse(stdout)).toEqual({
    success: true,
    key: "url",
    value: "http://b:1",
    file: "splatctl.json",
    shadowed_by: "SPLAT_API_URL",
  });
  await at.run(["unset", "url", "--user"]);
  expect(JSON.parse(await readFile(at.userFile, "utf8"))).toEqual({});
  expect((await at.run(["get", "url"])).stdout).toBe("http://b:1\n");
});

it("takes away what has no business in a project file, and all that goes together", async () => {
  const at = await desk({ project: `{ "ulr": "http://a", "relay": { "source": "serial", "hz": 5 } }` });
  expect((await at.run(["list"])).stderr).toContain(`is "url" meant?`);
  expect((await at.run(["unset", "ulr"])).code).toBe(0);
  expect((await at.run(["unset", "relay.source"])).stderr).toContain(
    "splatctl config unset relay takes all of it away",
  );
  expect((await at.run(["unset", "relay"])).code).toBe(0);
  expect((await at.run(["get", "relay.hz"])).code).toBe(3);
});

it("mends a file with two faults, one after the other", async () => {
  const at = await desk({ project: '{ "captur": {}, "capture": { "fps": -1 } }' });
  expect((await at.run(["unset", "captur"])).code).toBe(0);
  expect((await at.run(["unset", "capture.fps"])).code).toBe(0);
  expect(JSON.parse(await at.projectText())).toEqual({ capture: {} });
});

it("leaves a read-only file as it is", async () => {
  const at = await desk({ project: "{}" });
  await chmod(join(at.folder, "splatctl.json"), 0o444);
  const { code, stderr } = await at.run(["set", "scene", "a"]);
  expect(code).toBe(2);
  expect(stderr).toContain("is read-only: nothing was written");
  expect(await at.projectText()).toBe("{}");
});

it("prints no password of an address in a variable", async () => {
  const at = await desk();
  const env = { R2_ENDPOINT_URL: "https://key:hunter2@host.example" };
  for (const flags of [[], ["--json"]]) {
    const { code, stdout } = await at.run(["get", "bucket.endpoint", ...flags], env);
    expect(code).toBe(0);
    expect(stdout).toContain("https://…@host.example");
    expect(stdout).not.toContain("hunter2");
  }
});

it("takes a secret from stdin for the backend in use, and from nowhere else", async () => {
  const at = await desk({ user: { url: "http://mine:1" } });
  const set = async (key: string, typed: string): Promise<{ code: number | null; said: string }> => {
    const child = spawn(process.execPath, [BIN, "config", "set", key], {
      cwd: at.folder,
      env: { ...process.env, ...at.env },
    });
    child.stdin.end(typed);
    const [out, errors, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.on("close", resolve)),
    ]);
    return { code, said: out + errors };
  };
  expect(await set("token", "swordfish-1\n")).toEqual({
    code: 0,
    said: `token for http://mine:1 is kept (${at.secretsFile})\n`,
  });
  expect((await set("proxy.key", "swordfish-2")).code).toBe(0);
  expect((await set("token", " \n")).code).toBe(2);
  const several = await set("token", "swordfish-3\nswordfish-4");
  expect(several.code).toBe(3);
  expect(several.said).not.toContain("swordfish");
  const kept = async (): Promise<unknown> => JSON.parse(await readFile(at.secretsFile, "utf8"));
  expect(await kept()).toMatchObject({
    backends: { "http://mine:1": { token: "swordfish-1", proxyKey: "swordfish-2" } },
  });
  expect((await stat(at.secretsFile)).mode & 0o777).toBe(0o600);
  await at.run(["unset", "token"]);
  expect(await kept()).toMatchObject({ backends: { "http://mine:1": { proxyKey: "swordfish-2" } } });
  await at.run(["unset", "proxy.key"]);
  expect(await kept()).toMatchObject({ backends: {} });
});

it("asks for a secret on a terminal, unseen", async (context: TestContext) => {
  const at = await desk();
  const talk = await converse(context, ["config", "set", "token"], { cwd: at.folder, env: at.env });
  await talk.answer(`token for ${URL_HERE} (not shown): `, "swordfish-typed");
  await talk.hear("is kept");
  expect(await talk.ended).toBe(0);
  expect(talk.raw()).not.toContain("swordfish");
  expect(await readFile(at.secretsFile, "utf8")).toContain("swordfish-typed");
});

it("names every file, whether it is there, and closes secrets that others could read", async () => {
  const at = await desk({ project: "{", secrets: { backends: {}, buckets: {} } });
  await chmod(at.secretsFile, 0o644);
  const { code, stdout, stderr } = await at.run(["path", "--json"]);
  expect(code).toBe(0);
  expect(stderr).toContain("it is closed now (mode 0600)");
  expect((await stat(at.secretsFile)).mode & 0o777).toBe(0o600);
  expect(JSON.parse(stdout)).toMatchObject({
    closed_secrets: true,
    places: expect.arrayContaining([
      { name: "project_file", path: expect.stringMatching(/splatctl\.json$/) as string, exists: true },
      { name: "user_settings", path: at.userFile, exists: false },
      { name: "secrets", path: at.secretsFile, exists: true },
    ]) as unknown,
  });
});

it("tells of variables that mean nothing, and of a URL that is none", async () => {
  const at = await desk();
  const env = {
    SPLAT_API_ULR: "http://a",
    SPLAT_CHUNK_NAME: "a",
    SPLAT_NONSENSE: "swordfish",
    SPLAT_API_URL: "here",
  };
  const { code, stdout, stderr } = await at.run(["list", "--json"], env);
  expect(code).toBe(0);
  expect((JSON.parse(stdout) as Listed).warnings).toEqual([
    "SPLAT_API_ULR is set, and means nothing to splatctl: is SPLAT_API_URL meant?",
    "SPLAT_NONSENSE is set, and means nothing to splatctl",
    "url (SPLAT_API_URL) is no http or https URL: no backend can be asked",
  ]);
  expect(stderr).toContain("warning: SPLAT_API_ULR is set");
  expect(stdout + stderr).not.toContain("swordfish");
});

it("fits a narrow terminal", async (context: TestContext) => {
  const at = await desk();
  const talk = await converse(context, ["config", "list"], {
    cwd: at.folder,
    env: { ...at.env, NO_COLOR: "1" },
    columns: 40,
    rows: 200,
  });
  expect(await talk.ended).toBe(0);
  expect(talk.said()).toContain(`url\n  ${URL_HERE}  (default)\n  --url, SPLAT_API_URL, `);
});
