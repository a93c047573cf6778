import { writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { pushScene } from "../../src/chunks/push.ts";
import { readSceneFile } from "../../src/chunks/scene-file.ts";
import { encodeScene, type SceneFormat } from "../../src/splat/formats.ts";
import { scriptedFaults } from "../helpers/fault-proxy.ts";
import { proxiedBucket } from "../helpers/proxied-bucket.ts";
import { runHere } from "../helpers/run-here.ts";
import { runCli } from "../helpers/run-cli.ts";
import { randomGaussians } from "../helpers/random.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const bucket = proxiedBucket();
let folder: string;

beforeAll(() => {
  ({ folder } = bucket);
});

async function sceneFile(name: string, count = 50, seed = 1, format: SceneFormat = "ply"): Promise<string> {
  const path = join(folder, name);
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeScene(randomGaussians(count, 0, seed), format)) pieces.push(piece);
  await writeFile(path, Buffer.concat(pieces));
  return path;
}

async function sha256Of(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

/** One argument after another, the scene the last. */
function push(scene: string, path: string, ...more: readonly string[]) {
  return bucket.cli("chunks", "push", path, "--scene", scene, ...more);
}

describe("chunks push", () => {
  it("stores a scene as the chunk of a new, finished session, and the scene shows it", async () => {
    const path = await sceneFile("kitchen.ply");
    const { code, stdout, stderr } = await push("first", path);
    expect(stderr).toMatch(
      /^bucket "splats" at 127\.0\.0\.1:\d+ .*scene first.*\n(?:.*\n)*session [0-9a-f-]{36}\n/,
    );
    expect(code).toBe(0);
    const status = await bucket.status("scenes/first");
    expect(status).toMatchObject({ state: "complete", complete: true, frame_count: 0, gaussian_count: 50 });
    const id = status?.session_id ?? "";
    expect(id).toMatch(UUID);
    expect(stderr).toContain(`session ${id}\n`);
    const key = `scenes/first/${id}/chunk_0001.ply`;
    const bytes = await readFile(path);
    expect(status?.chunks).toEqual([
      {
        name: "chunk_0001.ply",
        index: 1,
        first_frame: 0,
        last_frame: 0,
        gaussian_count: 50,
        bytes: bytes.length,
        sha256: await sha256Of(path),
        key,
        url: `${bucket.env["R2_PUBLIC_URL"]}/${key}`,
        created_at: expect.any(Number) as number,
      },
    ]);
    expect(stdout).toBe(
      `pushed: chunk_0001.ply, 50 Gaussians, 3.9 kB, session ${id}\n${key}\n${status?.chunks[0].url}\n`,
    );
    // Somebody else's client, and a browser, see the very bytes.
    expect((await bucket.r2.get(key))?.equals(bytes)).toBe(true);
    const shown = await fetch(status?.chunks[0].url ?? "");
    expect(Buffer.from(await shown.arrayBuffer()).equals(bytes)).toBe(true);
    const statusUrl = `${bucket.env["R2_PUBLIC_URL"]}/scenes/first/status.json`;
    expect((await fetch(statusUrl)).headers.get("cache-control")).toBe("no-store");
    expect(await bucket.broken("first")).toEqual([]);
  });

  it("says under which name it is there already", async () => {
    const { writer } = bucket;
    const own = { scene: "as", sessionId: "mine" };
    for (const seed of [1, 2]) {
      const file = await readSceneFile(await sceneFile(`${seed}.ply`, 10 * seed, seed), writer.signal);
      await pushScene(writer, file, own);
    }
    const args = ["chunks", "push", join(folder, "2.ply"), "--scene", "as", "--session", "mine"];
    expect(await runHere([...args, "--name", "best.ply"], bucket.env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^already there as chunk_0002\.ply, 20 Gaussians, /) as string,
    });
    expect(await bucket.r2.keys("scenes/as/")).toHaveLength(4);
  });

  it("says what is there already, and where the next push goes on", async () => {
    const path = await sceneFile("1.ply");
    const args = ["--session", "mine"];
    const { writer } = bucket;
    await pushScene(writer, await readSceneFile(path, writer.signal), { scene: "again", sessionId: "mine" });
    const { code, stdout } = await push("again", path, ...args);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(
        /^already there: chunk_0001\.ply, 50 Gaussians, 3\.9 kB, session mine\n/,
      ) as string,
    });
    const name = ["--name", "second.ply"];
    const second = await sceneFile("2.ply", 60, 2);
    expect(await bucket.json("chunks", "push", second, "--scene", "again", ...args, ...name)).toEqual({
      success: true,
      outcome: "pushed",
      bucket: "splats",
      scene: "again",
      session_id: "mine",
      is_newest: true,
      ...(await bucket.status("scenes/again"))?.chunks[1],
    });
  });
});

