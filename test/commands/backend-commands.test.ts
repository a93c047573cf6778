import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { RequestListener, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { statusSchema } from "../../src/api/schema.ts";
import { answer, CHUNK, IDENTITY, no, STATUS } from "../api/answers.ts";
import { nobody, serveHttp, type Loopback } from "../helpers/loopback.ts";
import { runCli, type Ran } from "../helpers/run-cli.ts";

let folder: string;
let server: Loopback | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "splatctl-commands-"));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function run(listener: RequestListener, ...args: string[]): Promise<Ran> {
  server = await serveHttp(listener);
  return runCli([...args, "--url", server.url], { cwd: folder });
}

const PLY = Buffer.concat([
  Buffer.from("ply\nformat binary_little_endian 1.0\nelement vertex 2\nproperty float x\nend_header\n"),
  Buffer.alloc(8, 1),
]);

/** Version 3, degree 0: a header and 20 bytes for each of two Gaussians. */
const SPZ = gzipSync(Buffer.concat([Buffer.from("NGSP\x03\0\0\0\x02\0\0\0\0\0\0\0"), Buffer.alloc(40)]));

function ply(response: ServerResponse, headers: Record<string, string | number> = {}): ServerResponse {
  const all = { etag: '"1"', "x-splat-version": 3, "x-splat-count": 2, "content-length": PLY.length };
  return response.writeHead(200, { ...all, ...headers });
}

function breakOff(response: ServerResponse): void {
  ply(response, { "content-length": 9999 }).write(PLY);
  setTimeout(() => response.destroy(), 50);
}

describe("status", () => {
  it("prints aligned lines for people, and where they come from on stderr", async () => {
    const ran = await run((_request, response) => answer(response, 200, STATUS), "status");
    expect(ran.code).toBe(0);
    const lines = ran.stdout.toString().trimEnd().split("\n");
    expect(lines).toContain("state      training, 99%");
    expect(lines).toContain("frames     1 234 taken, 2 rejected");
    expect(lines).toContain("warning    no pose: every frame is placed at the same spot");
    expect(ran.stderr).toContain(`backend ${server?.url} (from --url)`);
  });

  it("--json prints one object and nothing else", async () => {
    const ran = await run((_request, response) => answer(response, 200, STATUS), "status", "--json");
    expect(statusSchema.parse(JSON.parse(ran.stdout.toString()))).toEqual(STATUS);
  });

  it("takes URL and token from the environment; a refused token is exit code 3", async () => {
    server = await serveHttp((request, response) =>
      request.headers.authorization === "Bearer right"
        ? answer(response, 200, STATUS)
        : answer(response, 401, no("unauthorized")),
    );
    const env = { SPLAT_API_URL: server.url };
    const right = await runCli(["status"], { env: { ...env, SPLAT_API_TOKEN: "right" } });
    expect(right.code).toBe(0);
    expect(right.stderr).toContain("SPLAT_API_URL");
    const wrong = await runCli(["status"], { env: { ...env, SPLAT_API_TOKEN: "wr0ng" } });
    expect(wrong.code).toBe(3);
    expect(wrong.stderr).toContain("SPLAT_API_TOKEN");
    expect(wrong.stderr).not.toContain("wr0ng");
  });

  it("exit code 4 when nobody answers, as JSON when asked", async () => {
    const ran = await runCli(["status", "--json", "--url", await nobody()]);
    expect(ran.code).toBe(4);
    expect(JSON.parse(ran.stdout.toString())).toMatchObject({ error: { code: "unreachable" } });
  });
});

