import { createHash } from "node:crypto";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pushScene, type PushOptions, type Pushed } from "../../src/chunks/push.ts";
import { sessionIdOf } from "../../src/chunks/push-target.ts";
import { readSceneFile } from "../../src/chunks/scene-file.ts";
import { encodeScene, type SceneFormat } from "../../src/splat/formats.ts";
import { scriptedFaults } from "../helpers/fault-proxy.ts";
import { proxiedBucket } from "../helpers/proxied-bucket.ts";
import { randomGaussians } from "../helpers/random.ts";

const bucket = proxiedBucket();

async function sceneFile(name: string, count = 50, seed = 1, format: SceneFormat = "ply"): Promise<string> {
  const path = join(bucket.folder, name);
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeScene(randomGaussians(count, 0, seed), format)) pieces.push(piece);
  await writeFile(path, Buffer.concat(pieces));
  return path;
}

async function push(scene: string, path: string, options: Partial<PushOptions> = {}): Promise<Pushed> {
  const { writer } = bucket;
  return await pushScene(writer, await readSceneFile(path, writer.signal), { scene, ...options });
}

async function sha256Of(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

describe("a session of one's own", () => {
  it("goes on counting, and knows a file that is there", async () => {
    const [one, two] = [await sceneFile("1.ply", 10, 1), await sceneFile("2.spz", 20, 2, "spz")];
    const mine = { sessionId: "mine" };
    expect(await push("counted", one, mine)).toMatchObject({ outcome: "pushed", isNewest: true });
    expect(await push("counted", two, mine)).toMatchObject({
      outcome: "pushed",
      chunk: { name: "chunk_0002.spz", index: 2 },
    });
    const before = await bucket.r2.sums("scenes/counted/");
    expect(await push("counted", one, mine)).toMatchObject({ outcome: "already", chunk: { index: 1 } });
    expect(await bucket.r2.sums("scenes/counted/")).toEqual(before);
    expect(await bucket.status("scenes/counted")).toMatchObject({
      gaussian_count: 20,
      chunks: [{ name: "chunk_0001.ply" }, { name: "chunk_0002.spz" }],
    });
    expect(await bucket.broken("counted")).toEqual([]);
  });

  it.each([
    ["x.ply", "ply", ".ply"],
    ["x.spz", "spz", ".spz"],
    ["x.splat", "splat", ".splat"],
    ["called-otherwise.dat", "spz", ".spz"],
  ] as const)("names %s by what it is (%s)", async (name, format, extension) => {
    const { chunk } = await push("formats", await sceneFile(name, 30, 3, format));
    expect(chunk).toMatchObject({ name: `chunk_0001${extension}`, gaussian_count: 30 });
  });

  it("is the same for the same file, and another for another", async () => {
    const [one, two] = [await sceneFile("1.ply", 10, 1), await sceneFile("2.ply", 20, 2)];
    const first = await push("own", one);
    const before = await bucket.r2.sums("scenes/own/");
    expect(await push("own", one)).toEqual({ ...first, outcome: "already" });
    expect(await push("own", one, { name: "other.ply" })).toEqual({ ...first, outcome: "already" });
    expect(await bucket.r2.sums("scenes/own/")).toEqual(before);
    const second = await push("own", two);
    expect(second).toMatchObject({ outcome: "pushed", chunk: { name: "chunk_0001.ply" } });
    expect(second.sessionId).not.toBe(first.sessionId);
    expect(await bucket.broken("own")).toEqual([]);
  });

  it("takes a name of the user's, and overwrites nothing", async () => {
    const named = { sessionId: "named", name: "Küche 2.ply" };
    const path = await sceneFile("1.ply");
    expect(await push("named", path, named)).toMatchObject({ outcome: "pushed" });
    expect(await push("named", path, named)).toMatchObject({ outcome: "already" });
    expect(await bucket.r2.get("scenes/named/named/Küche 2.ply")).toEqual(await readFile(path));
    await expect(push("named", await sceneFile("2.ply", 9, 9), named)).rejects.toMatchObject({
      code: "refused",
      message: "another object lies at scenes/named/named/Küche 2.ply, and nothing is overwritten",
    });
    expect(await bucket.r2.get("scenes/named/named/Küche 2.ply")).toEqual(await readFile(path));
  });

  it("stores again what its status.json names and somebody removed", async () => {
    const path = await sceneFile("1.ply");
    const mine = { sessionId: "mine" };
    const { chunk } = await push("again", path, mine);
    await bucket.writer.bucket.remove(chunk.key, bucket.writer.signal);
    expect(await push("again", path, mine)).toMatchObject({ outcome: "pushed", chunk });
    expect(await bucket.broken("again")).toEqual([]);
  });
});

describe("sessions of backends", () => {
  const running = { complete: false, state: "training" as const };

  it("are added to when they are finished, after their frames; what is not known of them stays", async () => {
    const status = await bucket.scenes.session("ended", [new Uint8Array(5)], { scene: "added" });
    const more = { more: { of: "this" }, chunks: status.chunks.map((chunk) => ({ ...chunk, psnr: 30 })) };
    await bucket.scenes.put("scenes/added/ended/status.json", JSON.stringify({ ...status, ...more }));
    await push("added", await sceneFile("better.ply"), { sessionId: "ended" });
    expect(JSON.parse(String(await bucket.r2.get("scenes/added/ended/status.json")))).toMatchObject({
      more: { of: "this" },
      frame_count: 50,
      chunks: [
        { index: 1, psnr: 30 },
        { index: 2, first_frame: 50, last_frame: 50, gaussian_count: 50 },
      ],
    });
    expect(await bucket.broken("added")).toEqual([]);
  });

  it("stay in front while they are live", async () => {
    const status = { ...running, updated_at: Date.now() / 1000 - 1800 };
    await bucket.scenes.session("live", [new Uint8Array(9)], { scene: "live", isNewest: true, status });
    expect(await push("live", await sceneFile("1.ply"), { sessionId: "beside" })).toMatchObject({
      isNewest: false,
    });
    expect(await bucket.status("scenes/live")).toMatchObject({ session_id: "live" });
    expect(await bucket.status("scenes/live/beside")).toMatchObject({
      complete: true,
      chunks: [{ index: 1 }],
    });
  });

  it("are not added to when nothing counts on from their numbers", async () => {
    const status = await bucket.scenes.session("counted", [new Uint8Array(5)], { scene: "endless" });
    for (const index of [999_999_999, Number.MAX_SAFE_INTEGER]) {
      const hostile = { ...status, chunks: status.chunks.map((chunk) => ({ ...chunk, index })) };
      await bucket.scenes.put("scenes/endless/counted/status.json", JSON.stringify(hostile));
      const before = await bucket.r2.sums("scenes/endless/");
      await expect(push("endless", await sceneFile("1.ply"), { sessionId: "counted" })).rejects.toMatchObject(
        {
          code: "refused",
          message: expect.stringMatching(/have numbers up to the last there is/) as string,
        },
      );
      expect(await bucket.r2.sums("scenes/endless/")).toEqual(before);
    }
  });

  it("stay in front no longer once they have failed", async () => {
    const status = { complete: false, state: "failed" as const, updated_at: Date.now() / 1000 - 60 };
    await bucket.scenes.session("over", [new Uint8Array(9)], { scene: "over", isNewest: true, status });
    expect(await push("over", await sceneFile("1.ply"), { sessionId: "mine" })).toMatchObject({
      isNewest: true,
    });
  });

  it("that died long ago do not", async () => {
    await bucket.scenes.session("dead", [new Uint8Array(9)], {
      scene: "dead",
      isNewest: true,
      status: running,
    });
    expect(await push("dead", await sceneFile("1.ply"), { sessionId: "mine" })).toMatchObject({
      isNewest: true,
    });
    expect(await bucket.status("scenes/dead")).toMatchObject({ session_id: "mine" });
  });

  it("are not pushed into while they go on, nor when nobody understands their status.json", async () => {
    await bucket.scenes.session("running", [new Uint8Array(9)], { scene: "busy", status: running });
    const other = await bucket.scenes.session("other", [], { scene: "busy" });
    await bucket.scenes.put("scenes/busy/odd/status.json", '{"chunks": 7}');
    await bucket.scenes.put("scenes/busy/moved/status.json", JSON.stringify(other));
    const before = await bucket.r2.sums("scenes/busy/");
    const path = await sceneFile("1.ply");
    await expect(push("busy", path, { sessionId: "running" })).rejects.toMatchObject({
      code: "refused",
      message: "the session scenes/busy/running is not complete (training): a backend writes it",
    });
    await expect(push("busy", path, { sessionId: "odd" })).rejects.toThrow(/odd\/status\.json is damaged/);
    await expect(push("busy", path, { sessionId: "moved" })).rejects.toThrow(
      /moved\/status\.json is damaged/,
    );
    expect(await bucket.r2.sums("scenes/busy/")).toEqual(before);
  });
});

describe("many at once", () => {
  it("push into one session, and all are named", async () => {
    const paths = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((seed) => sceneFile(`${seed}.ply`, 10 * seed, seed)),
    );
    await Promise.all(paths.map((path) => push("many", path, { sessionId: "shared" })));
    const status = await bucket.status("scenes/many");
    const sums = await Promise.all(paths.map(sha256Of));
    expect(status?.chunks.map(({ sha256 }) => sha256).sort()).toEqual(sums.sort());
    expect(status?.chunks.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await bucket.broken("many")).toEqual([]);
  });

  it("push the same file, and it is there once", async () => {
    const path = await sceneFile("1.ply", 40, 7);
    await Promise.all([1, 2, 3].map(() => push("same", path, { sessionId: "shared" })));
    expect(await bucket.r2.keys("scenes/same/")).toHaveLength(3);
    expect((await bucket.status("scenes/same"))?.chunks).toHaveLength(1);
  });

  it("push sessions of their own, and the scene shows one of them whole", async () => {
    const path = await sceneFile("1.ply", 40, 7);
    await Promise.all(["a", "b", "c"].map((sessionId) => push("several", path, { sessionId })));
    expect(await bucket.r2.keys("scenes/several/")).toHaveLength(7);
    expect(await bucket.broken("several")).toEqual([]);
  });
});

