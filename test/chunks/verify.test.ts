/** SHA256SUMS as sha256sum writes and reads it, and what `chunks verify` says of folders that have one. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { formatSums, parseSums, SumsFile } from "../../src/chunks/sums.ts";
import { temporaryFolder } from "../helpers/backend-fixture.ts";
import { sha256 } from "../helpers/downloads.ts";
import { runCli } from "../helpers/run-cli.ts";

const hasSha256sum = spawnSync("sha256sum", ["--version"]).status === 0;

it("reads what sha256sum writes, and is read by it", async ({ skip }) => {
  if (!hasSha256sum) skip("there is no sha256sum here");
  const folder = await temporaryFolder();
  const names = ["a.ply", "with blank", "back\\slash", "line\nbreak", "ü"];
  for (const name of names) await writeFile(join(folder, name), name);
  const written = execFileSync("sha256sum", ["--", ...names.toSorted()], { cwd: folder, encoding: "utf8" });
  const { sums, strangeLines } = parseSums(written);
  expect([...sums.keys()].sort()).toEqual(names.toSorted());
  expect(strangeLines).toBe(0);
  await writeFile(join(folder, "SHA256SUMS"), formatSums(sums));
  execFileSync("sha256sum", ["-c", "--strict", "SHA256SUMS"], { cwd: folder, stdio: "pipe" });
});

it("passes over lines that say nothing, and counts them", () => {
  const { sums, strangeLines } = parseSums(
    `# a comment\n\n${"A".repeat(64)} *b\r\nnot a sum  x\n${"a".repeat(63)}  y\n`,
  );
  expect([...sums]).toEqual([["b", "a".repeat(64)]]);
  expect(strangeLines).toBe(2);
});

it("writes a list that goes on with the one that is there", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "SHA256SUMS"), `${"b".repeat(64)}  z\n`);
  const list = await SumsFile.open(folder, () => Promise.resolve());
  list.add("y", "c".repeat(64));
  list.add("a", "d".repeat(64));
  await list.write();
  expect(await readFile(join(folder, "SHA256SUMS"), "utf8")).toBe(
    `${"d".repeat(64)}  a\n${"c".repeat(64)}  y\n${"b".repeat(64)}  z\n`,
  );
});

/** A folder as `chunks get` leaves it, with two sessions. */
async function downloaded(): Promise<{ folder: string; one: string; two: string }> {
  const folder = await temporaryFolder();
  const [one, two] = [join(folder, "main", "one"), join(folder, "main", "two")];
  for (const session of [one, two]) {
    await mkdir(session, { recursive: true });
    const files = new Map([
      ["a.ply", Buffer.from("a")],
      ["b.ply", Buffer.alloc(9 * 2 ** 20, 3)],
    ]);
    for (const [name, bytes] of files) await writeFile(join(session, name), bytes);
    const sums = new Map([...files].map(([name, bytes]) => [name, sha256(bytes)]));
    await writeFile(join(session, "SHA256SUMS"), formatSums(sums));
  }
  return { folder, one, two };
}

it("finds every list, and nothing wrong", async () => {
  const { folder, one } = await downloaded();
  const { code, stdout, stderr } = await runCli(["chunks", "verify", folder]);
  expect([code, stdout.toString(), stderr]).toEqual([0, "4 files are whole (18.9 MB, 2 lists)\n", ""]);
  const json = await runCli(["chunks", "verify", one, "--json"]);
  expect(JSON.parse(json.stdout.toString())).toMatchObject({ success: true, ok: 2, lists: 1, damaged: [] });
});

