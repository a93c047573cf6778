/** `splatctl init` as a person sits before it: a real terminal, real files, servers on loopback. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished, type TestContext } from "vitest";
import { readProjectFile, type Project } from "../../src/project-file.ts";
import { parseLens } from "../../src/commands/init-lens.ts";
import { answer as reply, no, STATUS } from "../api/answers.ts";
import { jpeg, temporaryFolder } from "../helpers/backend-fixture.ts";
import { converse, type Conversation } from "../helpers/conversation.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { modalDesk } from "../helpers/modal-desk.ts";
import { ptyPairFor } from "../helpers/pty.ts";
import { runCli } from "../helpers/run-cli.ts";
import { runHere, type RanHere } from "../helpers/run-here.ts";
import { SCRIPTED_KEYS, startScriptedS3 } from "../helpers/scripted-s3.ts";

/** A port that nothing listens on. */
const NOBODY = "http://127.0.0.1:9";

interface Desk {
  /** Where splatctl is called. */
  readonly folder: string;
  readonly configDir: string;
  readonly env: Record<string, string>;
  /** As splatctl reads it. */
  project(): Promise<Project>;
  /** Names in the folder. */
  files(): Promise<string[]>;
}

async function deskWith(projectFile?: string): Promise<Desk> {
  const configDir = join(await temporaryFolder(), "settings");
  const folder = await temporaryFolder();
  if (projectFile !== undefined) await writeFile(join(folder, "splatctl.json"), projectFile);
  await mkdir(configDir);
  // Whoever runs the tests may have a backend at the usual port.
  await writeFile(join(configDir, "config.json"), JSON.stringify({ url: NOBODY }));
  return {
    folder,
    configDir,
    env: { SPLAT_CONFIG_DIR: configDir },
    project: () => readProjectFile(join(folder, "splatctl.json")),
    files: async () => (await readdir(folder)).toSorted(),
  };
}

function sit(
  context: TestContext,
  desk: Desk,
  flags: readonly string[] = [],
  columns = 200,
): Promise<Conversation> {
  return converse(context, ["init", ...flags], { cwd: desk.folder, env: desk.env, columns });
}

/** Without a question, in this process: a start takes longer than the work. */
async function script(desk: Desk, ...flags: string[]): Promise<RanHere> {
  const before = process.cwd();
  process.chdir(desk.folder);
  try {
    return await runHere(["init", "--yes", ...flags], desk.env);
  } finally {
    process.chdir(before);
  }
}

async function backend(listener: RequestListener): Promise<string> {
  const server = await serveHttp(listener);
  onTestFinished(() => server.close());
  return server.url;
}

it("gets through with Enter alone, on a narrow terminal too, and says what to type next", async (context) => {
  const desk = await deskWith();
  const talk = await sit(context, desk, ["--relay", "none"], 40);
  for (const question of [
    "1 to 3 [1]: ",
    "1 to 3 [1]: ",
    "folder [captures]: ",
    "scene [main]: ",
    "[not known]: ",
    "[y/N] ",
    "Write it? [Y/n] ",
  ]) {
    await talk.answer(question);
  }
  await talk.hear("next: splatctl serve");
  await talk.hear("then: splatctl up");
  expect(await talk.ended).toBe(0);
  expect(await desk.files()).toEqual(["captures", "splatctl.json"]);
  expect(await desk.project()).toEqual({ url: NOBODY, capture: { folder: "captures" } });
  // Each key is explained, and waits as a comment that can be taken in.
  const text = await readFile(join(desk.folder, "splatctl.json"), "utf8");
  expect(text).toMatch(/\/\/ which of its scenes\n {2}\/\/ "scene": "main",/);
  const set = await runCli(["config", "set", "relay.source", "serial"], { cwd: desk.folder, env: desk.env });
  expect(set.stderr).toBe("");
  expect((await desk.project()).relay).toEqual({ source: "serial" });
});