describe("chunks push and others", () => {
  it("leaves a live session in front, and says so", async () => {
    const live = { complete: false, state: "training" as const, updated_at: Date.now() / 1000 - 1800 };
    await bucket.scenes.session("running", [new Uint8Array(9)], {
      scene: "live",
      isNewest: true,
      status: live,
    });
    const { code, stderr } = await push("live", await sceneFile("1.ply"), "--session", "beside");
    expect(code).toBe(0);
    expect(stderr).toMatch(/still shows the session that is live now; --session beside finds this one/);
    expect(await bucket.status("scenes/live")).toMatchObject({ session_id: "running" });
    expect(await bucket.status("scenes/live/beside")).toMatchObject({
      complete: true,
      chunks: [{ index: 1 }],
    });
  });

  it("lets two push into one session at once", async () => {
    const paths = await Promise.all([1, 2].map((seed) => sceneFile(`${seed}.ply`, 10 * seed, seed)));
    const ran = await Promise.all(paths.map((path) => push("many", path, "--session", "shared")));
    expect(ran.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual([0, 0]);
    const status = await bucket.status("scenes/many");
    const sums = await Promise.all(paths.map(sha256Of));
    expect(status?.chunks.map(({ sha256 }) => sha256).sort()).toEqual(sums.sort());
    expect(status?.chunks.map(({ index }) => index)).toEqual([1, 2]);
    expect(await bucket.broken("many")).toEqual([]);
  });
});

describe("chunks push over a bad network", () => {
  it("tells of what it tries again", async () => {
    const path = await sceneFile("1.ply", 500);
    const faults = [
      { kind: "answer", status: 429, retryAfterS: 0 },
      { kind: "corrupt", side: "request", atByte: 7000 },
    ] as const;
    const script = scriptedFaults(...faults);
    bucket.proxy.plan = (asked) =>
      asked.method === "PUT" && asked.path.includes(".ply") ? script(asked) : null;
    const { code, stdout, stderr } = await push("bad", path);
    expect(stderr.match(/; again in \d+\.\d s$/gm)).toHaveLength(2);
    expect(stderr).toMatch(/got other bytes than were sent, and stored nothing/);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^pushed/) as string });
    expect(await bucket.broken("bad")).toEqual([]);
  });

  it("says that the token may only read", async () => {
    bucket.proxy.plan = ({ method }) =>
      method === "PUT"
        ? { kind: "answer", status: 403, body: "<Error><Code>AccessDenied</Code></Error>" }
        : null;
    const { code, stderr } = await push("read-only", await sceneFile("1.ply"));
    expect(code).toBe(3);
    expect(stderr).toMatch(/denied access.*\n.*Object Read & Write/);
    expect(await bucket.r2.keys("scenes/read-only")).toEqual([]);
  });

  it("needs a bucket, and its keys", async () => {
    const { code, stderr } = await runCli(["chunks", "push", await sceneFile("1.ply")], {
      env: { SPLAT_CONFIG_DIR: join(folder, "nothing"), R2_PUBLIC_URL: "https://pub-1.r2.dev" },
    });
    expect(code).toBe(3);
    expect(stderr).toMatch(/R2_ENDPOINT_URL/);
    // It has no such flag.
    expect(stderr).not.toMatch(/--public/);
  });
});

