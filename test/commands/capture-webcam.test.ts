import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { beginStream, mjpegCamera, noFfmpeg, part, pathWithFfmpeg } from "../helpers/mjpeg.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { runCli } from "../helpers/run-cli.ts";
import { startCli } from "../helpers/start-cli.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";

const missing = noFfmpeg();
const NOBODY = "http://127.0.0.1:9";

/** A user of their own. */
async function newUser(more: Readonly<Record<string, string>> = {}) {
  const home = await tempFolder();
  const folders = ["SPLAT_SPOOL_DIR", "SPLAT_RUN_DIR", "SPLAT_LOG_DIR", "SPLAT_CONFIG_DIR"];
  const env = {
    ...Object.fromEntries(folders.map((name) => [name, join(home, name.slice(6, -4))])),
    ...more,
  };
  return { home, env };
}

async function filesBelow(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const texts = entries
    .filter((entry) => entry.isFile())
    .map(
      async (entry) =>
        `${join(entry.parentPath, entry.name)} ${await readFile(join(entry.parentPath, entry.name), "latin1")}`,
    );
  return (await Promise.all(texts)).join("\n");
}

test("a source that ends goes to the embedded backend whole, and --stop ends the scene behind it", async (context) => {
  if (missing !== null) context.skip(missing);
  const { home, env } = await newUser();
  const backend = startCli(["serve", "--port", "0", "--data", join(home, "data")], { env });
  const [, url] = await backend.saying(/(http:\/\/127\.0\.0\.1:\d+)/);
  const source = "lavfi:testsrc2=size=160x120:rate=10:duration=1";
  const args = ["capture", "--webcam", source, "--no-gate", "--json", "--url", url];
  const ran = await runCli(args, { env });
  expect(ran.code).toBe(0);
  expect(JSON.parse(ran.stdout.toString())).toMatchObject({
    success: true,
    sent: 10,
    unsent: 0,
    rejected: 0,
  });
  expect(ran.stderr).toContain(`nothing says where the source ${source} is`);
  const frames = (await (await fetch(`${url}/frames`)).json()) as {
    frames: { captured_at: number; frame_id: string }[];
  };
  const times = frames.frames.map(({ captured_at }) => captured_at);
  expect(times).toHaveLength(10);
  expect(times[9] - times[0]).toBeGreaterThan(0.8);
  expect(times[9] - times[0]).toBeLessThan(1.2);
  expect(new Set(frames.frames.map(({ frame_id }) => frame_id)).size).toBe(10);
  const other = await uploadBackend();
  const again = await runCli([...args.slice(0, -1), other.url, "--stop"], { env });
  expect(JSON.parse(again.stdout.toString())).toMatchObject({ sent: 10, duplicates: 0, complete: false });
  expect(other.stops).toEqual([10]);
});

test("a live camera: Ctrl-C ends it with its summary, and its password is in no file and no word", async () => {
  const picture = await jpeg(7);
  const address = await mjpegCamera(async (response, request) => {
    if (request.headers.authorization !== `Basic ${btoa("ann:hunter2")}`) {
      void response.writeHead(401, { "www-authenticate": `Basic realm="cam"` }).end();
      return;
    }
    beginStream(response);
    while (!response.destroyed) {
      response.write(part(picture));
      await pause(30);
    }
  });
  const backend = await uploadBackend();
  const { home, env } = await newUser({ SPLAT_CAMERA_URL: address.replace("//", "//ann:hunter2@") });
  const run = startCli(["capture", "--webcam", "--no-gate", "--json", "--url", backend.url], { env });
  while (backend.accepted.length < 3) await pause(10);
  run.signal("SIGINT");
  expect(await run.ended).toBe(0);
  expect(JSON.parse(run.stdout())).toMatchObject({ success: true, unsent: 0, camera: { restarts: 0 } });
  expect(run.stdout() + run.stderr() + (await filesBelow(home))).not.toMatch(/hunter2|ann[:@]/);
  const queue = await runCli(["queue", "ls", "--json"], { env });
  expect(queue.stdout.toString()).not.toContain("hunter2");
  const typed = await runCli(
    ["capture", "--webcam", "http://ann:hunter2@127.0.0.1:9/v", "--url", backend.url],
    { env },
  );
  expect(typed.stderr).toMatch(/command line.*SPLAT_CAMERA_URL/);
  expect(typed.stderr).not.toContain("hunter2");
  const live = await runCli(["capture", "--webcam", "--once", "--url", backend.url], { env });
  expect(live).toMatchObject({ code: 2, stderr: expect.stringContaining("has no end") as string });
});