it("asks again for what cannot be, and obeys nothing that is typed", async (context) => {
  const desk = await deskWith();
  await writeFile(join(desk.folder, "a-file"), "");
  const talk = await sit(context, desk, ["--relay", "none", "--no-bucket"]);
  await talk.answer("1 to 3 [1]: ", "9");
  await talk.hear("Answer with a number from 1 to 3.");
  await talk.answer("1 to 3 [1]: ", "other");
  await talk.answer("URL of the backend [", "swordfish");
  await talk.hear("that is no http or https URL");
  await talk.answer("URL of the backend [", "http://me:swordfish@127.0.0.1:9");
  await talk.hear("it holds more than an address");
  await talk.answer("URL of the backend [", "http://127.0.0.1:9/");
  await talk.hear("nothing answers at http://127.0.0.1:9 yet");
  await talk.answer("1 to 3 [1]: ");
  await talk.answer("folder [captures]: ", "a-file");
  await talk.hear("a-file is a file, not a folder");
  await talk.answer("folder [captures]: ", "x".repeat(5000));
  await talk.hear("That is too long");
  await talk.answer("folder [captures]: ", "Bilder \u{202e}größe 📷");
  await talk.hear("Bilder \\u{202e}größe 📷 will be made");
  await talk.answer("scene [main]: ", "Not A Scene");
  await talk.hear(`"Not A Scene" is no name of a scene`);
  await talk.answer("scene [main]: ", "kitchen");
  await talk.answer("[not known]: ", "640x480");
  await talk.hear("that is no lens");
  await talk.answer("[not known]: ", "640x480 62deg");
  await talk.answer("Write it? [Y/n] ", "perhaps");
  await talk.hear("Answer y or n.");
  await talk.answer("Write it? [Y/n] ", "y");
  await talk.hear("next: splatctl up");
  expect(await talk.ended).toBe(0);
  expect(talk.raw()).not.toContain("\u{202e}größe 📷 will");
  expect(await desk.project()).toEqual({
    url: "http://127.0.0.1:9",
    scene: "kitchen",
    capture: { folder: "Bilder \u{202e}größe 📷" },
  });
  expect(await readFile(join(desk.folder, "splatctl.json"), "utf8")).toContain(
    String.raw`Bilder \u202egröße`,
  );
});

it("takes lines that are pasted together", async (context) => {
  const desk = await deskWith();
  const talk = await sit(context, desk, ["--relay", "none", "--no-bucket"]);
  await talk.answer("1 to 3 [1]: ", ["1", "1", "shots", "left", "", "y"].join("\r"));
  expect(await talk.ended).toBe(0);
  expect(await desk.project()).toMatchObject({ scene: "left", capture: { folder: "shots" } });
});

for (const [name, before, last] of [
  ["the first question", [], "1 to 3 [1]: "],
  [
    "the last question",
    ["1 to 3 [1]: ", "1 to 3 [1]: ", "folder [captures]: ", "scene [main]: ", "[not known]: "],
    "Write it? [Y/n] ",
  ],
] as const) {
  it(`leaves nothing behind at Ctrl-C in ${name}`, async (context) => {
    const desk = await deskWith();
    const talk = await sit(context, desk, ["--relay", "none", "--no-bucket"]);
    for (const question of before) await talk.answer(question);
    await talk.hear(last);
    talk.press("\u0003");
    expect(await talk.ended).toBe(130);
    expect(talk.said()).toContain("nothing was written");
    expect(await desk.files()).toEqual([]);
    expect(await readdir(desk.configDir)).toEqual(["config.json"]);
  });
}

it("ends at Ctrl-C while an answer is tried", async (context) => {
  const desk = await deskWith();
  let asked: () => void = () => undefined;
  const isAsked = new Promise<void>((resolve) => (asked = resolve));
  // Takes the request, and never answers.
  const url = await backend(() => asked());
  const talk = await sit(context, desk);
  await talk.answer("1 to 3 [1]: ", "3");
  await talk.answer("URL of the backend [", url);
  await isAsked;
  talk.press("\u0003");
  expect(await talk.ended).toBe(130);
  expect(await desk.files()).toEqual([]);
});

const EXISTING = `{
  // ours
  "url": "http://127.0.0.1:9/window", // by the window
  "capture": { "folder": "old", "fps": 3 }, /* slow disk */
}
`;