describe("chunks push stopped", () => {
  /** Begin a push and signal it when the bucket is asked for `part`, which never gets an answer. */
  async function stopAt(
    part: string,
    name: NodeJS.Signals,
    ...args: readonly string[]
  ): Promise<number | null> {
    const asked = new Promise<void>((resolve) => {
      bucket.proxy.plan = ({ method, path }) => {
        if (method !== "PUT" || !path.includes(part)) return null;
        resolve();
        return { kind: "stall", side: "request", atByte: 100 };
      };
    });
    const child = spawn(process.execPath, [BIN, "chunks", "push", ...args], {
      env: { ...process.env, ...bucket.env },
      stdio: "ignore",
    });
    const exited = once(child, "exit") as Promise<[number | null]>;
    await asked;
    child.kill(name);
    const [code] = await exited;
    bucket.proxy.plan = () => null;
    return code;
  }

  it("by Ctrl-C leaves nothing half", async () => {
    const path = await sceneFile("1.ply", 5000);
    expect(await stopAt("chunk_0001", "SIGINT", path, "--scene", "stopped")).toBe(130);
    expect(await bucket.r2.keys("scenes/stopped/")).toEqual([]);
  });

  it("by Ctrl-C, the same command again goes on in the same session", async () => {
    const args = [await sceneFile("1.ply"), "--scene", "resumed"];
    expect(await stopAt("status.json", "SIGINT", ...args)).toBe(130);
    const [stored, ...others] = await bucket.r2.keys("scenes/resumed/");
    expect(others).toEqual([]);
    const place = stored.slice(0, stored.lastIndexOf("/"));
    const id = place.slice(place.lastIndexOf("/") + 1);
    const asked = bucket.proxy.seen.length;
    const { code, stdout, stderr } = await runHere(["chunks", "push", ...args], bucket.env);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^pushed: /) as string });
    expect(stderr).toContain(`session ${id}\n`);
    const sent = bucket.proxy.seen.slice(asked).filter(({ method }) => method === "PUT");
    expect(sent.map(({ path }) => path.includes("status.json"))).toEqual([true, true]);
    const keys = [stored, `${place}/status.json`, "scenes/resumed/status.json"];
    expect((await bucket.r2.keys("scenes/resumed/")).sort()).toEqual(keys.sort());
    expect(await bucket.broken("resumed")).toEqual([]);
    expect(await runHere(["chunks", "push", ...args], bucket.env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^already there: chunk_0001\.ply, /) as string,
    });
  });

  it("by a kill before it was named is finished by the same command", async () => {
    const args = [await sceneFile("1.ply"), "--scene", "killed", "--session", "mine"];
    expect(await stopAt("status.json", "SIGKILL", ...args)).toBeNull();
    expect(await bucket.r2.keys("scenes/killed/")).toEqual(["scenes/killed/mine/chunk_0001.ply"]);
    const { writer } = bucket;
    const file = await readSceneFile(args[0], writer.signal);
    expect(await pushScene(writer, file, { scene: "killed", sessionId: "mine" })).toMatchObject({
      outcome: "pushed",
      chunk: { name: "chunk_0001.ply" },
    });
    expect(await bucket.broken("killed")).toEqual([]);
  });
});

describe("chunks push refuses", () => {
  it("a name before it looks at anything else", async () => {
    const args = ["chunks", "push", join(folder, "is-not-there.ply"), "--name", "CON.ply"];
    expect(await runHere(args, {})).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(
        /"CON\.ply" cannot be the name of a file: .*device\n.*Choose another --name/,
      ) as string,
    });
  });

  it.each([["--name", "a\u001b[31m.ply", /"a\\u001b\[31m\.ply" cannot be the name of a file/]])(
    "%s %j",
    async (flag, value, words) => {
      const { code, stderr } = await push("none", await sceneFile("1.ply"), flag, value);
      expect(code).toBe(2);
      expect(stderr).toMatch(words);
    },
  );

  it("what is no scene, says why, and asks the bucket nothing", async () => {
    const asked = bucket.proxy.seen.length;
    const whole = await readFile(await sceneFile("whole.ply"));
    const files: readonly (readonly [string, Uint8Array | string, RegExp])[] = [
      ["torn.ply", whole.subarray(0, -1), /torn\.ply: .*cut short/],
    ];
    for (const [name, content, words] of files) {
      await writeFile(join(folder, name), content);
      expect(await push("none", join(folder, name))).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(words) as string,
      });
    }
    expect(bucket.proxy.seen).toHaveLength(asked);
  });

  it("a file that changes while it is pushed", async () => {
    const path = await sceneFile("growing.ply", 30_000);
    const { size } = await stat(path);
    let isChanged = false;
    bucket.proxy.plan = ({ method, path: asked }) => {
      // All of it was looked at, and nothing was sent yet.
      if (method === "HEAD" && asked.includes("chunk_0001") && !isChanged) {
        writeFileSync(path, new Uint8Array(size));
        isChanged = true;
      }
      return null;
    };
    const { code, stderr } = await push("changing", path);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /growing\.ply changed while it was being sent; nothing was stored/,
      ) as string,
    });
    expect(await bucket.r2.keys("scenes/changing/")).toEqual([]);
  });
});