it("tells what is missing, damaged, half or unknown, with exit code 5", async () => {
  const { folder, one, two } = await downloaded();
  await rm(join(one, "a.ply"));
  await writeFile(join(one, "b.ply"), Buffer.alloc(9 * 2 ** 20, 4));
  await writeFile(join(one, ".c.ply.part"), "");
  await writeFile(join(one, ".c.ply.part.json"), "{}");
  await writeFile(join(two, "notes\u001b[2J.txt"), "mine");
  await mkdir(join(two, "d"));
  await rm(join(two, "a.ply"));
  await symlink("d", join(two, "a.ply"));
  const { code, stdout } = await runCli(["chunks", "verify", folder]);
  expect(code).toBe(5);
  expect(stdout.toString().split("\n")).toEqual([
    "half        main/one/.c.ply.part",
    "missing     main/one/a.ply",
    "damaged     main/one/b.ply",
    "unreadable  main/two/a.ply",
    "unlisted    main/two/notes\\u{1b}[2J.txt",
    "1 files are whole (18.9 MB, 2 lists), 4 are not: run splatctl chunks get again to mend them",
    "",
  ]);
  const json = await runCli(["chunks", "verify", folder, "--json"]);
  expect(json.code).toBe(5);
  expect(JSON.parse(json.stdout.toString())).toMatchObject({
    success: false,
    missing: ["main/one/a.ply"],
    damaged: ["main/one/b.ply"],
    half: ["main/one/.c.ply.part"],
    unreadable: ["main/two/a.ply"],
    unlisted: ["main/two/notes\u001b[2J.txt"],
  });
});

it("reads no file that a list names elsewhere", async () => {
  const folder = await temporaryFolder();
  await writeFile(
    join(folder, "SHA256SUMS"),
    `${"a".repeat(64)}  ../x\n${"a".repeat(64)}  /etc/passwd\n${"a".repeat(64)}  ..\n`,
  );
  const { code, stdout } = await runCli(["chunks", "verify", folder, "--json"]);
  expect(code).toBe(5);
  const wrong = { ok: 0, missing: [], damaged: ["SHA256SUMS"], strange_lines: 3 };
  expect(JSON.parse(stdout.toString())).toMatchObject(wrong);
});

it.each([
  ["of nothing but zeros", "\0".repeat(300)],
  ["that is empty", ""],
  ["with a line that is torn", `${"a".repeat(64)}  a.ply\n${"b".repeat(20)}`],
])("is not content with a list %s", async (_, text) => {
  const { folder, one } = await downloaded();
  await writeFile(join(one, "SHA256SUMS"), text);
  const { code, stdout } = await runCli(["chunks", "verify", folder]);
  expect(code).toBe(5);
  expect(stdout.toString()).toMatch(/^damaged {5}main\/one\/SHA256SUMS$/m);
});

it.skipIf(process.platform === "win32")("waits for no pipe, whichever name it has", async () => {
  const { folder, one, two } = await downloaded();
  for (const path of [join(one, "a.ply"), join(two, "SHA256SUMS")]) {
    await rm(path);
    execFileSync("mkfifo", [path]);
  }
  const { code, stdout } = await runCli(["chunks", "verify", folder, "--json"]);
  expect(code).toBe(5);
  expect(JSON.parse(stdout.toString())).toMatchObject({
    unreadable: ["main/one/a.ply", "main/two/SHA256SUMS"],
    ok: 1,
  });
});

it("tells of a record that a crash left, and reads sums as BSD writes them", async () => {
  const { folder, one } = await downloaded();
  await writeFile(join(one, ".a.ply.part.json"), "{}");
  await writeFile(join(one, "SHA256SUMS"), `SHA256 (a.ply) = ${sha256(Buffer.from("a"))}\n`);
  const { stdout } = await runCli(["chunks", "verify", folder, "--json"]);
  expect(JSON.parse(stdout.toString())).toMatchObject({
    half: ["main/one/.a.ply.part.json"],
    unlisted: ["main/one/b.ply"],
    strange_lines: 0,
    ok: 3,
  });
});

it.each([
  ["without a list", "", /there is no SHA256SUMS in /],
  ["that is not there", "nowhere", /cannot be read: it is not there/],
])("ends with 2 for a folder %s", async (_, name, message) => {
  const folder = await temporaryFolder();
  const { code, stderr } = await runCli(["chunks", "verify", join(folder, name)]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});
