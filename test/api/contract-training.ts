/** The part of the contract suite that is about what training makes: the scene, its events, its end. */
import { describe, expect, it } from "vitest";
import { decodeEvents } from "../../src/api/events.ts";
import {
  resetResponseSchema,
  sceneResponseSchema,
  stopResponseSchema,
  type SceneEvent,
  type StopResponse,
} from "../../src/api/schema.ts";
import { decodeScene } from "../../src/splat/formats.ts";
import { orbit, picture, type Caller } from "./contract-reach.ts";

interface Ply {
  readonly etag: string;
  readonly version: number;
  readonly count: number;
}

/** Define the tests. */
export function trainingTests(backend: () => Caller): void {
  async function uploadOrbit(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const meta = { frame_id: `orbit-${i}`, camera_to_world: orbit(i / 4) };
      await backend().upload(await picture(i), meta);
    }
  }
  /** A 200 of /get-ply, with everything about it checked that holds for any one. */
  async function getPly(query = ""): Promise<Ply> {
    const response = await backend().send("GET", `/get-ply${query}`);
    expect(response.status).toBe(200);
    const bytes = Buffer.from(await response.arrayBuffer());
    const header = bytes
      .subarray(0, bytes.indexOf("end_header\n") + "end_header\n".length)
      .toString("latin1");
    expect(header).toMatch(/^ply\nformat binary_little_endian 1\.0\n/);
    const count = Number(/element vertex (\d+)/.exec(header)?.[1]);
    const floats = header.match(/^property float /gm)?.length ?? 0;
    expect(bytes.length).toBe(header.length + count * floats * 4);
    expect(response.headers.get("x-splat-count")).toBe(String(count));
    expect(response.headers.get("etag")).toMatch(/^"[^"]+"$/);
    expect(response.headers.get("x-splat-version")).toMatch(/^\d+$/);
    const [etag, version] = ["etag", "x-splat-version"].map((name) => response.headers.get(name));
    return { etag: etag ?? "", version: Number(version), count };
  }
  async function finish(): Promise<StopResponse> {
    await backend().ok(stopResponseSchema, "POST", "/stop-training", { finish_seconds: 0.5 });
    await backend().until(({ state }) => state === "complete" || state === "failed");
    return backend().ok(stopResponseSchema, "POST", "/stop-training");
  }

  describe("training", () => {
    it("begins with the first frames, and the scene can be had at once and whole", async () => {
      expect((await backend().send("GET", "/get-ply")).status).toBe(204);
      await uploadOrbit(4);
      const first = await backend().until(({ gaussian_count }) => gaussian_count > 0);
      expect(["training", "idle"]).toContain(first.state);
      expect(first.progress).toBeLessThan(1);
      const earlier = await getPly();
      const later = await getPly();
      expect(later.version).toBeGreaterThanOrEqual(earlier.version);
      expect((await backend().status()).version).toBeGreaterThanOrEqual(later.version);
      const some = await getPly("?format=ply&max_gaussians=7");
      expect(some.count).toBeLessThanOrEqual(7);
      expect(some.etag).not.toBe(later.etag);
    });

    it("hands the same scene out in other formats, each with an ETag of its own", async () => {
      await uploadOrbit(3);
      await backend().until(({ gaussian_count }) => gaussian_count > 0);
      await finish();
      const { etag, count } = await getPly();
      for (const format of ["splat", "spz"]) {
        const response = await backend().send("GET", `/get-ply?format=${format}&max_gaussians=5`);
        expect(response.status).toBe(200);
        const { headers } = response;
        expect(headers.get("x-splat-count")).toBe(String(Math.min(5, count)));
        expect(headers.get("content-type")).toBe("application/octet-stream");
        expect(headers.get("content-disposition")).toBe(`attachment; filename="scene.${format}"`);
        expect(headers.get("etag")).not.toBe(etag);
        const bytes = new Uint8Array(await response.arrayBuffer());
        const { gaussians, format: found } = await decodeScene(bytes, `scene.${format}`);
        expect([gaussians.count, found]).toEqual([Math.min(5, count), format]);
        const unchanged = await backend().send("GET", `/get-ply?format=${format}&max_gaussians=5`, {
          headers: { "if-none-match": headers.get("etag") ?? "" },
        });
        expect([unchanged.status, await unchanged.text()]).toEqual([304, ""]);
      }
    });

    it("writes a chunk when that many frames have been in a step", async () => {
      await backend().ok(sceneResponseSchema, "PUT", "/scene", { chunk_every: 2 });
      await uploadOrbit(3);
      const { chunks, chunks_uploaded } = await backend().until((status) => status.chunks.length > 0);
      expect(chunks_uploaded).toBe(chunks.length);
      expect(chunks[0]).toMatchObject({ name: "chunk_0001.ply", index: 1, first_frame: 1, last_frame: 2 });
      expect(chunks[0].sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(chunks[0].key).toMatch(/\/main\/[^/]+\/chunk_0001\.ply$/);
    });

    it("stops: the scene is complete, its last chunk written, its ETag at rest", async () => {
      await uploadOrbit(3);
      await backend().until(({ gaussian_count }) => gaussian_count > 0);
      const stopped = await finish();
      expect(stopped.complete).toBe(true);
      const status = await backend().status();
      expect(status).toMatchObject({ state: "complete", progress: 1, frame_count: 3 });
      expect(stopped.chunks).toEqual(status.chunks);
      const last = stopped.chunks.at(-1);
      const { etag, count } = await getPly();
      expect(last).toMatchObject({ last_frame: 3, gaussian_count: count });

      const unchanged = await backend().send("GET", "/get-ply", { headers: { "if-none-match": etag } });
      expect([unchanged.status, await unchanged.text()]).toEqual([304, ""]);
      expect(unchanged.headers.get("etag")).toBe(etag);
      const stale = await backend().send("GET", "/get-ply", { headers: { "if-none-match": '"other"' } });
      expect(stale.status).toBe(200);
      await stale.arrayBuffer();

      const again = await backend().ok(stopResponseSchema, "POST", "/stop-training");
      expect(again).toEqual(stopped);
    });

    it("takes no frame after the stop, until a reset begins another session", async () => {
      const bytes = await picture(1);
      await backend().upload(bytes, { frame_id: "a" });
      const stopped = await finish();
      await backend().uploadNo("stopped", await picture(2), { frame_id: "b" });
      const reset = await backend().ok(resetResponseSchema, "POST", "/reset");
      expect(reset.session_id).not.toBe(stopped.session_id);
      expect(reset.boot_id).toBe(stopped.boot_id);
      const status = await backend().status();
      expect(status).toMatchObject({
        session_id: reset.session_id,
        state: "idle",
        frame_count: 0,
        chunks: [],
      });
      expect(await backend().frames()).toEqual([]);
      expect((await backend().send("GET", "/get-ply")).status).toBe(204);
      expect(await backend().upload(bytes, { frame_id: "a" })).toMatchObject({
        duplicate: false,
        frame_count: 1,
      });
    });

    it("a scene without frames stops at once, with no chunk", async () => {
      expect(await finish()).toMatchObject({ complete: true, chunks: [] });
    });
  });

  describe("GET /events", () => {
    it("tells the status at once, and each frame", async () => {
      const response = await backend().send("GET", "/events");
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
      const seen = new Map<SceneEvent["event"], SceneEvent>();
      for await (const event of decodeEvents(response.body as AsyncIterable<Uint8Array>)) {
        if (!seen.has("status") && event.event === "status") {
          expect(event.data.frame_count).toBe(0);
          await backend().upload(await picture(1), { frame_id: "seen" });
        }
        seen.set(event.event, event);
        const status = seen.get("status") as Extract<SceneEvent, { event: "status" }> | undefined;
        if (seen.has("frame") && status?.data.frame_count === 1) break;
      }
      expect(seen.get("frame")).toMatchObject({ data: { frame_id: "seen", accepted: true } });
    });
  });
}