test.each<[string, string[], object | null, RegExp]>([
  ["neither", [], null, /neither a folder nor a camera is named[^]*--webcam/],
  ["both", ["photos", "--webcam"], null, /a folder and --webcam cannot/],
  [
    "both in the file",
    [],
    { capture: { folder: "a", webcam: "b" } },
    /names both capture.folder and capture.webcam/,
  ],
  ["a camera's flag for a folder", ["photos", "--size", "640x480"], null, /--size is for a camera/],
  ["the camera's gate for a folder", ["photos", "--no-gate"], null, /--no-gate is for a camera/],
  ["a wrong size", ["--webcam", "--size", "big"], null, /like 640x480/],
  ["another scheme", ["--webcam", "ftp://cam/x"], null, /none of a camera/],
  ["a camera of the file", [], { capture: { webcam: "gone.mp4" } }, /there is no video gone\.mp4/],
])("%s is refused with the way out", async (_, args, project, words) => {
  const { home, env } = await newUser();
  if (project !== null) await writeFile(join(home, "splatctl.json"), JSON.stringify(project));
  const ran = await runCli(["capture", ...args, "--url", NOBODY], { cwd: home, env });
  expect(ran.code).toBe(2);
  expect(ran.stderr).toMatch(words);
});

test.skipIf(process.platform !== "linux").each([
  ["waits for its camera for ever", "exec sleep 600", []],
  // The first Ctrl-C tells it to end, the second is the end of splatctl at once.
  ["does not end when it is told to", "trap '' TERM; exec sleep 600", ["SIGTERM" as const]],
])("when splatctl is killed, a program that %s goes too", async (_, script, told) => {
  const mark = `silent-${process.pid}-${told.length}`;
  const PATH = await pathWithFfmpeg(
    `case "$*" in *-version*) echo "ffmpeg version 5.1";; *) ${script};; esac`,
  );
  const { env } = await newUser({ PATH });
  const run = startCli(["capture", "--webcam", `lavfi:${mark}`, "--url", NOBODY], { env });
  const group = await groupBeside(mark);
  for (const signal of told) process.kill(-group, signal);
  run.signal("SIGKILL");
  await run.ended;
  while (groupOf(group).length > 0) await pause(20);
  expect(groupOf(group)).toEqual([]);
});

/** The group of the shell that runs a program with this word on its command line, once the program and its guard run. */
async function groupBeside(word: string): Promise<number> {
  const shell = (pid: number): boolean => {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return argv.startsWith("/bin/sh") && argv.includes(word);
    } catch {
      return false;
    }
  };
  for (;;) {
    const pids = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    const group = pids.filter(shell).map((pid) => Number(statOf(pid)[2]))[0];
    const names = group === undefined ? [] : groupOf(group).map(nameOf);
    if (names.includes("sleep") && names.length >= 3) return group;
    await pause(20);
  }
}

/** Processes of a group. */
function groupOf(group: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => statOf(pid)[2] === String(group));
}

/** State, parent, group … of a process. */
function statOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
  } catch {
    return [];
  }
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

test("cameras lists what a machine has, for people and for scripts", async (context) => {
  if (process.platform !== "linux") context.skip("other systems need ffmpeg to list");
  const ran = await runCli(["cameras"]);
  expect(ran.code).toBe(0);
  expect(ran.stdout.toString()).toMatch(/^CAMERA|this machine has no camera/);
  const listed = JSON.parse((await runCli(["cameras", "--json"])).stdout.toString()) as object;
  expect(listed).toMatchObject({ success: true, cameras: expect.any(Array) as unknown[] });
});

test("up --webcam captures as a daemon, and ps says which camera", async () => {
  const picture = await jpeg(8);
  const address = await mjpegCamera(async (response) => {
    beginStream(response);
    while (!response.destroyed) {
      response.write(part(picture));
      await pause(30);
    }
  });
  const backend = await uploadBackend();
  const { env } = await newUser();
  const run = startCli(["up", "--webcam", address, "--no-gate", "--url", backend.url], { env });
  while (backend.accepted.length < 2) await pause(10);
  const ps = await runCli(["ps"], { env });
  expect(ps.stdout.toString()).toContain(`capture webcam ${address}`);
  run.signal("SIGINT");
  expect(await run.ended).toBe(0);
  expect(run.stdout()).toMatch(/\d+ sent/);
});
