import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bucketScenes, type BucketScenes } from "../helpers/bucket-scenes.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";
import { runCli } from "../helpers/run-cli.ts";

const CHUNKS = [new Uint8Array(1200), new Uint8Array(3_400_000)];

let configDir: string;
let r2: LocalR2;
let scenes: BucketScenes;
let env: Record<string, string>;
let publicEnv: Record<string, string>;

beforeAll(async () => {
  r2 = await startR2();
  const settings = r2.settings();
  scenes = await bucketScenes(settings);
  configDir = await mkdtemp(join(tmpdir(), "splatctl-test-"));
  publicEnv = { SPLAT_CONFIG_DIR: configDir, R2_PUBLIC_URL: settings.publicUrl ?? "" };
  env = {
    ...publicEnv,
    R2_ENDPOINT_URL: settings.endpoint,
    R2_BUCKET_NAME: settings.bucket,
    AWS_ACCESS_KEY_ID: settings.accessKeyId,
    AWS_SECRET_ACCESS_KEY: settings.secretAccessKey,
  };
  await scenes.session("aaaa", CHUNKS.slice(0, 1), { createdS: 1_600_000_000 });
  const nowS = Date.now() / 1000;
  await scenes.session("bbbb", CHUNKS, {
    createdS: nowS - 3600,
    isNewest: true,
    status: { complete: false, state: "training", updated_at: nowS },
  });
  await scenes.put("scenes/main/cccc/chunk_0001.ply", "12345");
});

afterAll(async () => {
  scenes.close();
  await r2.close();
  await rm(configDir, { recursive: true });
});

async function ls(args: readonly string[], environment = env) {
  const { code, stdout, stderr } = await runCli(["chunks", "ls", ...args], { env: environment });
  return { code, stderr, stdout: stdout.toString() };
}

