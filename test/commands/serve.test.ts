import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { saveBucketKeys } from "../../src/secrets-file.ts";
import { saveUserConfig } from "../../src/user-config.ts";
import { jpeg, temporaryFolder } from "../helpers/backend-fixture.ts";
import { startR2 } from "../helpers/r2.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

/** The process and what it said so far on stderr. */
interface Served {
  readonly process: ChildProcessWithoutNullStreams;
  readonly said: () => string;
}

function serve(...flags: string[]): Served {
  return serveWith({}, ...flags);
}

function serveWith(env: Record<string, string>, ...flags: string[]): Served {
  const child = spawn(process.execPath, [BIN, "serve", "--port", "0", ...flags], {
    env: { ...process.env, ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let text = "";
  child.stderr.on("data", (piece: Buffer) => {
    text += piece.toString();
  });
  return { process: child, said: () => text };
}

async function urlOf({ process: child, said }: Served): Promise<string> {
  for (;;) {
    const [, url] = /listening on (http:\S+)[^]*\n/.exec(said()) ?? [];
    if (url !== undefined) return url;
    if (child.exitCode !== null) expect.unreachable(said());
    await once(child.stderr, "data");
  }
}

it.each(["two words", "line\nend", "ü"])("refuses the token %j, which nobody could send", async (token) => {
  const { process: child, said } = serveWith({ SPLAT_API_TOKEN: token }, "--data", await temporaryFolder());
  expect(await once(child, "close")).toEqual([3, null]);
  expect(said()).toContain("characters that no header can carry");
});

it("keeps what it took from Ctrl-C to the next start", async () => {
  const data = await temporaryFolder();
  const first = serve("--data", data, "--threads", "1", "--max-gaussians", "500", "--max-pixels", "400");
  const client = createClient({ url: await urlOf(first) });
  expect((await client.scene()).max_gaussians).toBe(500);
  await client.uploadFrame(
    { bytes: await jpeg(1), mediaType: "image/jpeg", name: "a.jpg" },
    { frame_id: "a" },
  );
  const { session_id } = await client.status();
  first.process.kill("SIGINT");
  expect(await once(first.process, "exit")).toEqual([0, null]);
  expect(first.said()).toContain(data);

  const second = serve("--data", data, "--threads", "1");
  const status = await createClient({ url: await urlOf(second) }).status();
  expect(status).toMatchObject({ session_id, frame_count: 1, durable_through: 1, engine: { threads: 1 } });

  const third = serve("--data", data);
  expect(await once(third.process, "exit")).toEqual([2, null]);
  expect(third.said()).toMatch(/in use by process \d+[^]*remove .*lock/);
  second.process.kill("SIGTERM");
  expect(await once(second.process, "exit")).toEqual([0, null]);
});

it("refuses to listen for others without a token", async () => {
  const served = serve("--host", "0.0.0.0", "--data", await temporaryFolder());
  expect(await once(served.process, "exit")).toEqual([3, null]);
  expect(served.said()).toContain("SPLAT_API_TOKEN");
});

it("says which bucket it writes to, and nothing that the bucket's client would say", async () => {
  const data = await temporaryFolder();
  const local = serve("--data", data);
  await urlOf(local);
  local.process.kill("SIGINT");
  await once(local.process, "exit");
  expect(local.said()).toContain(`chunks go to ${join(data, "bucket")}\n`);
  const reading = serveWith({ R2_PUBLIC_URL: "https://pub-1.r2.dev" }, "--data", data);
  await urlOf(reading);
  reading.process.kill("SIGINT");
  expect(await once(reading.process, "exit")).toEqual([0, null]);
  expect(reading.said()).toContain("(R2_PUBLIC_URL alone names none to write to)");
  const r2 = await startR2();
  onTestFinished(() => r2.close());
  const { endpoint, bucket, accessKeyId, secretAccessKey } = r2.settings();
  const settings = {
    R2_ENDPOINT_URL: endpoint,
    R2_BUCKET_NAME: bucket,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const served = serveWith(settings, "--data", data);
  await urlOf(served);
  served.process.kill("SIGINT");
  expect(await once(served.process, "exit")).toEqual([0, null]);
  expect(served.said()).toMatch(/chunks go to bucket "splats" at 127\.0\.0\.1:\d+ \(from the environment\)/);
  expect(served.said()).not.toContain("NodeVersionSupportWarning");
  for (const secret of [accessKeyId, secretAccessKey]) expect(served.said()).not.toContain(secret);
  expect(await r2.get("scenes/main/status.json")).not.toBeNull();
});

it("writes to the bucket that is kept, unless told not to, or its keys are known to read only", async () => {
  const data = await temporaryFolder();
  const folder = await temporaryFolder();
  const r2 = await startR2();
  onTestFinished(() => r2.close());
  const { endpoint, bucket: name, accessKeyId, secretAccessKey, publicUrl } = r2.settings();
  const kept = { endpoint, name, publicUrl };
  await saveUserConfig(join(folder, "config.json"), { bucket: kept });
  const keys = { accessKeyId, secretAccessKey };
  await saveBucketKeys(join(folder, "secrets.json"), `${endpoint}/${name}`, keys);
  const run = async (env: Record<string, string>, ...flags: string[]): Promise<string> => {
    const served = serveWith({ SPLAT_CONFIG_DIR: folder, ...env }, "--data", data, ...flags);
    await urlOf(served);
    served.process.kill("SIGINT");
    expect(await once(served.process, "exit")).toEqual([0, null]);
    for (const secret of Object.values(keys)) expect(served.said()).not.toContain(secret);
    return served.said();
  };
  expect(await run({}, "--no-bucket")).toContain(`chunks go to ${join(data, "bucket")} (--no-bucket)`);
  expect(await r2.get("scenes/main/status.json")).toBeNull();
  expect(await run({})).toMatch(/chunks go to bucket "splats" at \S+ \(kept by splatctl bucket init\)/);
  expect(await r2.get("scenes/main/status.json")).not.toBeNull();
  // Told before any chunk goes there, whatever is not to be said.
  const ofAws = { AWS_ACCESS_KEY_ID: "some-key", AWS_SECRET_ACCESS_KEY: "swordfish" };
  expect(await run(ofAws)).toMatch(
    /^warning: chunks go to bucket "splats" at \S+ \(kept by splatctl bucket init\); --no-bucket keeps .*\n[^]*listening/,
  );
  await saveUserConfig(join(folder, "config.json"), { bucket: { ...kept, mayWrite: false } });
  expect(await run({})).toMatch(
    new RegExp(`chunks go to ${join(data, "bucket")} \\(the keys kept for bucket "splats" only read`),
  );
});

it("ends with 3 when the bucket's settings are incomplete or cannot be right, and says which", async () => {
  const data = await temporaryFolder();
  const incomplete = serveWith({ R2_BUCKET_NAME: "splats", AWS_ACCESS_KEY_ID: "" }, "--data", data);
  expect(await once(incomplete.process, "exit")).toEqual([3, null]);
  expect(incomplete.said()).toMatch(/no R2_ENDPOINT_URL, AWS_ACCESS_KEY_ID/);
  const settings = {
    R2_ENDPOINT_URL: "https://account.r2.cloudflarestorage.com/splats",
    R2_BUCKET_NAME: "splats",
    AWS_ACCESS_KEY_ID: "some-key",
    AWS_SECRET_ACCESS_KEY: "swordfish",
  };
  const pasted = serveWith(settings, "--data", data);
  expect(await once(pasted.process, "exit")).toEqual([3, null]);
  expect(pasted.said()).toMatch(/R2_ENDPOINT_URL[^]*names the bucket/);
});
