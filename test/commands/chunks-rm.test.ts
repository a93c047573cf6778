import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { planRemoval } from "../../src/chunks/plan-removal.ts";
import { removeChunks } from "../../src/chunks/remove.ts";
import { rmChunks } from "../../src/commands/rm-chunks.ts";
import { explain, type SplatError } from "../../src/errors.ts";
import type { SessionOptions } from "../helpers/bucket-scenes.ts";
import { ptyPairFor } from "../helpers/pty.ts";
import { proxiedBucket } from "../helpers/proxied-bucket.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const CHUNKS = [new Uint8Array(10), new Uint8Array(2000).fill(1), new Uint8Array(3000).fill(2)];
const DENIED = { kind: "answer", status: 403, body: "<Error><Code>AccessDenied</Code></Error>" } as const;

const bucket = proxiedBucket();

/** Put sessions into a scene of their own, the last as its newest. */
function sessions(scene: string, ids: readonly string[], options: SessionOptions = {}): Promise<void> {
  return bucket.scenes.sessions(scene, ids, CHUNKS, options);
}

function remove(scene: string, ...args: readonly string[]) {
  return bucket.cli("chunks", "rm", "--scene", scene, ...args);
}

async function keys(scene: string): Promise<string[]> {
  const prefix = `scenes/${scene}/`;
  return (await bucket.r2.keys(prefix)).map((key) => key.slice(prefix.length));
}

describe("chunks rm", () => {
  it("removes what is named from the latest session; no status.json names it any more", async () => {
    await sessions("some", ["old", "new"]);
    const { code, stdout, stderr } = await remove("some", "chunk_0002.ply", "3", "--yes");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "removed 2 objects\n" });
    expect(stderr).toMatch(/^bucket "splats"/);
    expect(await keys("some")).toEqual(
      [
        ...["chunk_0001.ply", "chunk_0002.ply", "chunk_0003.ply", "status.json"].map((name) => `old/${name}`),
        "new/chunk_0001.ply",
        "new/status.json",
        "status.json",
      ].sort(),
    );
    expect(await bucket.status("scenes/some")).toMatchObject({
      session_id: "new",
      gaussian_count: 1000,
      frame_count: 150,
      updated_at: 1_700_001_030,
      chunks: [{ name: "chunk_0001.ply" }],
    });
    expect(await bucket.broken("some")).toEqual([]);
  });
});

describe("chunks rm asks", () => {
  it("shows what would go, and without somebody to answer changes nothing", async () => {
    await sessions("asked", ["one"]);
    const before = await bucket.r2.sums("scenes/");
    const { code, stderr, stdout } = await remove("asked", "chunk_000[12].ply");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(
      [
        "2 objects, 2.0 kB, of a session would go:",
        "  scenes/asked/one/chunk_0001.ply  10 B",
        "  scenes/asked/one/chunk_0002.ply  2.0 kB",
        "error: nobody is there to confirm",
        "  Add --yes to go ahead without asking.",
      ].join("\n"),
    );
    expect(await bucket.r2.sums("scenes/")).toEqual(before);
  });

  it("--dry-run says so as its result", async () => {
    await sessions("dry", ["one"]);
    const before = await bucket.r2.sums("scenes/");
    expect(await bucket.json("chunks", "rm", "1", "--scene", "dry", "--dry-run")).toEqual({
      success: true,
      dry_run: true,
      bucket: "splats",
      scene: "dry",
      sessions: [
        { session_id: "one", whole: false, objects: [{ key: "scenes/dry/one/chunk_0001.ply", bytes: 10 }] },
      ],
    });
    expect(await bucket.r2.sums("scenes/")).toEqual(before);
  });

  it.each([
    [[], /nothing is named\n.*--all/],
    [["a.ply", "--all"], /contradict one another/],
  ])("never takes %j for everything", async (args, words) => {
    const flags = { yes: true, all: args.includes("--all") };
    const names = args.filter((arg) => arg !== "--all");
    const error: unknown = await rmChunks(names, flags, bucket.writer.signal).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: "usage" });
    expect(explain(error as SplatError)).toMatch(words);
  });

  it("goes on after a y alone", async (context) => {
    await sessions("typed", ["one"]);
    const pair = await ptyPairFor(context);
    const terminal = openSync(pair.b, "r+");
    context.onTestFinished(() => closeSync(terminal));
    const person = new ReadStream(openSync(pair.a, "r+"));
    context.onTestFinished(() => void person.destroy());
    const answer = async (typed: string): Promise<number | null> => {
      const child = spawn(process.execPath, [BIN, "chunks", "rm", "1", "--scene", "typed"], {
        env: { ...process.env, ...bucket.env },
        stdio: [terminal, "ignore", terminal],
      });
      let shown = "";
      const look = (piece: Buffer): void => {
        shown += piece.toString();
        if (!shown.includes("Remove them for good? [y/N] ")) return;
        person.off("data", look);
        const keyboard = openSync(pair.a, "r+");
        writeSync(keyboard, typed);
        closeSync(keyboard);
      };
      person.on("data", look);
      return ((await once(child, "exit")) as [number | null])[0];
    };
    expect(await answer("\r")).toBe(130);
    expect(await keys("typed")).toHaveLength(5);
    expect(await answer("y\r")).toBe(0);
    expect(await keys("typed")).toHaveLength(4);
  });

  it("leaves a session alone that is not finished", async () => {
    const status = { complete: false, state: "training" as const, updated_at: Date.now() / 1000 - 300 };
    await sessions("live", ["one"], { status });
    const { code, stderr } = await remove("live", "1", "--yes");
    expect(code).toBe(4);
    expect(stderr).toMatch(/the session one is not finished \(training\).*\n.*splatctl stop.*--force/);
    expect(await keys("live")).toHaveLength(5);
  });
});

