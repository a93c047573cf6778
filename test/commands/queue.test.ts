import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { answer, no } from "../api/answers.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { runSplatctl } from "../helpers/run-splatctl.ts";
import { lockSpool } from "../../src/queue/spool-lock.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";

/** A capture of three frames of which the backend refuses one, and what to run `queue` with. */
async function capturedFolder() {
  const [dir, spools] = [await tempFolder(), await tempFolder()];
  for (const n of [1, 2, 3]) await writeFile(join(dir, `${n}.jpg`), await jpeg(n));
  let refuses = true;
  const backend = await uploadBackend(({ name }, response) => {
    if (name !== "2.jpg" || !refuses) return false;
    answer(response, 422, no("bad_image", "does not decode"));
    return true;
  });
  backend.memory.durableThrough = 1;
  const capture = async () => {
    const args = ["capture", dir, "--once", "--json", "--url", backend.url, "--spool", spools];
    const { code, stdout } = await runSplatctl([...args, "--in-flight", "1"]);
    return { code, summary: JSON.parse(stdout.trim()) as Record<string, unknown> };
  };
  const queue = async (...args: string[]) => {
    const ran = await runSplatctl(["queue", ...args, "--json", "--spool", spools]);
    const lines = ran.stdout.trim().split("\n");
    return { ...ran, result: JSON.parse(lines[0]) as { spools: Record<string, unknown>[]; frames: number } };
  };
  return { dir, spools, backend, capture, queue, relent: () => (refuses = false) };
}

test("ls shows what is kept and why; retry lets a refused frame go again, in its old place", async () => {
  const { dir, spools, backend, capture, queue, relent } = await capturedFolder();
  expect((await capture()).code).toBe(5);
  const [spool] = (await queue("ls")).result.spools;
  expect(spool).toMatchObject({
    folder: dir,
    backend: backend.url,
    waiting: 0,
    sent_not_durable: 1,
    durable: 0,
    failed: [{ name: "2.jpg", reason: expect.stringContaining("does not decode") }],
    owner: null,
  });
  const text = (await runSplatctl(["queue", "ls", "--spool", spools])).stdout;
  expect(text).toContain("1 sent and not in a checkpoint");
  expect(text).toMatch(/2\.jpg: .*does not decode/);
  expect((await queue("ls", await tempFolder())).result.spools).toEqual([]);

  // Not read and not sent again by itself.
  const attempts = backend.attempts.length;
  expect(await capture()).toMatchObject({ code: 0, summary: { sent: 0, duplicates: 3, rejected: 0 } });
  expect(backend.attempts).toHaveLength(attempts);
  relent();
  expect((await queue("retry", dir)).result.frames).toBe(1);
  expect((await queue("ls")).result.spools[0]).toMatchObject({ waiting: 1, failed: [] });
  expect(await capture()).toMatchObject({ code: 0, summary: { sent: 1, unsent: 0 } });
  expect(backend.memory.held.size).toBe(3);
});

test("clear --failed drops what was refused for good; clear forgets everything", async () => {
  const { backend, capture, queue } = await capturedFolder();
  await capture();
  expect((await queue("clear", "--failed", "--yes")).result.frames).toBe(1);
  expect((await queue("ls")).result.spools[0]).toMatchObject({ failed: [], sent_not_durable: 1 });
  const attempts = backend.attempts.length;
  expect((await capture()).code).toBe(0);
  expect(backend.attempts).toHaveLength(attempts);
  expect((await queue("clear", "--yes")).result.frames).toBe(1);
  expect((await queue("ls")).result.spools).toEqual([]);
  expect((await capture()).code).toBe(5);
  expect(backend.attempts).toHaveLength(attempts + 3);
});

test("clear asks, and leaves alone what a capture holds", async () => {
  const { spools, capture, queue } = await capturedFolder();
  await capture();
  const asked = await runSplatctl(["queue", "clear", "--spool", spools]);
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain("--yes");
  const [{ spool }] = (await queue("ls")).result.spools as { spool: string }[];
  const lock = await lockSpool(spool);
  const held = await queue("clear", "--yes");
  expect(held.code).toBe(5);
  expect(held.stdout).toContain(`in use by process ${process.pid}`);
  expect((await queue("ls")).result.spools[0]).toMatchObject({ owner: { pid: process.pid } });
  await lock.release();
});

test("nothing kept is no error", async () => {
  const spools = join(await tempFolder(), "none");
  expect(await runSplatctl(["queue", "ls", "--spool", spools])).toMatchObject({
    code: 0,
    stdout: "nothing is kept\n",
  });
  expect((await runSplatctl(["queue", "clear", "--spool", spools])).code).toBe(0);
});
