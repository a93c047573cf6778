/** Which keys become which paths, and which never do. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { foldedPath, localPath } from "../../src/chunks/local-path.ts";

const PLAIN = { scene: "main", sessionId: "20260101T000000-abc", name: "chunk_0001.ply" };

it.each([
  "chunk_0001.ply",
  "a b.ply",
  "Übung – é.ply",
  "console.ply",
  "com.ply",
  "a.con",
  "$x",
  "SHA256SUMS2",
  "a".repeat(239),
])("lets %s be a file", (name) => {
  expect(localPath("dir", { ...PLAIN, name })).toBe(join("dir", "main", PLAIN.sessionId, name));
});

const HOSTILE = [
  "",
  ".",
  "..",
  "../x",
  "/etc/passwd",
  "a/b",
  "a\\b",
  "..\\x",
  "C:\\x",
  "c:x",
  "a:stream",
  "a\u0000.ply",
  "a\nb",
  "a\u001b[2Jb",
  "a\u007fb",
  "a\u009bb",
  "a\u202eylp.exe",
  "a\ud800b",
  "con",
  "CON",
  "nul.ply",
  "NUL .ply",
  "aux.tar.gz",
  "com1",
  "COM9.ply",
  "com¹.ply",
  "lpt0.x",
  "conin$",
  "prn.",
  "a.",
  "a ",
  " a",
  "a. .",
  "...",
  "-rf",
  "--checkpoint-action=exec=sh",
  ".hidden",
  ".chunk_0001.ply.part",
  ".splatctl-lock",
  "SHA256SUMS",
  "sha256sums",
  "Sha256Sums.part",
  "a?b",
  "a*b",
  "a<b",
  "a|b",
  'a"b',
  "a".repeat(240),
  "é".repeat(120),
];

it.each(HOSTILE)("refuses %j wherever it stands", (part) => {
  for (const where of ["scene", "sessionId", "name"] as const) {
    expect(() => localPath("dir", { ...PLAIN, [where]: part })).toThrow(
      expect.objectContaining({
        code: "bad_input",
        message: expect.stringMatching(/cannot become a file here: /),
      }),
    );
  }
});

it("shows nothing in its messages that a terminal would obey", () => {
  expect(() => localPath("dir", { ...PLAIN, name: "a\u001b]0;x\u0007\u202e" })).toThrow(
    /"main\/20260101T000000-abc\/a\\u\{1b\}\]0;x\\u\{7\}\\u\{202e\}" cannot become/,
  );
});

it("knows names that differ by case or by how letters are put together", () => {
  const of = (name: string): string => foldedPath({ ...PLAIN, name });
  expect(of("A.PLY")).toBe(of("a.ply"));
  expect(of("\u00e9")).toBe(of("E\u0301"));
  expect(of("a")).not.toBe(of("b"));
});