describe("chunks rm when something goes wrong", () => {
  it("removes the others when one cannot be removed, and the next run finishes", async () => {
    await sessions("partly", ["old", "one"]);
    bucket.proxy.plan = ({ method, path }) =>
      method === "DELETE" && path.includes("chunk_0002")
        ? { kind: "answer", status: 400, body: "<Error><Code>Odd</Code></Error>" }
        : null;
    const { code, stdout } = await remove("partly", "--all", "--yes", "--json");
    expect(code).toBe(5);
    expect(JSON.parse(stdout)).toMatchObject({
      success: false,
      bucket: "splats",
      removed: ["scenes/partly/one/chunk_0001.ply", "scenes/partly/one/chunk_0003.ply"].map(
        (key) => expect.stringContaining(key.slice(0, -6)) as string,
      ),
      failed: [
        {
          key: "scenes/partly/one/chunk_0002.ply",
          error: { code: "refused", message: expect.stringMatching(/Odd/) as string },
        },
      ],
    });
    expect(await bucket.status("scenes/partly")).toMatchObject({ session_id: "one", chunks: [] });
    expect(await bucket.broken("partly")).toEqual([]);
    bucket.proxy.plan = () => null;
    expect(await remove("partly", "--all", "--yes")).toMatchObject({
      code: 0,
      stdout: "removed 2 objects, a session whole\nthe scene shows session old now\n",
    });
    expect(await keys("partly")).toHaveLength(5);
    expect(await bucket.broken("partly")).toEqual([]);
  });

  it("says that the token may only read", async () => {
    const denied = "delete";
    await sessions(denied, ["one"]);
    bucket.proxy.plan = ({ method }) => (method === denied.toUpperCase() ? DENIED : null);
    const { code, stderr } = await remove(denied, "--all", "--yes");
    expect(code).toBe(3);
    expect(stderr).toMatch(/denied access.*\n.*Object Read & Write/);
    expect(await keys(denied)).toHaveLength(5);
  });

  it.each([
    ["before the scene's status.json", "PUT", "killed-0/status.json"],
    ["between objects", "DELETE", "chunk_0002"],
    ["before the scene was told", "GET", "list"],
  ])("killed %s, the same command finishes the same session", async (name, method, part) => {
    const scene = `killed-${["scene's", "objects", "told"].findIndex((word) => name.includes(word))}`;
    await sessions(scene, ["old", "one"]);
    const killed = new Promise<void>((resolve) => {
      let deleted = 0;
      bucket.proxy.plan = (asked) => {
        if (asked.method === "DELETE") deleted++;
        const isIt =
          part === "list"
            ? deleted === 4 && asked.method === "GET" && asked.path.includes("list-type")
            : asked.method === method && asked.path.includes(part);
        if (!isIt) return null;
        resolve();
        return { kind: "stall", side: "request", atByte: 0 };
      };
    });
    const child = spawn(process.execPath, [BIN, "chunks", "rm", "--all", "--yes", "--scene", scene], {
      env: { ...process.env, ...bucket.env },
      stdio: "ignore",
    });
    await killed;
    child.kill("SIGKILL");
    await once(child, "exit");
    bucket.proxy.plan = () => null;
    const { reader, writer } = bucket;
    const removal = await planRemoval(reader, { scene, session: "latest" }, "all", writer.signal);
    await removeChunks(writer, reader, removal, { isForced: false });
    expect(await keys(scene)).toEqual([
      ...[1, 2, 3].map((n) => `old/chunk_000${n}.ply`),
      "old/status.json",
      "status.json",
    ]);
    expect(await bucket.status(`scenes/${scene}`)).toMatchObject({ session_id: "old" });
    expect(await bucket.broken(scene)).toEqual([]);
  });
});
