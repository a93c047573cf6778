/** Requests over connections that stay open, with and without TLS, and the memory that their bodies lie in. */
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as createHttp, type RequestListener, type Server } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Http1Pool, type Flow } from "../../src/remote/http1-pool.ts";
import { giveBack } from "../../src/remote/r2-memory.ts";
import { temporaryFolder } from "../helpers/backend-fixture.ts";
import { serveTcp } from "../helpers/loopback.ts";

const OPTIONS = { connections: 4, connectTimeoutMs: 5000, keepAliveMs: 10_000 };
const BODY = randomBytes(20 * 2 ** 20);

interface Got {
  readonly status: number;
  readonly pieces: readonly Uint8Array[];
}

/** One request; `give`: pieces are copied and given back, `hold`: they are kept; both now and then ask for a pause. */
function get(pool: Http1Pool, path = "/", taking: "give" | "hold" = "hold"): Promise<Got> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let flow: Flow | undefined;
    const pieces: Uint8Array[] = [];
    pool.get(
      path,
      { accept: "*/*" },
      {
        onStart: (started) => (flow = started),
        onHead: (head) => (status = head.status),
        onPiece(piece) {
          pieces.push(taking === "hold" ? piece : Buffer.from(piece));
          if (taking === "give") giveBack([piece]);
          if (pieces.length % 7 !== 0) return;
          flow?.pause();
          setImmediate(() => flow?.resume());
        },
        onEnd: () => resolve({ status, pieces }),
        onError: reject,
      },
    );
  });
}

async function open(
  server: Server,
  scheme = "http",
): Promise<{ pool: Http1Pool; connections: () => number }> {
  let connections = 0;
  server.on(scheme === "https" ? "secureConnection" : "connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const pool = new Http1Pool(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`, OPTIONS);
  onTestFinished(() => {
    pool.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { pool, connections: () => connections };
}

const serveBody: RequestListener = (request, response) => {
  // Without a length it comes in chunks.
  if (request.url !== "/chunks") response.setHeader("content-length", BODY.length);
  if (request.url === "/close") response.setHeader("connection", "close");
  response.end(BODY);
};

it.each(["/", "/chunks", "/close"])(
  "brings large bodies of %s over connections that are used again",
  async (path) => {
    const { pool, connections } = await open(createHttp(serveBody));
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, i) => get(pool, path, i % 2 === 0 ? "hold" : "give")),
    );
    // Memory that was not given back is nobody else's, also while others read on.
    for (const { status, pieces } of all) {
      expect(status).toBe(200);
      expect(Buffer.concat(pieces).equals(BODY)).toBe(true);
    }
    expect(connections()).toBe(path === "/close" ? 12 : 4);
  },
);

it("reads bodies through TLS", async ({ skip }) => {
  if (spawnSync("openssl", ["version"]).status !== 0)
    skip("there is no openssl here to make a certificate with");
  const folder = await temporaryFolder();
  const [key, cert] = [join(folder, "key"), join(folder, "cert")];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"];
  execFileSync("openssl", [...request, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
  const server = createHttps({ key: readFileSync(key), cert: readFileSync(cert) }, serveBody);
  const { pool } = await open(server, "https");
  await expect(get(pool)).rejects.toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });

  // A process of its own, for Node reads which certificates to trust when it starts.
  const script = `
    const { Http1Pool } = await import(process.argv[1]);
    const { createHash } = await import("node:crypto");
    const pool = new Http1Pool(process.argv[2], ${JSON.stringify(OPTIONS)});
    const sums = await Promise.all(Array.from({ length: 6 }, () => new Promise((resolve, reject) => {
      const hash = createHash("md5");
      let flow, count = 0;
      pool.get("/", {}, { onStart: (f) => (flow = f), onHead() {}, onEnd: () => resolve(hash.digest("hex")), onError: reject,
        onPiece(piece) { hash.update(piece); if (++count % 9 === 0) { flow.pause(); setImmediate(() => flow.resume()); } } });
    })));
    console.log(JSON.stringify(sums));
    pool.destroy();`;
  const built = new URL("../../dist/remote/http1-pool.js", import.meta.url).href;
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { execFile } = await import("node:child_process");
  const stdout = await new Promise<string>((resolve, reject) => {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: cert };
    execFile(process.execPath, ["--input-type=module", "-e", script, built, url], { env }, (error, out) =>
      error === null ? resolve(out) : reject(error),
    );
  });
  const { createHash } = await import("node:crypto");
  expect(JSON.parse(stdout)).toEqual(Array(6).fill(createHash("md5").update(BODY).digest("hex")));
});

it("lets a connection go that the server will not keep", async () => {
  const server = createHttp((_request, response) => response.setHeader("keep-alive", "timeout=1").end("x"));
  const { pool, connections } = await open(server);
  await get(pool);
  await get(pool);
  expect(connections()).toBe(2);
});

it("asks again over a new connection when the others broke", async () => {
  const server = createHttp(serveBody);
  const { pool } = await open(server);
  await Promise.all([get(pool), get(pool), get(pool)]);
  server.closeAllConnections();
  await get(pool).catch(() => undefined);
  expect((await get(pool)).status).toBe(200);
});

it("ends a request whose server says more than it announced, or nothing that is HTTP", async () => {
  for (const text of ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc", "hello\r\n\r\n\r\n"]) {
    const server = await serveTcp((socket) => socket.once("data", () => socket.write(text)));
    onTestFinished(() => server.close());
    const pool = new Http1Pool(server.url, OPTIONS);
    onTestFinished(() => pool.destroy());
    const got = await get(pool).catch((error: unknown) => error);
    if (text.startsWith("HTTP")) expect(Buffer.concat((got as Got).pieces).toString()).toBe("a");
    else expect(got).toMatchObject({ code: "ERR_NO_HTTP" });
  }
});

it.each(["/a b", "/a\r\nX: y", "/a\0"])("sends no request that would be two (%j)", async (path) => {
  const { pool, connections } = await open(createHttp(serveBody));
  await expect(get(pool, path)).rejects.toThrow("would be two");
  expect(connections()).toBe(0);
});