describe("over a bad network", () => {
  it("a busy server, a cut line, a changed body and a lost answer only cost time", async () => {
    const path = await sceneFile("1.ply", 500);
    const script = scriptedFaults(
      { kind: "answer", status: 429, retryAfterS: 0 },
      { kind: "reset", side: "request", atByte: 5000 },
      { kind: "corrupt", side: "request", atByte: 7000 },
      { kind: "reset", side: "response", atByte: 0 },
    );
    bucket.proxy.plan = (asked) =>
      asked.method === "PUT" && asked.path.includes(".ply") ? script(asked) : null;
    expect(await push("bad", path)).toMatchObject({ outcome: "pushed" });
    expect(await bucket.broken("bad")).toEqual([]);
  });

  it("no write of status.json is lost with its answer", async () => {
    const lost = { kind: "reset", side: "response", atByte: 0 } as const;
    const script = scriptedFaults(lost, lost);
    bucket.proxy.plan = (asked) =>
      asked.method === "PUT" && asked.path.includes("status.json") ? script(asked) : null;
    await push("lost", await sceneFile("1.ply"));
    expect((await bucket.status("scenes/lost"))?.chunks).toHaveLength(1);
    expect(await bucket.broken("lost")).toEqual([]);
  });

  it("what was stored and never named is finished by the next push, and not sent again", async () => {
    const path = await sceneFile("1.ply");
    bucket.proxy.plan = ({ method, path: asked }) =>
      method === "PUT" && asked.includes("status.json") ? { kind: "answer", status: 400 } : null;
    await expect(push("half", path)).rejects.toMatchObject({
      hint: expect.stringMatching(/The same command again goes on where this one stopped\.$/) as string,
    });
    const id = sessionIdOf(await sha256Of(path));
    expect(await bucket.r2.keys("scenes/half/")).toEqual([`scenes/half/${id}/chunk_0001.ply`]);
    bucket.proxy.plan = () => null;
    const { length } = bucket.proxy.seen;
    expect(await push("half", path)).toMatchObject({ outcome: "pushed" });
    const sent = bucket.proxy.seen.slice(length).filter(({ method }) => method === "PUT");
    expect(sent.map((asked) => asked.path.includes("status.json"))).toEqual([true, true]);
    expect(await bucket.broken("half")).toEqual([]);
    expect(await bucket.r2.keys("scenes/half/")).toHaveLength(3);
  });

  it("what was named and the scene not told is finished by the next push", async () => {
    const path = await sceneFile("1.ply");
    bucket.proxy.plan = ({ method, path: asked }) =>
      method === "PUT" && asked.includes("untold/status.json") ? { kind: "answer", status: 400 } : null;
    await expect(push("untold", path, { sessionId: "mine" })).rejects.toMatchObject({ code: "refused" });
    bucket.proxy.plan = () => null;
    expect(await push("untold", path, { sessionId: "mine" })).toMatchObject({
      outcome: "already",
      isNewest: true,
    });
    expect(await bucket.broken("untold")).toEqual([]);
    expect(await bucket.status("scenes/untold")).toMatchObject({ session_id: "mine" });
  });
});

describe("a large file", () => {
  it("is counted by its header, and never in memory", async () => {
    const path = await sceneFile("large.ply", 1);
    const header = (await readFile(path)).toString("latin1").split("end_header\n")[0];
    const count = 3_000_000;
    const text = `${header.replace("vertex 1", `vertex ${count}`)}end_header\n`;
    const file = await open(path, "w");
    await file.write(text);
    // Nothing but zeros, and no place on the disk.
    await file.truncate(text.length + count * 68);
    await file.close();
    const before = process.memoryUsage().rss;
    let most = before;
    const scene = await readSceneFile(path, bucket.writer.signal, () => {
      most = Math.max(most, process.memoryUsage().rss);
    });
    expect(scene).toMatchObject({ gaussianCount: count, sizeBytes: text.length + count * 68 });
    expect(most - before).toBeLessThan(100e6);
    await writeFile(path, text);
    await expect(readSceneFile(path, bucket.writer.signal)).rejects.toMatchObject({
      message: expect.stringMatching(/large\.ply: .*cut short/) as string,
    });
  });
});
