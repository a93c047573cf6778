import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bucketStatusSchema, type Status } from "../../src/api/schema.ts";
import { decodePly } from "../../src/splat/ply-read.ts";
import { jpeg, json, openTestBackend, type TestBackend } from "../helpers/backend-fixture.ts";

async function send(backend: TestBackend, from: number, to: number, holdout = false): Promise<void> {
  for (let seed = from; seed <= to; seed++) {
    expect((await backend.upload(await jpeg(seed), { holdout })).status).toBe(200);
  }
}

async function every(count: number): Promise<TestBackend> {
  const backend = await openTestBackend();
  await backend.send("/scene", json("PUT", { chunk_every: count }));
  return backend;
}

function stop(backend: TestBackend): Promise<Response> {
  return backend.send("/stop-training", json("POST", { finish_seconds: 0.05 }));
}

function ranges({ chunks }: Status): number[][] {
  return chunks.map(({ first_frame, last_frame }) => [first_frame, last_frame]);
}

describe("when a chunk is written", () => {
  it("once the frame it ends with has been in a step, and at the end for the rest", async () => {
    const backend = await every(3);
    await send(backend, 1, 2);
    expect((await backend.until(({ step }) => step > 5)).chunks).toEqual([]);
    await send(backend, 3, 7);
    await backend.until(({ chunks_uploaded }) => chunks_uploaded === 2);
    await stop(backend);
    expect(ranges(backend.scene.status())).toEqual([
      [1, 3],
      [4, 6],
      [7, 7],
    ]);
    await stop(backend);
    expect(backend.scene.status().chunks_uploaded).toBe(3);
  });

  it("after any step when it ends with a held-out frame", async () => {
    const backend = await every(3);
    await send(backend, 1, 2);
    backend.training.paused = true;
    await send(backend, 3, 3, true);
    expect(backend.scene.status().chunks).toEqual([]);
    backend.training.paused = false;
    expect(ranges(await backend.until(({ chunks_uploaded }) => chunks_uploaded > 0))).toEqual([[1, 3]]);
  });

  it("not at the end when nothing is there", async () => {
    const backend = await openTestBackend();
    expect(await (await stop(backend)).json()).toMatchObject({ complete: true, chunks: [] });
    expect(backend.scene.status()).toMatchObject({ state: "complete", progress: 0 });
  });

  it("also at the end when only more steps were made since the last", async () => {
    const backend = await every(2);
    await send(backend, 1, 2);
    await backend.until(({ chunks_uploaded }) => chunks_uploaded === 1);
    await stop(backend);
    expect(ranges(backend.scene.status())).toEqual([
      [1, 2],
      [2, 2],
    ]);
  });
});

describe("what lies in the bucket folder", () => {
  it("is laid out by scene and session, whole, with its sums, and named by both status files", async () => {
    const backend = await every(2);
    await send(backend, 1, 3);
    await backend.until(({ chunks_uploaded }) => chunks_uploaded === 1);
    await stop(backend);
    const { session_id, chunks } = backend.scene.status();
    const scene = join(backend.dataDir, "bucket/scenes/main");
    expect((await readdir(scene)).sort()).toEqual([session_id, "status.json"].sort());
    expect((await readdir(join(scene, session_id))).sort()).toEqual([
      "chunk_0001.ply",
      "chunk_0002.ply",
      "status.json",
    ]);
    for (const chunk of chunks) {
      const bytes = await readFile(join(backend.dataDir, "bucket", chunk.key));
      expect(chunk).toMatchObject({
        bytes: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
      });
      expect(decodePly(bytes).count).toBe(chunk.gaussian_count);
    }
    for (const path of [join(scene, "status.json"), join(scene, session_id, "status.json")]) {
      const status = bucketStatusSchema.parse(JSON.parse(await readFile(path, "utf8")));
      expect(status).toMatchObject({ session_id, state: "complete", complete: true, frame_count: 3, chunks });
    }
  });
});

describe("an ending", () => {
  it("is told as unfinished while it takes longer than an answer may, and as finished later", async () => {
    const backend = await openTestBackend({ stopAnswerMs: 20 });
    await send(backend, 1, 1);
    const later = (): Promise<Response> =>
      backend.send("/stop-training", json("POST", { finish_seconds: 0.5 }));
    expect(await (await later()).json()).toMatchObject({ success: true, complete: false });
    expect(backend.scene.status()).toMatchObject({ state: "finishing" });
    expect(backend.scene.status().progress).toBeLessThan(1);
    await backend.until(({ state }) => state === "complete");
    expect(await (await later()).json()).toMatchObject({ complete: true });
    expect(backend.scene.status().progress).toBe(1);
  });

  it("does not come for a trainer that failed; what there is stays to be had", async () => {
    const backend = await openTestBackend();
    await send(backend, 1, 1);
    await backend.until(({ gaussian_count }) => gaussian_count > 0);
    backend.training.fail("out of memory");
    expect(backend.scene.status()).toMatchObject({
      state: "failed",
      last_error: "training failed: out of memory",
    });
    expect(await (await backend.send("/health")).json()).toMatchObject({
      status: "failed",
      trainer_ready: false,
    });
    expect(await (await stop(backend)).json()).toMatchObject({ complete: false });
    expect((await backend.send("/get-ply")).status).toBe(200);
    await send(backend, 2, 2);
    expect(backend.scene.status()).toMatchObject({ frame_count: 2, durable_through: 2 });
  });
});
