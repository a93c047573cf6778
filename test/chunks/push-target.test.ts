import { expect, it } from "vitest";
import type { SplatError } from "../../src/errors.ts";
import { checkTarget, requireExtension, sessionIdOf } from "../../src/chunks/push-target.ts";

it.each([
  ["scene", ["../x", "", "Main", "a/b"]],
  ["sessionId", ["../../other", "latest", "all", "status.json", "", "a/b", "-a", "a b", "a".repeat(65), "ä"]],
  [
    "name",
    [
      "../x.ply",
      "a/b.ply",
      "a\\b.ply",
      "\u001b[31m.ply",
      "a\nb.ply",
      "a\u202e.ply",
      ".ply",
      "*.ply",
      "[a].ply",
    ],
  ],
  [
    "name",
    ["", " a.ply", "a.ply ", "a.", "a\0.ply", `${"a".repeat(101)}.ply`, "\ud800.ply", "con.ply", "NUL.spz"],
  ],
] as const)("no %s is called so", (what, names) => {
  for (const name of names) {
    expect(() => checkTarget({ scene: "main", [what]: name }), name).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^(usage|bad_input)$/) as string }),
    );
  }
});

it.each([
  ["CON.ply", /"CON\.ply" cannot be the name of a file: Windows takes that name for a device$/],
  ["SHA256SUMS", /cannot be the name of a file: splatctl writes a file of that name itself$/],
  // What a terminal of another encoding makes of u with two dots.
  ["\ufffd.ply", /cannot be the name of a file$/],
  ["\u0308u.ply", /cannot be the name of a file$/],
  ["kitchen", /does not say what the file is$/],
] as const)("says of %s that another name would do", (name, words) => {
  let hint: string | undefined;
  expect(() => {
    try {
      checkTarget({ scene: "main", name });
    } catch (thrown) {
      ({ hint } = thrown as SplatError);
      throw thrown;
    }
  }).toThrow(words);
  expect(hint).toMatch(/^Choose another --name/);
});

it("makes a session's id of a file's digest: RFC 9562, version 8", () => {
  expect(sessionIdOf("f".repeat(64))).toBe("ffffffff-ffff-8fff-bfff-ffffffffffff");
  expect(sessionIdOf("0123456789abcdef".repeat(4))).toBe("01234567-89ab-8def-8123-456789abcdef");
});

it("takes names that people give", () => {
  checkTarget({ scene: "main" });
  checkTarget({
    scene: "a-1",
    sessionId: "5f9b2c1e-0000-4000-8000-000000000000",
    name: "Küche 2.compressed.ply",
  });
  checkTarget({ scene: "main", sessionId: "x", name: "u\u0308.ply" });
  checkTarget({ scene: "main", name: "\u00fc.ply" });
});

it("wants a name to say what the file is", () => {
  requireExtension("A.PLY", ".ply");
  expect(() => requireExtension("a.ply", ".spz")).toThrow(/does not say what the file is/);
});
