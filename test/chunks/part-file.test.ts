/** Half files whose disk or folder fails them. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PartFile, type FolderHold } from "../../src/chunks/part-file.ts";
import { lockFile } from "../../src/files/lock.ts";
import { writeDurably } from "../../src/files/durable.ts";
import { SplatError } from "../../src/errors.ts";
import { temporaryFolder } from "../helpers/backend-fixture.ts";

const OURS: FolderHold = {
  held: Promise.resolve({ names: new Set<string>() }),
  isLost: false,
  confirm: () => Promise.resolve(),
};
const MIB = Buffer.alloc(2 ** 20, 1);

async function committed(part: PartFile): Promise<void> {
  await part.seal(null);
  await part.publish();
}

it("gives no file its name when a sync failed, though a later one did not", async () => {
  const path = join(await temporaryFolder(), "a.ply");
  const part = PartFile.create(path, OURS);
  const file = await part.handle();
  const datasync = file.datasync.bind(file);
  let syncs = 0;
  file.datasync = async () => {
    if (++syncs === 1) throw Object.assign(new Error("i/o error"), { code: "EIO" });
    await datasync();
  };
  // 64 MiB are synced at a time.
  for (let mib = 0; mib < 140; mib++) await part.write(0, [MIB]);
  await expect(committed(part)).rejects.toThrow("i/o error");
  await part.keep();
  await expect(readFile(path)).rejects.toThrow("ENOENT");
});

it("writes into no file that another has open, and through no link", async () => {
  const folder = await temporaryFolder();
  const first = PartFile.create(join(folder, "a.ply"), OURS);
  await first.write(0, [MIB]);
  const second = PartFile.create(join(folder, "a.ply"), OURS);
  await second.write(0, [Buffer.from("b")]);
  await first.write(0, [MIB]);
  await committed(second);
  expect(await readFile(join(folder, "a.ply"), "utf8")).toBe("b");
});

it("gives no file its name, and removes nothing, once the folder is another's", async () => {
  const folder = await temporaryFolder();
  let isLost = false;
  const hold: FolderHold = {
    ...OURS,
    get isLost() {
      return isLost;
    },
    confirm: () => (isLost ? Promise.reject(new Error("lost")) : Promise.resolve()),
  };
  const part = PartFile.create(join(folder, "a.ply"), hold);
  await part.write(0, [MIB]);
  isLost = true;
  await expect(committed(part)).rejects.toThrow("lost");
  await part.keep();
  await expect(readFile(join(folder, "a.ply"))).rejects.toThrow("ENOENT");
  expect(await readFile(join(folder, ".a.ply.part"))).toHaveLength(MIB.length);
});

it("knows that a lock is another's before the next beat tells", async () => {
  const path = join(await temporaryFolder(), "lock");
  const never = (): SplatError => new SplatError("internal", "not in this test");
  const lost = (): SplatError => new SplatError("bad_input", "taken over");
  const lock = await lockFile(path, { inUse: never, lost, beatMs: 1 });
  await lock.confirm();
  await writeFile(`${path}.new`, "another's");
  await rename(`${path}.new`, path);
  // As a process does that is stopped: no timer fires.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  await expect(lock.confirm()).rejects.toThrow("taken over");
  await lock.release();
  expect(await readFile(path, "utf8")).toBe("another's");
});

it("does not wait for a lock's owner when nobody wants it any more", async () => {
  const path = join(await temporaryFolder(), "lock");
  await writeFile(path, "no owner that anybody knows");
  const never = (): SplatError => new SplatError("internal", "not in this test");
  const stop = new AbortController();
  const locking = lockFile(path, { inUse: never, lost: never, beatMs: 600_000, signal: stop.signal });
  stop.abort(new Error("given up"));
  await expect(locking).rejects.toThrow("given up");
});

it("writes durably through no link at the temporary name", async () => {
  const folder = await temporaryFolder();
  const { symlink } = await import("node:fs/promises");
  await writeFile(join(folder, "victim"), "precious");
  await symlink("victim", join(folder, "list.part"));
  await writeDurably(join(folder, "list"), [Buffer.from("new")]);
  expect(await readFile(join(folder, "victim"), "utf8")).toBe("precious");
  expect(await readFile(join(folder, "list"), "utf8")).toBe("new");
});
