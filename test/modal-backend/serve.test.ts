/** `splatctl serve --engine gsplat` with the real Python backend; `npm run test:backend` names the Python. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { sleep } from "../../src/time.ts";
import { png } from "../helpers/pictures.ts";

const bin = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const python = process.env["SPLAT_BACKEND_PYTHON"];
const TIMEOUT_MS = 180_000;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(dataDir: string) {
  const child = spawn(
    process.execPath,
    [bin, "serve", "--engine", "gsplat", "--python", String(python), "--port", "0", "--data", dataDir],
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, NO_COLOR: "1" } },
  );
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  closing.unshift(async () => {
    child.kill("SIGTERM");
    await code;
  });
  const readyUrls = (): string[] => [...said.matchAll(/^ready at (\S+)/gm)].map((match) => match[1]);
  const ready = async (times: number): Promise<string> => {
    while (readyUrls().length < times) {
      if (child.exitCode !== null) throw new Error(`serve ended with ${child.exitCode}:\n${said}`);
      await sleep(50);
    }
    return readyUrls()[times - 1];
  };
  return { child, code, ready, said: () => said };
}

async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-gsplat-"));
  closing.push(async () => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Children of a process, as /proc knows them. */
async function pidOfChild(parent: number): Promise<number> {
  const { readFile } = await import("node:fs/promises");
  return Number((await readFile(`/proc/${parent}/task/${parent}/children`, "utf8")).trim().split(" ")[0]);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

it(
  "brings a killed backend back on its port, with its frames; ends with 0",
  { timeout: TIMEOUT_MS },
  async (ctx) => {
    if (python === undefined) {
      ctx.skip("SPLAT_BACKEND_PYTHON names no Python: npm run test:backend does");
      return;
    }
    const { child, code, ready, said } = await serve(await dataFolder());
    const url = await ready(1);
    const client = createClient({ url });
    const frame = { bytes: await png(1), mediaType: "image/png", name: "a.png" };
    await client.uploadFrame(frame, { frame_id: "one" });
    const before = await client.status();
    process.kill(await pidOfChild(Number(child.pid)), "SIGKILL");
    expect(await ready(2)).toBe(url);
    expect(said()).toContain("ended unexpectedly (SIGKILL)");
    const after = await client.status();
    expect([after.session_id, after.frame_count]).toEqual([before.session_id, 1]);
    expect(after.boot_id).not.toBe(before.boot_id);
    child.kill("SIGINT");
    expect(await code).toBe(0);
  },
);

it("does not stay behind when splatctl itself is killed", { timeout: TIMEOUT_MS }, async (ctx) => {
  if (python === undefined) {
    ctx.skip("SPLAT_BACKEND_PYTHON names no Python: npm run test:backend does");
    return;
  }
  const { child, code, ready } = await serve(await dataFolder());
  await ready(1);
  const backend = await pidOfChild(Number(child.pid));
  child.kill("SIGKILL");
  await code;
  while (isAlive(backend)) await sleep(50);
});
