import { appendFile, readFile, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { followLog, lastLines, logPath, openLog } from "../../src/daemon/log-file.ts";
import { sleep } from "../../src/time.ts";
import { tempFolder } from "../helpers/pictures.ts";

async function newLog(content: string): Promise<string> {
  const path = logPath(await tempFolder(), "main");
  await writeFile(path, content);
  return path;
}

test("the last lines are shown whole, those put aside before them", async () => {
  const path = await newLog("c\nd\n");
  expect(await lastLines(path, 1)).toEqual({ text: "d\n", sizeBytes: 4 });
  expect(await lastLines(path, 9)).toMatchObject({ text: "c\nd\n" });
  await writeFile(`${path}.1`, "a\nb\n");
  expect(await lastLines(path, 2)).toMatchObject({ text: "c\nd\n" });
  expect(await lastLines(path, 3)).toMatchObject({ text: "b\nc\nd\n" });
  expect(await lastLines(path, 0)).toMatchObject({ text: "" });
  await appendFile(path, "unfinished");
  expect(await lastLines(path, 2)).toMatchObject({ text: "d\nunfinished" });
  expect(await lastLines(join(path, "none"), 2)).toBeNull();
});

test("a long log is put aside when a daemon starts, a short one gone on with", async () => {
  const path = await newLog("short\n");
  await (await openLog(path)).close();
  expect(await lastLines(`${path}.1`, 1)).toBeNull();
  await writeFile(path, "x".repeat(6 * 1024 * 1024));
  const log = await openLog(path);
  await log.write("new\n");
  await log.close();
  expect(await readFile(path, "utf8")).toBe("new\n");
  expect((await readFile(`${path}.1`)).length).toBe(6 * 1024 * 1024);
});

test("a log is followed to the end of the old file and on in the next, and from the start of one begun anew", async () => {
  const path = await newLog("before\n");
  const stop = new AbortController();
  let seen = "";
  const following = (async () => {
    for await (const piece of followLog(path, "before\n".length, stop.signal)) {
      seen += new TextDecoder().decode(piece);
    }
  })();
  const until = async (wanted: string): Promise<void> => {
    while (!seen.endsWith(wanted)) await sleep(10);
  };
  await appendFile(path, "one\n");
  await until("one\n");
  await appendFile(path, "two\n");
  await rename(path, `${path}.1`);
  await until("two\n");
  await writeFile(path, "three\n");
  await until("three\n");
  await truncate(path);
  await appendFile(path, "four\n");
  await until("four\n");
  expect(seen).toBe("one\ntwo\nthree\nfour\n");
  stop.abort();
  await following;
});