it("changes a file that is there in its place, shows what, and asks first", async (context) => {
  const desk = await deskWith(EXISTING);
  await mkdir(join(desk.folder, "old"));
  const refused = await sit(context, desk, ["--relay", "none", "--no-bucket", "--scene", "left"]);
  await refused.hear("splatctl.json is here already");
  for (const question of ["1 to 3 [1]: ", "1 to 3 [1]: ", "folder [old]: ", "[not known]: "])
    await refused.answer(question);
  await refused.hear(`scene`);
  await refused.hear(`"left"`);
  await refused.answer("Change it? [Y/n] ", "n");
  expect(await refused.ended).toBe(130);
  expect(await readFile(join(desk.folder, "splatctl.json"), "utf8")).toBe(EXISTING);

  const { code } = await script(desk, "--scene", "left", "--folder", "new", "--relay", "http");
  expect(code).toBe(0);
  expect(await readFile(join(desk.folder, "splatctl.json"), "utf8")).toBe(`{
  // ours
  "url": "http://127.0.0.1:9/window", // by the window
  "capture": { "folder": "new", "fps": 3 }, /* slow disk */
  "scene": "left",
  "relay": {
    "source": "http"
  }
}
`);
  // Again, and nothing has to be changed.
  expect((await script(desk)).stdout).toMatch(/^nothing had to be changed\n/);
});

it("does not touch a file that it cannot read", async () => {
  const desk = await deskWith(`{ "url": }`);
  const { code, stderr } = await script(desk);
  expect(code).toBe(2);
  expect(stderr).toContain("splatctl.json is not JSON: line 1, column 10: a value should stand here");
  expect(await readFile(join(desk.folder, "splatctl.json"), "utf8")).toBe(`{ "url": }`);
});

const TOKEN = "right-swordfish-token";

it("asks for a backend's token until it is accepted, and keeps it for that URL alone, closed and unseen", async (context) => {
  const desk = await deskWith();
  const url = await backend((request, response) =>
    request.headers.authorization === `Bearer ${TOKEN}`
      ? reply(response, 200, STATUS)
      : reply(response, 401, no("unauthorized")),
  );
  const talk = await sit(context, desk, [
    "--url",
    url,
    "--no-pictures",
    "--relay",
    "none",
    "--no-bucket",
    "--scene",
    "main",
  ]);
  await talk.answer(`token for ${url} (not shown) [Enter: none]: `, "wrong-swordfish");
  await talk.hear("refuses the token");
  await talk.answer("[Enter: none]: ", TOKEN);
  await talk.hear("and accepts the token");
  await talk.answer("Write it? [Y/n] ");
  await talk.hear("next: splatctl capture FOLDER");
  expect(await talk.ended).toBe(0);
  expect(talk.raw()).not.toContain("swordfish");
  const secrets = join(desk.configDir, "secrets.json");
  expect(JSON.parse(await readFile(secrets, "utf8"))).toMatchObject({
    backends: { [url]: { token: TOKEN } },
  });
  expect((await stat(secrets)).mode & 0o777).toBe(0o600);
  expect(await readFile(join(desk.folder, "splatctl.json"), "utf8")).not.toContain("swordfish");
});

it("sends what is kept for one backend to no other", async () => {
  const desk = await deskWith();
  const seen: string[] = [];
  const listener: RequestListener = (request, response) => {
    seen.push(JSON.stringify(request.headers));
    reply(response, 200, STATUS);
  };
  const [mine, other] = [await backend(listener), await backend(listener)];
  await writeFile(join(desk.configDir, "config.json"), JSON.stringify({ url: mine }));
  const kept = {
    backends: { [mine]: { token: TOKEN, proxyKey: "swordfish-k", proxySecret: "swordfish-s" } },
  };
  await writeFile(join(desk.configDir, "secrets.json"), JSON.stringify(kept), { mode: 0o600 });
  expect((await script(desk, "--url", other)).code).toBe(0);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.join()).not.toContain("swordfish");
});

it("tells the backend of the lens", async () => {
  const desk = await deskWith();
  let told = "";
  const url = await backend((request, response) => {
    if (request.method === "PUT") {
      request.setEncoding("utf8").on("data", (text: string) => (told += text));
      request.on("end", () => reply(response, 400, no("bad_request")));
    } else reply(response, 200, STATUS);
  });
  const { stderr, stdout } = await script(desk, "--url", url, "--lens", "640x480 530px", "--json");
  expect(JSON.parse(told)).toMatchObject({
    camera: { model: "PINHOLE", w: 640, h: 480, fl_x: 530, cx: 320 },
  });
  // It says no here: then what to type is said.
  expect(stderr).toContain("curl -X PUT");
  expect(JSON.parse(stdout)).toMatchObject({ lens_told: false });
});

it.each([
  ["640x480 530px", 530],
  ["640 x 480, 90deg", 320],
  ["1280×720 90°", 640],
])("understands a lens: %s", (typed, focal) => {
  expect(parseLens(typed)).toMatchObject({ fl_x: focal, fl_y: focal });
});

