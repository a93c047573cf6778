import { describe, expect, it, test } from "vitest";
import type { Entry, Session } from "../../src/chunks/entry.ts";
import { selectEntries, type Choice } from "../../src/chunks/select.ts";

function session(sessionId: string, names: readonly string[]): Session {
  const entries = names.map((name, i): Entry => ({
    key: `scenes/main/${sessionId}/${name}`,
    scene: "main",
    sessionId,
    name,
    sizeBytes: 10,
    sha256: null,
    etag: null,
    index: i + 1,
    firstFrame: null,
    lastFrame: null,
    gaussianCount: null,
    createdAtS: i,
  }));
  return {
    scene: "main",
    sessionId,
    from: "listing",
    state: null,
    complete: false,
    frameCount: null,
    gaussianCount: null,
    updatedAtS: null,
    entries,
  };
}

const OLD = session("old", ["chunk_0001.ply", "chunk_0002.ply"]);
const NEW = session("new", ["chunk_0001.ply", "chunk_0002.ply", "final.spz"]);

function chosen(choice: Partial<Choice>, sessions = [OLD, NEW]): string[] {
  const whole = { wanted: [], all: false, include: [], exclude: [], ...choice };
  return selectEntries(sessions, whole).map(({ sessionId, name }) => `${sessionId}/${name}`);
}

test("what is named decides; of nothing named the newest is meant", () => {
  expect(chosen({})).toEqual(["new/final.spz"]);
  expect(chosen({}, [])).toEqual([]);
  expect(chosen({ all: true })).toHaveLength(5);
  expect(chosen({ wanted: ["latest"] })).toEqual(["new/final.spz"]);
  expect(chosen({ wanted: ["chunk_0002.ply"] })).toEqual(["old/chunk_0002.ply", "new/chunk_0002.ply"]);
  expect(chosen({ wanted: ["old/chunk_0002.ply"] })).toEqual(["old/chunk_0002.ply"]);
  expect(chosen({ wanted: ["scenes/main/new/chunk_0001.ply"] })).toEqual(["new/chunk_0001.ply"]);
  expect(chosen({ wanted: ["2"] }, [NEW])).toEqual(["new/chunk_0002.ply"]);
});

test("globs are compared with the name and with SESSION/NAME, and a file comes once", () => {
  expect(chosen({ wanted: ["*.spz", "final*"] })).toEqual(["new/final.spz"]);
  expect(chosen({ wanted: ["old/*"] })).toEqual(["old/chunk_0001.ply", "old/chunk_0002.ply"]);
  expect(chosen({ wanted: ["chunk_000[12].ply"] })).toHaveLength(4);
  expect(chosen({ wanted: ["{1,final}*", "1"] })).toHaveLength(3);
});

test("a name that holds what a glob would is that name", () => {
  const odd = session("s", ["a[1].ply", "a1.ply"]);
  expect(chosen({ wanted: ["a[1].ply"] }, [odd])).toEqual(["s/a[1].ply"]);
});

test("exclude wins over include and over names", () => {
  expect(chosen({ all: true, include: ["*.ply"] })).toHaveLength(4);
  expect(chosen({ all: true, include: ["*.ply"], exclude: ["old/*"] })).toEqual([
    "new/chunk_0001.ply",
    "new/chunk_0002.ply",
  ]);
  expect(chosen({ wanted: ["*.spz"], exclude: ["*.spz"] })).toEqual([]);
  expect(chosen({ include: ["*.ply"] })).toEqual(["new/chunk_0002.ply"]);
  expect(chosen({ include: ["!*.ply"], all: true })).toEqual([]);
});

describe("what matches nothing", () => {
  const said = (wanted: string, sessions = [OLD, NEW]): { message: string; hint: string } => {
    try {
      chosen({ wanted: [wanted] }, sessions);
    } catch (thrown) {
      return thrown as { message: string; hint: string };
    }
    throw new Error("it matched");
  };

  it("is told with the names that come close", () => {
    expect(said("chunk_002.ply")).toMatchObject({
      code: "bad_input",
      message: "nothing there is called chunk_002.ply",
      hint: "There are chunk_0002.ply, chunk_0001.ply, final.spz; `splatctl chunks ls` shows them.",
    });
    expect(said("final.sqz").hint).toMatch(/^There are final\.spz, /);
    expect(said("x", []).hint).toBe("There are no chunks yet.");
  });

  it("counts what it does not name, and shows no control characters", () => {
    const many = session("s", ["\u001b[2J.ply", ...Array.from({ length: 50 }, (_, i) => `${i}.ply`)]);
    expect(said("\u001b[2J", [many]).hint).toMatch(/^There are \\u\{1b\}\[2J\.ply, .* and 48 more/);
    expect(said("\u001b[2K", [many]).message).not.toContain("\u001b");
  });

  it("an empty name is a mistake", () => {
    expect(said("")).toMatchObject({ code: "usage" });
  });
});
