/** Captures killed at random moments: nothing lost, nothing twice, nothing torn. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { decodeFrame } from "../../src/queue/frame-file.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { seededRandom } from "../helpers/random.ts";
import { runSplatctl } from "../helpers/run-splatctl.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const KILLS = 4;
const FRAMES = 80;
/** Up to six programs run one after the other: with a seventh of a core each takes some seconds. */
const TIMEOUT_MS = 120_000;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Every frame under a final name is whole. */
async function expectWhole(spoolRoot: string): Promise<void> {
  const all = await readdir(spoolRoot, { recursive: true });
  for (const path of all.filter((each) => each.endsWith(".frame"))) {
    expect(decodeFrame(await readFile(join(spoolRoot, path)))).not.toBeNull();
  }
}

test(
  "a capture killed at random moments and started again delivers every frame exactly once",
  { timeout: TIMEOUT_MS },
  async () => {
    const random = seededRandom(7);
    const [dir, spoolRoot] = [await tempFolder(), await tempFolder()];
    const expected = new Map<string, string>();
    const write = async (n: number): Promise<void> => {
      const bytes = await jpeg(n);
      expected.set(`${n}.jpg`, createHash("sha256").update(bytes).digest("hex"));
      await writeFile(join(dir, `${n}.jpg`), bytes);
    };
    for (let n = 0; n < FRAMES / 2; n++) await write(n);
    // Slow enough that kills hit it at work, and it dies in mid-answer too.
    const backend = await uploadBackend(async (_received, response, attempt) => {
      await new Promise((resolve) => setTimeout(resolve, 20 * random()));
      if (attempt % 17 === 0) response.destroy();
      return attempt % 17 === 0;
    });
    backend.memory.durableThrough = 0;
    const args = ["capture", dir, "--url", backend.url, "--spool", spoolRoot];
    for (let kill = 0; kill < KILLS; kill++) {
      const child = spawn(process.execPath, [BIN, ...args], { stdio: "ignore" });
      const exited = once(child, "exit");
      const before = backend.attempts.length;
      const isLate = kill % 2 === 1;
      if (isLate) await until(() => backend.attempts.length > before || child.exitCode !== null);
      await new Promise((resolve) => setTimeout(resolve, (isLate ? 300 : 900) * random()));
      child.kill("SIGKILL");
      await exited;
      await expectWhole(spoolRoot);
      for (let n = 0; n < FRAMES / 2 / KILLS; n++) await write(FRAMES / 2 + expected.size);
    }
    const last = await runSplatctl([...args, "--once", "--json"]);
    expect(last.stderr).not.toMatch(/^error|warning: the spool/m);
    expect(last.code).toBe(0);
    const held = [...backend.memory.held].map(([id, { sha256 }]) => [id.slice(17), sha256] as const);
    expect(held).toHaveLength(expected.size);
    expect(Object.fromEntries(held)).toEqual(Object.fromEntries(expected));
    expect(JSON.parse(last.stdout.trim())).toMatchObject({
      rejected: 0,
      unsent: 0,
      not_durable: expected.size,
    });
    // Nothing is held for good yet: all of it is kept, once.
    const frames = (await readdir(spoolRoot, { recursive: true })).filter((path) => path.endsWith(".frame"));
    expect(frames).toHaveLength(expected.size);
    backend.memory.durableThrough = null;
    const attempts = backend.attempts.length;
    expect((await runSplatctl([...args, "--once"])).code).toBe(0);
    expect(backend.attempts).toHaveLength(attempts);
    expect((await readdir(spoolRoot, { recursive: true })).filter((path) => path.endsWith(".frame"))).toEqual(
      [],
    );
  },
);

test(
  "two captures of one folder: the second is told who has the spool",
  { timeout: TIMEOUT_MS },
  async () => {
    const [dir, spoolRoot] = [await tempFolder(), await tempFolder()];
    await writeFile(join(dir, "1.jpg"), await jpeg(1));
    const backend = await uploadBackend();
    const args = ["capture", dir, "--url", backend.url, "--spool", spoolRoot];
    const child = spawn(process.execPath, [BIN, ...args], { stdio: "ignore" });
    const exited = once(child, "exit");
    await until(() => backend.accepted.length > 0 || child.exitCode !== null);
    expect(child.exitCode).toBeNull();
    const second = await runSplatctl([...args, "--once"]);
    expect(second.code).toBe(2);
    expect(second.stderr).toContain(`in use by process ${child.pid}`);
    expect(second.stderr).toMatch(/remove .*lock/);
    const other = await runSplatctl([...args, "--once", "--spool", await tempFolder()]);
    expect(other.code).toBe(0);
    child.kill("SIGINT");
    await exited;
    expect((await runSplatctl([...args, "--once"])).code).toBe(0);
    expect(backend.memory.held.size).toBe(1);
  },
);
