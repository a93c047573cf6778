import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { createClient, type Client, type ClientOptions } from "../../src/api/client.ts";
import { SplatError } from "../../src/errors.ts";
import { sleep } from "../../src/time.ts";
import { answer, no } from "./answers.ts";
import { nobody, serveHttp, serveTcp, type Loopback } from "../helpers/loopback.ts";

const HEALTH = { session_id: "s", boot_id: "b", status: "ok", trainer_ready: true };
const UPLOADED = {
  session_id: "s",
  boot_id: "b",
  success: true,
  frame_count: 1,
  chunks_uploaded: 0,
  frame_id: "a",
  duplicate: false,
  pose_source: "default",
};

const servers: Loopback[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function against(listener: RequestListener, options: Partial<ClientOptions> = {}): Promise<Client> {
  const server = await serveHttp(listener);
  servers.push(server);
  return createClient({ url: server.url, ...options });
}

async function failure(call: Promise<unknown>): Promise<SplatError> {
  const thrown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(SplatError);
  return thrown as SplatError;
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

async function drip(response: ServerResponse, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    await sleep(60);
    response.write(piece);
  }
  response.end();
}

const frame = { bytes: new Uint8Array(300_000).fill(7), mediaType: "image/jpeg", name: "a b.jpg" };

describe("a backend that is not there", () => {
  it("names the URL and says how to start one, on loopback", async () => {
    const url = await nobody();
    const error = await failure(createClient({ url }).status());
    expect(error.code).toBe("unreachable");
    expect(error.message).toContain(url);
    expect(error.message).toContain("connection refused");
    expect(error.hint).toContain("splatctl serve");
  });

  it("speaks of the network when the backend is elsewhere", async () => {
    const error = await failure(createClient({ url: "http://splat.invalid" }).status());
    expect(error.code).toBe("unreachable");
    expect(error.hint).not.toContain("splatctl serve");
  });

  it.each(["the connection closes at once", "something that is not HTTP answers"])("%s", async (how) => {
    const server = await serveTcp((socket) =>
      how.includes("HTTP") ? socket.end("220 smtp ready\r\n") : socket.destroy(),
    );
    servers.push(server);
    const error = await failure(createClient({ url: server.url }).status());
    expect(error.code).toBe("unreachable");
    expect(error.message).toContain(server.url);
  });
});

describe("an answer that is not the contract's", () => {
  it.each([
    ["HTML", "text/html", "<html>hello</html>"],
    ["half a JSON", "application/json", '{"status": "ok", "trai'],
    ["nothing", "application/json", ""],
    ["a field of the wrong type", "application/json", JSON.stringify({ ...HEALTH, trainer_ready: "yes" })],
    ["JSON of another shape", "application/json", "[1]"],
  ])("%s is one clear sentence, no dump", async (_what, type, body) => {
    const client = await against((_request, response) => {
      response.writeHead(200, { "content-type": type }).end(body);
    });
    const error = await failure(client.health());
    expect(error.code).toBe("refused");
    expect(error.message).toContain(`${client.url} answered GET /health with`);
    expect(error.message).not.toMatch(/[<{[]|\n/);
    expect(error.hint).toBeDefined();
  });

  it("names the field that is wrong", async () => {
    const client = await against((_request, response) =>
      answer(response, 200, { ...UPLOADED, frame_count: "1" }),
    );
    expect((await failure(client.uploadFrame(frame, {}))).message).toContain('"frame_count"');
  });

  it("accepts keys it does not know", async () => {
    const client = await against((_request, response) => answer(response, 200, { ...HEALTH, more: 1 }));
    await expect(client.health()).resolves.toMatchObject(HEALTH);
  });

  it("a body cut short is a broken connection", async () => {
    const client = await against((_request, response) => {
      response.writeHead(200, { "content-length": 100 }).write('{"status"');
      setImmediate(() => response.destroy());
    });
    expect((await failure(client.health())).code).toBe("unreachable");
  });
});

describe("a backend that says no", () => {
  it("401 asks for the token and does not print it", async () => {
    const token = "sesame-open";
    const client = await against(
      (request, response) => answer(response, 401, no("unauthorized", String(request.headers.authorization))),
      { token },
    );
    const error = await failure(client.uploadFrame(frame, {}));
    expect(error.code).toBe("not_configured");
    expect(error.hint).toContain("SPLAT_API_TOKEN");
    expect(error.refusal).toMatchObject({ status: 401, code: "unauthorized" });
    expect(JSON.stringify([error.message, error.hint, String(error.cause)])).not.toContain(token);
  });

  it("hides a token that the backend echoes", async () => {
    const token = "sesame-open";
    const client = await against((_q, response) => answer(response, 400, no("bad_request", `got ${token}`)), {
      token,
    });
    expect((await failure(client.status())).message).toContain("got [token]");
  });

  it("refuses a token no header can carry, without printing it", () => {
    expect(() => createClient({ url: "http://127.0.0.1:1", token: "two\nlines" })).toThrow(
      expect.objectContaining({ code: "not_configured", message: expect.not.stringContaining("two") }),
    );
  });

  it("403 is a matter of settings, in the backend's words", async () => {
    const client = await against((_q, response) => answer(response, 403, no("forbidden_origin", "no Host")));
    const error = await failure(client.status());
    expect(error.code).toBe("not_configured");
    expect(error.message).toContain("no Host");
  });

  it("passes on message, hint, status and code", async () => {
    const body = no("bad_request", "joint 2 is 90", "degrees?");
    const client = await against((_request, response) => answer(response, 400, body));
    const error = await failure(client.updateJoints({ joint_angles: [0, 0, 90, 0, 0, 0] }));
    expect(error).toMatchObject({ code: "refused", hint: "degrees?" });
    expect(error.message).toContain("joint 2 is 90");
    expect(error.refusal).toEqual({ status: 400, code: "bad_request", retryAfterS: undefined });
  });

  it("reads Retry-After as seconds", async () => {
    const client = await against((_request, response) =>
      answer(response, 429, no("busy"), { "retry-after": "7" }),
    );
    expect((await failure(client.status())).refusal).toEqual({ status: 429, code: "busy", retryAfterS: 7 });
  });

  it("reads Retry-After as a date", async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const client = await against((_request, response) =>
      answer(response, 503, no("unavailable"), { "retry-after": date }),
    );
    const { refusal } = await failure(client.status());
    expect(refusal?.retryAfterS).toBeGreaterThan(50);
    expect(refusal?.retryAfterS).toBeLessThanOrEqual(60);
  });

  it("a proxy's page is a refusal that can be tried again", async () => {
    const client = await against((_request, response) => {
      response.writeHead(503, { "content-type": "text/html", "retry-after": "soon" }).end("<h1>Oops</h1>");
    });
    const error = await failure(client.status());
    expect(error.code).toBe("refused");
    expect(error.refusal).toMatchObject({ status: 503, code: "unavailable", isForeign: true });
    expect(error.refusal?.retryAfterS).toBeUndefined();
    expect(error.message).not.toContain("<");
  });

  it("a redirect is not followed with the token, but named", async () => {
    const client = await against((_request, response) => {
      response.writeHead(308, { location: "https://splat.example/status" }).end();
    });
    const error = await failure(client.stop());
    expect(error.code).toBe("refused");
    expect(error.hint).toContain("https://splat.example");
  });

  it("hears a refusal that comes before the upload is through", async () => {
    const big = { ...frame, bytes: new Uint8Array(8 * 1024 * 1024) };
    const client = await against((request, response) => {
      answer(response, 413, no("too_large"));
      request.resume();
    });
    expect((await failure(client.uploadFrame(big, {}))).refusal?.code).toBe("too_large");
  });
});

describe("a backend that is slow", () => {
  it("gives up after a silence", async () => {
    const client = await against(() => undefined, { timeoutMs: 100 });
    const error = await failure(client.status());
    expect(error.code).toBe("unreachable");
    expect(error.message).toContain("said nothing for 0.1 s");
  });

  it("waits as long as bytes arrive", async () => {
    const text = JSON.stringify(HEALTH);
    const client = await against(
      (_request, response) => {
        response.writeHead(200);
        void drip(response, text.match(/.{1,8}/g) ?? []);
      },
      { timeoutMs: 400 },
    );
    await expect(client.health()).resolves.toEqual(HEALTH);
  });

  it("gives up when a body falls silent", async () => {
    const client = await against((_request, response) => void response.writeHead(200).write("{"), {
      timeoutMs: 100,
    });
    expect((await failure(client.health())).message).toContain("said nothing");
  });

  it("throws the caller's own reason when the caller gives up", async () => {
    const client = await against(() => undefined);
    const reason = new Error("enough");
    await expect(client.status(AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const call = client.status(controller.signal);
    setTimeout(() => controller.abort(reason), 20);
    await expect(call).rejects.toBe(reason);
  });
});

describe("what is sent", () => {
  it("a frame travels as a form of known length", async () => {
    let got: { headers: IncomingMessage["headers"]; body: Buffer } | undefined;
    const client = await against(
      async (request, response) => {
        got = { headers: request.headers, body: await read(request) };
        answer(response, 200, UPLOADED);
      },
      { token: "t0ken" },
    );
    await expect(client.uploadFrame(frame, { frame_id: "a", holdout: true })).resolves.toEqual(UPLOADED);
    expect(got?.headers.authorization).toBe("Bearer t0ken");
    expect(got?.headers["content-length"]).toBe(String(got?.body.length));
    const headers = { "content-type": String(got?.headers["content-type"]) };
    const form = await new Response(new Uint8Array(got?.body ?? []), { headers }).formData();
    const file = form.get("file") as File;
    expect([file.name, file.type, file.size]).toEqual(["a b.jpg", "image/jpeg", frame.bytes.length]);
    expect(JSON.parse(form.get("meta") as string)).toEqual({ frame_id: "a", holdout: true });
  });

  it("goes through the function it is given, base path kept", async () => {
    const seen: string[] = [];
    const client = createClient({
      url: "http://splat.test/base/",
      token: "t",
      fetch: async (request) => {
        seen.push(`${request.method} ${request.url} ${request.headers.get("authorization")}`);
        if (request.method === "POST") expect((await request.formData()).get("meta")).toBe("{}");
        return Response.json(request.method === "POST" ? UPLOADED : HEALTH);
      },
    });
    await client.health();
    await client.uploadFrame(frame, {});
    expect(seen).toEqual([
      "GET http://splat.test/base/health Bearer t",
      "POST http://splat.test/base/upload-frame Bearer t",
    ]);
  });
});

describe("getSplat", () => {
  const headers = { etag: '"e1"', "x-splat-version": "4", "x-splat-count": "2" };

  it("maps 204 and 304, and asks with the ETag", async () => {
    const client = await against((request, response) => {
      expect(request.url).toBe("/get-ply?format=spz&max_gaussians=9");
      response.writeHead(request.headers["if-none-match"] === '"e1"' ? 304 : 204).end();
    });
    const what = { format: "spz", maxGaussians: 9 } as const;
    await expect(client.getSplat(what)).resolves.toEqual({ kind: "empty" });
    await expect(client.getSplat({ ...what, etag: '"e1"' })).resolves.toEqual({ kind: "unchanged" });
  });

  it("streams the scene with what its headers say", async () => {
    const client = await against((_request, response) => {
      response.writeHead(200, { ...headers, "content-length": 6 }).end("abcdef");
    });
    const scene = await client.getSplat();
    if (scene.kind !== "scene") throw new Error(scene.kind);
    expect(scene).toMatchObject({ etag: '"e1"', version: 4, gaussianCount: 2, sizeBytes: 6 });
    const pieces: Uint8Array[] = [];
    for await (const piece of scene.body) pieces.push(piece);
    expect(Buffer.concat(pieces).toString()).toBe("abcdef");
  });

  it("does not know the size when the backend does not say", async () => {
    const client = await against((_request, response) => {
      response.writeHead(200, headers);
      response.write("abc");
      response.end("def");
    });
    const scene = await client.getSplat();
    expect(scene).toMatchObject({ sizeBytes: null });
    if (scene.kind === "scene") await scene.discard();
  });

  it("does not take a scene without its version", async () => {
    const client = await against((_request, response) => {
      response.writeHead(200, { ...headers, "x-splat-version": "new" }).end("abcdef");
    });
    const error = await failure(client.getSplat());
    expect(error.code).toBe("refused");
    expect(error.message).toContain("x-splat-version");
  });

  it("a scene that breaks off throws while it is read", async () => {
    const client = await against((_request, response) => {
      response.writeHead(200, { ...headers, "content-length": 100 }).write("abc");
      setTimeout(() => response.destroy(), 20);
    });
    const scene = await client.getSplat();
    if (scene.kind !== "scene") throw new Error(scene.kind);
    const drain = async (): Promise<void> => {
      for await (const piece of scene.body) expect(piece.length).toBe(3);
    };
    expect((await failure(drain())).code).toBe("unreachable");
  });
});

describe("events", () => {
  it("yields events until the backend ends the stream", async () => {
    const client = await against((request, response) => {
      expect(request.headers.accept).toBe("text/event-stream");
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end('event: warning\ndata: {"message":"hot"}\n\nevent: other\ndata: 1\n\n');
    });
    const seen: unknown[] = [];
    for await (const event of client.events()) seen.push(event);
    expect(seen).toEqual([{ event: "warning", data: { message: "hot" } }]);
  });

  it("ends quietly when the caller aborts", async () => {
    const client = await against((_request, response) => {
      response.writeHead(200).write('event: splat\ndata: {"version":1,"gaussian_count":2}\n\n');
    });
    const controller = new AbortController();
    let count = 0;
    for await (const event of client.events(controller.signal)) {
      expect(event.event).toBe("splat");
      count++;
      controller.abort();
    }
    expect(count).toBe(1);
  });

  it("throws when there is no stream to read", async () => {
    const client = createClient({ url: await nobody() });
    expect((await failure(client.events()[Symbol.asyncIterator]().next())).code).toBe("unreachable");
  });
});
