/** What is told of requests: with --verbose each of them, with --quiet nothing, of slow ones that they are waited for. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer as createHttps } from "node:https";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { STATUS } from "../api/answers.ts";
import { nobody, serveHttp } from "../helpers/loopback.ts";
import { bucketEnv, runCli } from "../helpers/run-cli.ts";
import { startCli } from "../helpers/start-cli.ts";

const TOKEN = "t0ken-of-this-test";

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-requests-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function listening(server: Server): Promise<number> {
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** Without any setting of this machine. */
async function settings(): Promise<{ cwd: string; env: Record<string, string> }> {
  const cwd = await emptyFolder();
  const proxies = { HTTPS_PROXY: "", https_proxy: "", NO_PROXY: "", no_proxy: "" };
  return {
    cwd,
    env: { SPLAT_CONFIG_DIR: join(cwd, "config"), SPLAT_API_TOKEN: TOKEN, NO_COLOR: "1", ...proxies },
  };
}

async function backend(): Promise<string> {
  const { url } = await serveHttp((_request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(STATUS));
  });
  return url;
}

test.each([[["--verbose", "status"]], [["status", "--verbose"]]])(
  "%j tells of each request and of the files of settings, and no secret",
  async (words) => {
    const { cwd, env } = await settings();
    const url = await backend();
    const { code, stderr } = await runCli([...words, "--url", url], { cwd, env });
    expect(code).toBe(0);
    expect(stderr).toMatch(/^GET \/status 200 after \d+ ms$/m);
    expect(stderr).toContain("not there: splatctl.json");
    expect(stderr).toContain(`not there: ${join(cwd, "config", "secrets.json")}`);
    expect(stderr).not.toContain(TOKEN);
  },
);

test.each([[["--quiet", "status"]], [["status", "--quiet"]]])("%j prints the result alone", async (words) => {
  const { cwd, env } = await settings();
  const { code, stdout, stderr } = await runCli([...words, "--url", await backend()], { cwd, env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.toString()).toMatch(/^gaussians/m);
});

test("a backend that echoes the token and what looks like one gets neither printed", async () => {
  const { cwd, env } = await settings();
  const { url } = await serveHttp((request, response) => {
    response.writeHead(409, { "content-type": "application/json" });
    const message = `no: ${request.headers.authorization}, rtsp://a:camerapass@c/ and ${TOKEN}`;
    response.end(JSON.stringify({ success: false, error: { code: "conflict", message }, session_id: "s" }));
  });
  for (const more of [["--verbose"], ["--json"]]) {
    const { stdout, stderr } = await runCli(["status", "--url", url, ...more], { cwd, env });
    const said = stdout.toString() + stderr;
    expect(said).toContain("no: ");
    expect(said).not.toContain(TOKEN);
    expect(said).not.toContain("camerapass");
  }
});

test("a bucket that says nothing is waited for, and that is said", async () => {
  const { cwd, env } = await settings();
  const port = await listening(createServer(() => undefined));
  const endpoint = `http://127.0.0.1:${port}`;
  const bucket = {
    endpoint,
    bucket: "splats",
    accessKeyId: "key-of-test",
    secretAccessKey: "secret-of-test",
  };
  const child = startCli(["chunks", "ls"], {
    cwd,
    env: { ...env, ...bucketEnv({ ...bucket, publicUrl: null }) },
  });
  await child.saying(/^waiting for "splats" at 127\.0\.0\.1:\d+, 2 s$/m);
  child.signal("SIGINT");
  expect(await child.ended).toBe(130);
});

test("a bucket's server that refuses connections: the hint names what says where it is", async () => {
  const { cwd, env } = await settings();
  const endpoint = await nobody();
  const { code, stderr } = await runCli(["chunks", "ls"], {
    cwd,
    env: {
      ...env,
      ...bucketEnv({
        endpoint,
        bucket: "splats",
        accessKeyId: "key-of-test",
        secretAccessKey: "secret-of-test",
        publicUrl: null,
      }),
    },
  });
  expect(code).toBe(4);
  expect(stderr).toContain("connection refused");
  expect(stderr).toContain("Check R2_ENDPOINT_URL");
});

/** A proxy as companies have them: what it was asked for, and where it leads. */
async function proxy(target: number | null): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const port = await listening(
    createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", (head) => {
        asked.push(head.toString().split("\r\n")[0]);
        if (target === null) {
          socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
          return;
        }
        const on = connect(target, "127.0.0.1", () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
        on.on("error", () => socket.destroy());
        socket.pipe(on).pipe(socket);
      });
    }),
  );
  return { url: `http://user:proxypass@127.0.0.1:${port}`, asked };
}

test("a backend over https is asked through HTTPS_PROXY", async ({ skip }) => {
  if (spawnSync("openssl", ["version"]).status !== 0)
    skip("there is no openssl here to make a certificate with");
  const { cwd, env } = await settings();
  const [key, cert] = [join(cwd, "key"), join(cwd, "cert")];
  const subject = ["-subj", "/CN=backend.test", "-addext", "subjectAltName=DNS:backend.test"];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...subject];
  execFileSync("openssl", [...request, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const server = createHttps(
    { key: await readFile(key), cert: await readFile(cert) },
    (_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(STATUS));
    },
  );
  const { url, asked } = await proxy(await listening(server));
  const args = ["status", "--url", "https://backend.test"];
  const through = { ...env, HTTPS_PROXY: url, NODE_EXTRA_CA_CERTS: cert };
  const { code, stdout, stderr } = await runCli(args, { cwd, env: through });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout.toString()).toMatch(/^gaussians/m);
  expect(asked[0]).toBe("CONNECT backend.test:443 HTTP/1.1");
});

test("a proxy that fails is named, and its login is not", async () => {
  const { cwd, env } = await settings();
  const { url } = await proxy(null);
  const { code, stderr } = await runCli(["status", "--url", "https://backend.test", "--verbose"], {
    cwd,
    env: { ...env, HTTPS_PROXY: url },
  });
  expect(code).toBe(4);
  expect(stderr).toContain("through the proxy of HTTPS_PROXY");
  expect(stderr).not.toContain("proxypass");
});

test("this machine, plain http and what NO_PROXY names are asked without it", async () => {
  const { cwd, env } = await settings();
  const { url, asked } = await proxy(null);
  const through = { ...env, HTTPS_PROXY: url, HTTP_PROXY: url, NO_PROXY: "backend.invalid" };
  const here = await runCli(["status", "--url", await backend()], { cwd, env: through });
  expect(here.code).toBe(0);
  await runCli(["status", "--url", "https://localhost:9"], { cwd, env: through });
  await runCli(["status", "--url", "https://backend.invalid"], { cwd, env: through });
  expect(asked).toEqual([]);
});