it.each(["640x480", "640x480 530", "640x480 0px", "640x480 180deg", "x", "640x480 99999px"])(
  "refuses a lens: %s",
  (typed) => {
    expect(() => parseLens(typed)).toThrow(/lens|focal|field of view/);
  },
);

it("looks through a camera before it keeps it, and takes no password for the project file", async (context) => {
  const desk = await deskWith();
  const picture = await jpeg(1);
  const url = await backend((_request, response) => {
    response.writeHead(200, { "content-type": "multipart/x-mixed-replace; boundary=b" });
    const send = (): void => {
      response.write(`--b\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`);
      response.write(picture);
      response.write("\r\n");
    };
    const going = setInterval(send, 30);
    response.on("close", () => clearInterval(going));
  });
  const talk = await sit(context, desk, [
    "--backend",
    "local",
    "--relay",
    "none",
    "--no-bucket",
    "--scene",
    "main",
  ]);
  await talk.answer("1 to 3 [1]: ", "webcam");
  await talk.answer("rtsp://… or http://…): ", url.replace("//", "//me:swordfish@"));
  await talk.hear("the address holds a password");
  await talk.answer("rtsp://… or http://…): ", `${url}/video`);
  await talk.hear("gives pictures");
  await talk.answer("[not known]: ");
  await talk.answer("Write it? [Y/n] ");
  expect(await talk.ended).toBe(0);
  expect((await desk.project()).capture).toEqual({ webcam: `${url}/video` });
});

it("reads the arm on the port that is named, and says what is wrong with one that is not there", async (context) => {
  const pair = await ptyPairFor(context);
  const bus = spawn(
    process.execPath,
    [fileURLToPath(new URL("../helpers/servo-bus-process.mjs", import.meta.url)), pair.a],
    {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    },
  );
  onTestFinished(() => void bus.kill("SIGKILL"));
  await once(bus, "message");
  const desk = await deskWith();
  const talk = await sit(context, desk, [
    "--backend",
    "local",
    "--no-pictures",
    "--no-bucket",
    "--scene",
    "main",
  ]);
  await talk.answer("1 to 4 [", "serial");
  await talk.hear("no serial port on USB is there now");
  await talk.answer("serial port [it is searched for each time]: ", `${pair.b}-not`);
  await talk.hear(`there is no port ${pair.b}-not`);
  await talk.answer("1 to 3 [1]: ", "3");
  await talk.answer("1 to 4 [", "serial");
  await talk.answer("serial port [it is searched for each time]: ", pair.b);
  await talk.hear(`the arm on ${pair.b} is at `);
  await talk.answer("Write it? [Y/n] ");
  await talk.hear("then: splatctl up");
  expect(await talk.ended).toBe(0);
  expect((await desk.project()).relay).toEqual({ source: "serial", path: pair.b });
});

it("reads a program that has the joints, and keeps one that does not answer", async () => {
  const desk = await deskWith();
  const url = await backend((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ joint_angles: [0, 0.5, 0, 0, 0, 0] }));
  });
  const read = await script(desk, "--relay", "http", "--relay-url", `${url}/joints`);
  expect(read.stderr).toContain("0.0°, 28.6°, 0.0°, 0.0°, 0.0°, 0.0°");
  expect((await desk.project()).relay).toEqual({ source: "http", url: `${url}/joints` });
  const away = await script(desk, "--relay", "lerobot", "--relay-url", "ws://127.0.0.1:9", "--json");
  expect(JSON.parse(away.stdout)).toMatchObject({
    success: true,
    checks: expect.arrayContaining([expect.objectContaining({ name: "joints", state: "no" })]) as unknown,
  });
  // What was said of the other source is gone.
  expect((await desk.project()).relay).toEqual({ source: "lerobot", url: "ws://127.0.0.1:9", units: "deg" });
});

it("looks at Modal's program and account, and says that nothing is deployed", async (context) => {
  const modal = await modalDesk();
  const desk = await deskWith();
  await modal.script({
    "token info": { stderr: "Token missing. Could not authenticate client.\n", code: 1 },
  });
  // The terminal itself is opened by Python.
  const talk = await converse(
    context,
    ["init", "--no-pictures", "--relay", "none", "--no-bucket", "--scene", "main"],
    {
      cwd: desk.folder,
      columns: 200,
      env: { ...modal.env, PATH: `${modal.env["PATH"]}:${process.env["PATH"] ?? ""}` },
    },
  );
  await talk.answer("1 to 3 [1]: ", "modal");
  await talk.hear("  no    ");
  await modal.script({});
  await talk.answer("1 to 3 [1]: ", "again");
  await talk.hear("is logged in, workspace");
  await talk.hear("nothing is deployed yet");
  await talk.hear("next: splatctl deploy");
  expect(await talk.ended).toBe(0);
});