describe("pull", () => {
  it("writes the whole scene and says what it is", async () => {
    const ran = await run((_q, response) => ply(response).end(PLY), "pull", "-o", "a.ply", "--json");
    expect(ran.code).toBe(0);
    const told = JSON.parse(ran.stdout.toString()) as object;
    expect(told).toEqual({ path: "a.ply", format: "ply", gaussian_count: 2, bytes: PLY.length, version: 3 });
    expect(await readFile(join(folder, "a.ply"))).toEqual(PLY);
    expect(await readdir(folder)).toEqual(["a.ply"]);
  });

  it("asks for the format of the file's name, and for the most important Gaussians", async () => {
    let asked = "";
    const listener: RequestListener = (request, response) => {
      asked = request.url ?? "";
      ply(response, { "content-length": SPZ.length }).end(SPZ);
    };
    const ran = await run(listener, "pull", "-o", "a.spz", "--max-gaussians", "50");
    expect(ran.code).toBe(0);
    expect(asked).toBe("/get-ply?format=spz&max_gaussians=50");
    expect(ran.stdout.toString()).toContain("wrote a.spz: 2 Gaussians, ");
    expect(await readFile(join(folder, "a.spz"))).toEqual(SPZ);
  });

  it("writes nothing when an SPZ holds other Gaussians than announced", async () => {
    const listener: RequestListener = (_request, response) =>
      void ply(response, { "content-length": SPZ.length, "x-splat-count": 3 }).end(SPZ);
    const ran = await run(listener, "pull", "-o", "a.spz");
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/announced 3 Gaussians, but its SPZ holds 2/);
    expect(await readdir(folder)).toEqual([]);
  });

  const torn: [string, (response: ServerResponse) => void][] = [
    ["too few bytes arrive", breakOff],
    [
      "the PLY disagrees with X-Splat-Count",
      (response) => void ply(response, { "x-splat-count": 3 }).end(PLY),
    ],
    ["it is no PLY", (response) => void ply(response).end(Buffer.alloc(PLY.length))],
  ];
  it.each(torn)("leaves the old file alone when %s", async (_what, misbehave) => {
    await writeFile(join(folder, "scene.ply"), "old");
    const ran = await run((_request, response) => misbehave(response), "pull");
    expect(ran.code).toBeGreaterThan(0);
    expect(ran.stderr).toContain("error: ");
    expect(await readFile(join(folder, "scene.ply"), "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["scene.ply"]);
  });

  it("says so when there is nothing yet", async () => {
    const ran = await run((_request, response) => response.writeHead(204).end(), "pull");
    expect(ran.code).toBe(4);
    expect(ran.stderr).toContain("no Gaussians yet");
  });

  it("-o - streams to stdout", async () => {
    const ran = await run((_request, response) => ply(response).end(PLY), "pull", "-o", "-");
    expect(ran.code).toBe(0);
    expect(ran.stdout).toEqual(PLY);
  });

  it.each([
    [["-o", "missing/a.ply"], "cannot write missing/a.ply"],
    [["-o", "."], ". is a folder"],
    [["-o", "-", "--json"], "both want stdout"],
    [["--max-gaussians", "0"], "whole number"],
    [["--format", "obj"], "Allowed choices"],
  ])("%j is exit code 2", async (args, message) => {
    const ran = await run((_request, response) => ply(response).end(PLY), "pull", ...args);
    expect(ran.code).toBe(2);
    expect(ran.stdout.toString() + ran.stderr).toContain(message);
  });
});

describe("stop", () => {
  const stopped = { ...IDENTITY, success: true, chunks: [], complete: false };

  it("waits until finishing is complete, then lists the chunks", async () => {
    let polls = 0;
    let asked: unknown;
    const listener: RequestListener = (request, response) => {
      if (request.method === "GET") {
        const done = polls++ > 0;
        const state = done ? "complete" : "finishing";
        return answer(response, 200, { ...STATUS, state, chunks: done ? [CHUNK] : [] });
      }
      request.on("data", (piece: Buffer) => (asked = JSON.parse(piece.toString())));
      return answer(response, 200, stopped);
    };
    const ran = await run(listener, "stop", "--finish-seconds", "2.5");
    expect(ran.code).toBe(0);
    expect(asked).toEqual({ finish_seconds: 2.5 });
    expect(ran.stdout.toString()).toMatch(
      /^complete\nchunk_0001\.ply {2}frames 1–50, 5 000 Gaussians, 1\.2 MB/,
    );
  });

  it("--no-wait prints what the backend answered at once", async () => {
    const ran = await run((_q, response) => answer(response, 200, stopped), "stop", "--no-wait", "--json");
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout.toString())).toEqual({
      session_id: "session-1",
      complete: false,
      chunks: [],
    });
  });

  it.each([
    ["training fails", { state: "failed", last_error: "out of memory" }, "out of memory"],
    ["the scene is reset meanwhile", { session_id: "session-2" }, "was reset"],
  ])("is partly done when %s", async (_what, change, message) => {
    const listener: RequestListener = (request, response) =>
      answer(response, 200, request.method === "GET" ? { ...STATUS, ...change } : stopped);
    const ran = await run(listener, "stop");
    expect(ran.code).toBe(5);
    expect(ran.stderr).toContain(message);
  });
});

describe("reset", () => {
  it("does nothing without --yes where nobody can be asked", async () => {
    let calls = 0;
    const ran = await run(() => calls++, "reset");
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("--yes");
    expect(calls).toBe(0);
  });

  it("--yes clears the scene", async () => {
    const seen: string[] = [];
    const listener: RequestListener = (request, response) => {
      seen.push(`${request.method} ${request.url}`);
      answer(response, 200, { ...IDENTITY, success: true });
    };
    expect((await run(listener, "reset", "--yes")).code).toBe(0);
    expect(seen).toEqual(["POST /reset"]);
  });
});
