import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, onTestFinished } from "vitest";
import { answer, no } from "../api/answers.ts";
import { nobody } from "../helpers/loopback.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { runSplatctl } from "../helpers/run-splatctl.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";

const lastLine = (stdout: string): unknown => JSON.parse(stdout.trim().split("\n").at(-1) ?? "");

async function folderOf(count: number): Promise<string> {
  const dir = await tempFolder();
  for (let n = 1; n <= count; n++) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  return dir;
}

test("--once --json sends what is there and prints one object", async () => {
  const backend = await uploadBackend();
  const dir = await folderOf(3);
  const ran = await runSplatctl(["capture", dir, "--once", "--json", "--url", backend.url]);
  expect(ran.code).toBe(0);
  expect(lastLine(ran.stdout)).toMatchObject({
    success: true,
    sent: 3,
    duplicates: 0,
    rejected: 0,
    url: backend.url,
  });
  expect(ran.stderr).toContain("nothing says where these images were taken from");
  expect(backend.accepted.map(({ name }) => name).toSorted()).toEqual(["1.jpg", "2.jpg", "3.jpg"]);
});

test("--stop ends the capture after the last frame", async () => {
  const backend = await uploadBackend();
  const ran = await runSplatctl(["capture", await folderOf(2), "--stop", "--json", "--url", backend.url]);
  expect(ran.code).toBe(0);
  expect(backend.stops).toEqual([2]);
  expect(lastLine(ran.stdout)).toMatchObject({ sent: 2, complete: false });
});

test("rejected frames are named and the exit code says that a part is missing", async () => {
  const backend = await uploadBackend(({ name }, response) => {
    if (name !== "2.jpg") return false;
    answer(response, 422, no("bad_image", "does not decode"));
    return true;
  });
  const dir = await folderOf(2);
  await writeFile(join(dir, "3.jpg"), "this is a text file, not a picture");
  const ran = await runSplatctl(["capture", dir, "--once", "--url", backend.url]);
  expect(ran.code).toBe(5);
  const text = ran.stdout;
  expect(text).toContain("1 sent, 2 rejected");
  expect(text).toMatch(/2\.jpg: .*does not decode/);
  expect(text).toContain("3.jpg: neither JPEG nor PNG by its bytes");
});

test("exit codes: folder missing 2, backend silent 4, token wanted 3, bad flag 2", async () => {
  const dir = await folderOf(1);
  const url = await nobody();
  expect((await runSplatctl(["capture", join(dir, "none"), "--url", url])).code).toBe(2);
  expect((await runSplatctl(["capture", dir, "--once", "--give-up-after", "0.05", "--url", url])).code).toBe(
    4,
  );
  expect((await runSplatctl(["capture", dir, "--fps", "0", "--url", url])).code).toBe(2);
  const backend = await uploadBackend((_received, response) => {
    answer(response, 401, no("unauthorized"));
    return true;
  });
  const refused = await runSplatctl(["capture", dir, "--once", "--url", backend.url]);
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain("0 sent, 1 not sent");
});

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

test("Ctrl-C ends a watch with its summary and exit code 0", async (context) => {
  context.skip(process.platform === "win32", "Windows has no signals to send");
  const backend = await uploadBackend();
  const child = spawn(process.execPath, [BIN, "capture", await folderOf(2), "--json", "--url", backend.url], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const stdout: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => stdout.push(piece));
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
  while (backend.accepted.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill("SIGINT");
  expect(await exited).toBe(0);
  expect(lastLine(Buffer.concat(stdout).toString())).toMatchObject({ sent: 2 });
});

test("interrupted --once --stop says so, keeps the scene open and exits 5", async (context) => {
  context.skip(process.platform === "win32", "Windows has no signals to send");
  const backend = await uploadBackend();
  const dir = await folderOf(20);
  const args = [BIN, "capture", dir, "--once", "--stop", "--fps", "4", "--json", "--url", backend.url];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const stdout: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => stdout.push(piece));
  child.stderr.resume();
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
  while (backend.accepted.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill("SIGINT");
  expect(await exited).toBe(5);
  expect(lastLine(Buffer.concat(stdout).toString())).toMatchObject({ success: false });
  expect(backend.stops).toEqual([]);
});

test("a second Ctrl-C ends it at once", async (context) => {
  context.skip(process.platform === "win32", "Windows has no signals to send");
  const backend = await uploadBackend(() => new Promise<boolean>(() => undefined));
  const child = spawn(process.execPath, [BIN, "capture", await folderOf(1), "--url", backend.url], {
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = new Promise<unknown>((resolve) =>
    child.on("close", (code, signal) => resolve(code ?? signal)),
  );
  while (backend.attempts.length < 1) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill("SIGINT");
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGINT");
  expect([130, "SIGINT"]).toContain(await exited);
});