it("sets a bucket up on the way: tries the endpoint, the name and the keys, and asks again for those that are refused", async (context) => {
  const s3 = await startScriptedS3({ buckets: ["splats"] });
  onTestFinished(() => s3.close());
  const desk = await deskWith();
  const flags = ["--backend", "local", "--no-pictures", "--relay", "none", "--scene", "main"];
  const talk = await sit(context, desk, flags);
  await talk.answer("[y/N] ", "y");
  await talk.answer("cloudflarestorage.com): ", "127.0.0.1:9");
  await talk.hear("R2_ENDPOINT_URL cannot be used");
  await talk.answer("cloudflarestorage.com): ", "http://127.0.0.1:9");
  await talk.hear("127.0.0.1:9");
  await talk.answer("cloudflarestorage.com): ", s3.origin);
  await talk.answer("bucket: ", "Not/A/Bucket");
  await talk.hear("cannot be a bucket's name");
  await talk.answer("bucket: ", "splats");
  await talk.answer("access key id: ", "wrong-id");
  await talk.answer("secret access key (not shown): ", "wrong-swordfish");
  await talk.hear("warning: ");
  await talk.answer("access key id: ", SCRIPTED_KEYS.accessKeyId);
  await talk.answer("secret access key (not shown): ", SCRIPTED_KEYS.secretAccessKey);
  await talk.answer("Write it? [Y/n] ");
  await talk.hear("next: splatctl serve");
  expect(await talk.ended).toBe(0);
  expect(talk.raw()).not.toContain("swordfish");
  const secrets = join(desk.configDir, "secrets.json");
  expect(JSON.parse(await readFile(secrets, "utf8"))).toMatchObject({
    buckets: { [`${s3.origin}/splats`]: SCRIPTED_KEYS },
  });
  expect((await stat(secrets)).mode & 0o777).toBe(0o600);
});

it("asks nothing with --yes, prints one object, and names what is missing", async () => {
  const desk = await deskWith();
  const { code, stdout } = await script(
    desk,
    "--folder",
    "shots",
    "--scene",
    "left",
    "--relay",
    "none",
    "--json",
  );
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    success: true,
    wrote: ["shots/", "splatctl.json"],
    next: ["splatctl serve", "splatctl up"],
  });
  for (const [flags, said] of [
    [["--folder", "splatctl.json"], "is a file, not a folder"],
    [["--scene", "A B"], "is no name of a scene"],
    [["--bucket"], "R2_ENDPOINT_URL, R2_BUCKET_NAME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"],
    [["--relay", "lerobot", "--units", "norm"], "--robot-id"],
    [["--url", "ftp://a"], "no http or https URL"],
  ] as const) {
    const { code: ended, stderr } = await script(
      await deskWith(),
      ...flags.map((flag) => flag.replace("splatctl.json", process.execPath)),
    );
    expect(stderr).toContain(said);
    expect([2, 3]).toContain(ended);
  }
  const nobodys = await deskWith();
  await rm(join(nobodys.configDir, "config.json"));
  expect((await script(nobodys, "--backend", "other")).stderr).toContain("Add --url");
  const alone = await runCli(["init"], { cwd: desk.folder, env: desk.env });
  expect(alone).toMatchObject({ code: 2, stderr: expect.stringContaining("Add --yes") as string });
});

it("says what wins over the file, and closes secrets that others could read", async () => {
  const desk = await deskWith();
  const secrets = join(desk.configDir, "secrets.json");
  await writeFile(secrets, JSON.stringify({ backends: {}, buckets: {} }));
  await chmod(secrets, 0o644);
  const env = { ...desk.env, SPLAT_SCENE: "elsewhere" };
  const { stderr } = await script({ ...desk, env });
  expect(stderr).toContain("SPLAT_SCENE is set, and wins over scene of splatctl.json");
  expect(stderr).toContain("it is closed now (mode 0600)");
  expect((await stat(secrets)).mode & 0o777).toBe(0o600);
});
