import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/api/schema.ts";
import { jpeg, openTestBackend, refusalOf, uploadForm } from "../helpers/backend-fixture.ts";

const LISTED = "https://splat.example";

describe("the token", () => {
  it.each([
    ["none", undefined, 401],
    ["a wrong one", "Bearer wrong", 401],
    ["the right one, as another scheme", "Basic s3cret", 401],
    ["an empty one", "Bearer ", 401],
    ["the right one", "Bearer s3cret", 200],
    ["the right one, in small letters", "bearer s3cret", 200],
  ])("%s", async (_name, authorization, status) => {
    const backend = await openTestBackend({ token: "s3cret" });
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await backend.send("/status", { headers });
    expect(answer.status).toBe(status);
    if (status === 401) expect(await refusalOf(answer)).toMatchObject({ code: "unauthorized" });
  });

  it("is not needed for health and preflight, and nothing else is told without it", async () => {
    const backend = await openTestBackend({ token: "s3cret", corsOrigins: [LISTED] });
    expect((await backend.send("/health")).status).toBe(200);
    expect((await backend.send("/health", { method: "POST" })).status).toBe(401);
    const preflight = await backend.send("/upload-frame", { method: "OPTIONS", headers: { origin: LISTED } });
    expect(preflight.status).toBe(204);
    expect((await backend.send("/nothing-here")).status).toBe(401);
  });
});

describe("browsers", () => {
  it("on a listed origin may call and read", async () => {
    const backend = await openTestBackend({ corsOrigins: [LISTED] });
    for (const path of ["/status", "/nothing-here"]) {
      const answer = await backend.send(path, { headers: { origin: LISTED } });
      expect(answer.headers.get("access-control-allow-origin")).toBe(LISTED);
      expect(answer.headers.get("access-control-expose-headers")).toContain("X-Splat-Version");
      expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
      expect(answer.headers.get("vary")).toContain("Origin");
    }
  });

  it.each(["https://evil.example", "http://splat.example", "null", `${LISTED}.evil.example`])(
    "on %s may not",
    async (origin) => {
      const backend = await openTestBackend({ corsOrigins: [LISTED] });
      for (const method of ["GET", "OPTIONS"]) {
        const answer = await backend.send("/status", { method, headers: { origin } });
        expect(answer.headers.get("access-control-allow-origin")).toBeNull();
        expect(await refusalOf(answer)).toMatchObject({ status: 403, code: "forbidden_origin" });
      }
    },
  );

  it("on the server's own origin may", async () => {
    const backend = await openTestBackend();
    const headers = { host: "localhost:7860", origin: "http://localhost:7860" };
    expect((await backend.send("/status", { headers })).status).toBe(200);
  });

  it("that call loopback by a foreign name are turned away, unless it listens for others", async () => {
    const headers = { host: "rebound.example:7860" };
    const local = await openTestBackend();
    expect(await refusalOf(await local.send("/status", { headers }))).toMatchObject({
      code: "forbidden_origin",
    });
    const open = await openTestBackend({ isLoopback: false });
    expect((await open.send("/status", { headers })).status).toBe(200);
  });
});

describe("bodies", () => {
  it("announced too long are refused unread", async () => {
    const backend = await openTestBackend();
    const unread = new ReadableStream<Uint8Array>({ pull: () => expect.unreachable() }, { highWaterMark: 0 });
    const init = {
      method: "POST",
      body: unread,
      duplex: "half" as const,
      headers: { "content-type": "multipart/form-data; boundary=x", "content-length": String(40 * 2 ** 20) },
    };
    expect(await refusalOf(await backend.send("/upload-frame", init))).toMatchObject({
      status: 413,
      code: "too_large",
    });
  });

  it("that turn out too long are refused before they end", async () => {
    const backend = await openTestBackend();
    let sentBytes = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sentBytes += 16_384;
        controller.enqueue(new Uint8Array(16_384).fill(32));
      },
    });
    const init = { method: "POST", body: endless, duplex: "half" as const };
    const answer = await backend.send("/update-joint-angles", init);
    expect(await refusalOf(answer)).toMatchObject({ status: 413, code: "too_large" });
    expect(sentBytes).toBeLessThan(LIMITS.jsonBytes + 4 * 16_384);
  });

  it("with a file over the limit are refused even when the form around it is not", async () => {
    const backend = await openTestBackend();
    const answer = await backend.upload(new Uint8Array(LIMITS.frameBytes + 1));
    expect(await refusalOf(answer)).toMatchObject({ status: 413 });
    expect(backend.scene.status().rejected_count).toBe(0);
  });

  it.each<[string, RequestInit]>([
    ["no form", { body: "hello" }],
    [
      "a form cut short",
      { body: "--x\r\nContent-Disp", headers: { "content-type": "multipart/form-data; boundary=x" } },
    ],
    ["no boundary", { body: "--x--", headers: { "content-type": "multipart/form-data" } }],
    ["text for a file", { body: textFile() }],
    ["no file", { body: new FormData() }],
  ])("that are %s are bad requests", async (_name, init) => {
    const backend = await openTestBackend();
    const answer = await backend.send("/upload-frame", { method: "POST", ...init });
    expect(await refusalOf(answer)).toMatchObject({ status: 400, code: "bad_request" });
  });

  function textFile(): FormData {
    const form = new FormData();
    form.set("file", "not a file");
    return form;
  }

  it("with meta that is no JSON name meta", async () => {
    const backend = await openTestBackend();
    const form = uploadForm(await jpeg(1));
    form.set("meta", "{");
    const answer = await backend.send("/upload-frame", { method: "POST", body: form });
    expect(await refusalOf(answer)).toMatchObject({
      status: 400,
      message: expect.stringContaining("meta") as string,
    });
  });
});

describe("what is wrong inside", () => {
  it("is a 500 without any detail", async () => {
    const backend = await openTestBackend();
    backend.training.snapshot = () => Promise.reject(new Error("secret detail"));
    await backend.upload(await jpeg(1));
    const answer = await backend.send("/stop-training", { method: "POST", body: '{"finish_seconds":0}' });
    const text = await answer.text();
    expect(answer.status).toBe(500);
    expect(text).toContain('"internal"');
    expect(text).not.toContain("secret detail");
    expect(text).not.toContain(" at ");
    backend.training.snapshot = () => Promise.resolve(null);
  });
});