describe("chunks ls", () => {
  it("shows the latest session as a table, and how much that is", async () => {
    const { code, stdout, stderr } = await ls([]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^bucket "splats" at 127\.0\.0\.1:\d+ \(from the environment\)\n$/);
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(/^session bbbb: 2 chunks, 3\.4 MB, 100 frames, training, live, \d+ s ago$/);
    expect(lines.slice(1)).toEqual([
      "NAME            FRAMES  GAUSSIANS    SIZE  AGE",
      expect.stringMatching(/^chunk_0001\.ply  1–50 {8}1.000 {2}1\.2 kB {2}1 h \d+ min$/),
      expect.stringMatching(/^chunk_0002\.ply  51–100 {6}2.000 {2}3\.4 MB {2}59 min \d+ s$/),
      "",
      "2 chunks in 1 session, 3.4 MB",
      "",
    ]);
  });

  it("shows every session, the oldest first, and says where a status.json is missing", async () => {
    const { stdout } = await ls(["--session", "all"]);
    expect(stdout.match(/^session .*$/gm)).toEqual([
      expect.stringMatching(/^session aaaa: 1 chunk, 1\.2 kB, 50 frames, complete, \d+ d \d+ h ago$/),
      expect.stringMatching(/^session (?:bbbb: 2 chunks|cccc: 1 chunk)/),
      expect.stringMatching(/^session (?:bbbb: 2 chunks|cccc: 1 chunk)/),
    ]);
    expect(stdout).toMatch(/^session cccc: 1 chunk, 5 B, no status\.json that can be used, \d+ s ago$/m);
    expect(stdout).toMatch(/^chunk_0001\.ply {2}– {15}– {3}5 B {2}\d+ s$/m);
    expect(stdout).toMatch(/\n\n4 chunks in 3 sessions, 3\.4 MB\n$/);
  });

  it("--long adds when, which bytes, which key and which URL", async () => {
    const { stdout } = await ls(["--session", "aaaa", "--long"]);
    const [, titles, row] = stdout.split("\n");
    expect(titles).toMatch(/CREATED +SHA-256 +KEY +URL$/);
    expect(row).toMatch(
      /2020-09-13T12:26:40\.000Z {2}[0-9a-f]{64} {2}scenes\/main\/aaaa\/chunk_0001\.ply {2}http/,
    );
    expect((await fetch(row.split("  ").at(-1) ?? "")).status).toBe(200);
  });

  it("--json is one object", async () => {
    const { code, stdout } = await ls(["--session", "all", "--json"]);
    expect(code).toBe(0);
    const value = JSON.parse(stdout) as { sessions: { session_id: string; chunks: object[] }[] };
    expect(value).toMatchObject({
      success: true,
      bucket: "splats",
      scene: "main",
      count: 4,
      bytes: 3_402_405,
    });
    expect(value.sessions[0]).toEqual({
      session_id: "aaaa",
      state: "complete",
      complete: true,
      from: "status",
      frame_count: 50,
      gaussian_count: 1000,
      updated_at: 1_600_000_010,
      chunks: [
        {
          name: "chunk_0001.ply",
          key: "scenes/main/aaaa/chunk_0001.ply",
          bytes: 1200,
          sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
          index: 1,
          first_frame: 1,
          last_frame: 50,
          gaussian_count: 1000,
          created_at: 1_600_000_000,
          url: `${publicEnv["R2_PUBLIC_URL"]}/scenes/main/aaaa/chunk_0001.ply`,
        },
      ],
    });
    expect(value.sessions.find(({ session_id: id }) => id === "cccc")).toMatchObject({
      state: null,
      from: "listing",
      frame_count: null,
      chunks: [{ sha256: null, first_frame: null }],
    });
  });

  it("an empty scene is no error, and what would fill it is said", async () => {
    const { code, stdout } = await ls(["--scene", "empty"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^0 chunks: scene empty has no session in this bucket\.\n.*splatctl serve/);
    const { stdout: json } = await ls(["--scene", "empty", "--json"]);
    expect(JSON.parse(json)).toMatchObject({ success: true, sessions: [], count: 0, bytes: 0 });
  });

  it("names from the bucket cannot move the cursor", async () => {
    await scenes.put("scenes/hostile/\u001b[2Js/\u001b]0;owned\u0007\u202e.ply", "1");
    for (const args of [["--long"], ["--json"]]) {
      const { code, stdout } = await ls(["--scene", "hostile", "--session", "all", ...args]);
      expect(code).toBe(0);
      expect(stdout.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
    }
  });

  it("--public needs no keys; --session all needs them", async () => {
    const { code, stdout, stderr } = await ls(["--public", "--json"], publicEnv);
    expect(code).toBe(0);
    expect(stderr).toContain("read without keys");
    expect(JSON.parse(stdout)).toMatchObject({ bucket: publicEnv["R2_PUBLIC_URL"], count: 2 });
    expect(await ls(["--public", "--session", "all"], publicEnv)).toMatchObject({ code: 2, stdout: "" });
  });

  it("says what is missing", async () => {
    const nothing = { SPLAT_CONFIG_DIR: configDir };
    const bare = await ls([], nothing);
    expect(bare.code).toBe(3);
    expect(bare.stderr).toMatch(
      /no bucket is configured[\s\S]*R2_ENDPOINT_URL[\s\S]*bucket init[\s\S]*--public/,
    );
    const onlyPublic = await ls([], publicEnv);
    expect(onlyPublic.code).toBe(3);
    expect(onlyPublic.stderr).toContain("Or add --public");
    const noAddress = await ls(["--public"], nothing);
    expect(noAddress).toMatchObject({ code: 3, stderr: expect.stringContaining("R2_PUBLIC_URL") as string });
    const wrong = await ls(["--json"], { ...env, AWS_SECRET_ACCESS_KEY: "swordfish" });
    expect(wrong.code).toBe(3);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ success: false, error: { code: "not_configured" } });
    expect(`${wrong.stdout}${wrong.stderr}`).not.toContain("swordfish");
    expect(await ls(["--session", "nobody"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("the bucket has no session nobody") as string,
    });
  });
});

describe("chunks url", () => {
  async function url(args: readonly string[], environment = env) {
    const { code, stdout, stderr } = await runCli(["chunks", "url", ...args], { env: environment });
    return { code, stderr, stdout: stdout.toString() };
  }

  it("is the public one where there is one", async () => {
    const { code, stdout, stderr } = await url([]);
    expect(code).toBe(0);
    expect(stdout).toBe(`${publicEnv["R2_PUBLIC_URL"]}/scenes/main/bbbb/chunk_0002.ply\n`);
    expect(stderr).not.toContain("warning");
    expect((await url(["--public", "1"], publicEnv)).stdout).toMatch(/bbbb\/chunk_0001\.ply\n$/);
    expect((await fetch(stdout.trim())).headers.get("content-length")).toBe("3400000");
  });

  it("else one that expires, and a warning that says who can read what until when", async () => {
    const { code, stdout, stderr } = await url(["chunk_0001.ply"], { ...env, R2_PUBLIC_URL: "" });
    expect(code).toBe(0);
    expect(new URL(stdout.trim()).searchParams.get("X-Amz-Expires")).toBe("3600");
    expect(stdout).not.toContain("test-secret");
    expect((await fetch(stdout.trim())).status).toBe(200);
    expect(stderr).toMatch(
      /warning: whoever has this URL can read chunk_0001\.ply until \d{4}-.*Z \(1 h 0 min\); it shows the account's id and the bucket's name/,
    );
  });

  it("--expires takes 30m, 12h, 7d and seconds, and no more than a week", async () => {
    const { stdout } = await url(["latest", "--expires", "7d", "--json"]);
    const { urls } = JSON.parse(stdout) as { urls: { name: string; url: string; expires_at: number }[] };
    expect(urls).toMatchObject([{ name: "chunk_0002.ply", key: "scenes/main/bbbb/chunk_0002.ply" }]);
    expect(new URL(urls[0].url).searchParams.get("X-Amz-Expires")).toBe("604800");
    expect(urls[0].expires_at).toBeGreaterThan(Date.now() / 1000 + 600_000);
    for (const time of ["8d", "0", "soon", "-1", "1w"]) {
      const { code, stderr } = await url([`--expires=${time}`]);
      expect(code).toBe(2);
      expect(stderr).toContain("7d at most");
    }
    expect((await url(["--public", "--expires", "1h"])).code).toBe(2);
  });

  it("an unknown name is told with its neighbours", async () => {
    const { code, stderr } = await url(["chunk_0003.ply"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/nothing there is called chunk_0003\.ply\n.*There are chunk_000[12]\.ply/);
    expect((await url(["--scene", "empty"])).stderr).toContain("there are no chunks of scene empty yet");
  });
});
