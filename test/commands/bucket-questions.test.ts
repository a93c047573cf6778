import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ReadStream } from "node:tty";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished, vi, type TestContext } from "vitest";
import { saveBucketKeys } from "../../src/secrets-file.ts";
import { saveUserConfig } from "../../src/user-config.ts";
import { temporaryFolder } from "../helpers/backend-fixture.ts";
import { ptyPairFor } from "../helpers/pty.ts";
import { SCRIPTED_KEYS, startScriptedS3, type ScriptedS3 } from "../helpers/scripted-s3.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

/** A person at a terminal on which `splatctl bucket init` runs. */
interface Sitting {
  readonly s3: ScriptedS3;
  readonly folder: string;
  readonly child: ChildProcess;
  /** All that the terminal has shown. */
  readonly shown: () => string;
  /** Wait for a text that has not been waited for yet. */
  readonly until: (text: string) => Promise<void>;
  readonly type: (text: string) => void;
  /** Exit code. */
  readonly ended: () => Promise<number | null>;
  /** Whether the terminal shows what is typed, and takes lines. */
  readonly isAsBefore: () => boolean;
}

async function sitting(
  context: TestContext,
  flags: readonly string[] = [],
  prepare?: (folder: string, s3: ScriptedS3) => Promise<void>,
): Promise<Sitting> {
  const pair = await ptyPairFor(context);
  // As a shell leaves it: what is typed is shown.
  execFileSync("stty", ["sane"], { stdio: [openForTest(pair.b), "pipe", "pipe"] });
  const s3 = await startScriptedS3({ scope: "admin", buckets: ["splats"] });
  onTestFinished(() => s3.close());
  const folder = await temporaryFolder();
  await prepare?.(folder, s3);
  const terminal = openForTest(pair.b);
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:SPLAT|R2|AWS)_/.test(name));
  const child = spawn(process.execPath, [BIN, "bucket", "init", ...flags], {
    env: { ...Object.fromEntries(inherited), SPLAT_CONFIG_DIR: folder },
    stdio: [terminal, terminal, terminal],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const person = new ReadStream(openSync(pair.a, "r+"));
  onTestFinished(() => void person.destroy());
  let text = "";
  let seen = 0;
  person.on("error", () => undefined);
  person.on("data", (piece: Buffer) => {
    text += piece.toString();
  });
  const exited = once(child, "exit");
  return {
    s3,
    folder,
    child,
    shown: () => text,
    until: async (part) => {
      while (!text.slice(seen).includes(part)) {
        await Promise.race([
          once(person, "data"),
          exited.then(() => expect.unreachable(`ended before it said ${part}: ${text}`)),
        ]);
      }
      seen = text.indexOf(part, seen) + part.length;
    },
    type: (typed) => {
      const keyboard = openSync(pair.a, "r+");
      execFileSync("cat", [], { input: typed, stdio: ["pipe", keyboard, "inherit"] });
      closeSync(keyboard);
    },
    ended: async () => ((await exited) as [number | null])[0],
    isAsBefore: () => {
      const settings = execFileSync("stty", ["-a"], { stdio: [terminal, "pipe", "inherit"] }).toString();
      return / echo /.test(settings) && / icanon /.test(settings);
    },
  };
}

function openForTest(path: string): number {
  const descriptor = openSync(path, "r+");
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

it("asks for what is not given, shows no secret, keeps the answers, and offers them again", async (context) => {
  const { s3, folder, until, type, ended, shown, isAsBefore } = await sitting(context);
  await until("S3 endpoint (https://ACCOUNT.r2.cloudflarestorage.com): ");
  type(`${s3.origin}\r`);
  await until("bucket: ");
  // Enter alone is no answer.
  type("\r");
  await until("bucket: ");
  type("splats\r");
  await until("access key id: ");
  type(`${SCRIPTED_KEYS.accessKeyId}\r`);
  await until("secret access key (not shown): ");
  type(`${SCRIPTED_KEYS.secretAccessKey}x\x7f\r`);
  expect(await ended(), shown()).toBe(0);
  // What a process printed last may come after its end is known.
  await vi.waitFor(() => expect(shown()).toContain("next: "), { timeout: 10_000 });
  expect(shown()).not.toContain("swordfish");
  expect(isAsBefore()).toBe(true);
  const secrets = JSON.parse(await readFile(join(folder, "secrets.json"), "utf8")) as unknown;
  expect(secrets).toMatchObject({ buckets: { [`${s3.origin}/splats`]: SCRIPTED_KEYS } });
});

it("offers a kept key without showing its id", async (context) => {
  const { s3, folder, until, type, ended, shown } = await sitting(context, [], keepBucket);
  await until("cloudflarestorage.com) [");
  type("\r");
  await until("bucket [splats]: ");
  type("\r");
  await until("access key id [kept]: ");
  type("\r");
  await until("[Enter: the one kept]: ");
  type("\r");
  expect(await ended(), shown()).toBe(0);
  for (const secret of Object.values(SCRIPTED_KEYS)) expect(shown()).not.toContain(secret);
  const secrets = JSON.parse(await readFile(join(folder, "secrets.json"), "utf8")) as unknown;
  expect(secrets).toMatchObject({ buckets: { [`${s3.origin}/splats`]: SCRIPTED_KEYS } });
});

async function keepBucket(folder: string, { origin }: ScriptedS3): Promise<void> {
  await saveBucketKeys(join(folder, "secrets.json"), `${origin}/splats`, SCRIPTED_KEYS);
  const bucket = { endpoint: origin, name: "splats", publicUrl: null };
  await saveUserConfig(join(folder, "config.json"), { bucket });
}

for (const name of ["SIGTERM", "SIGINT"] as const) {
  it(`ends with 130 at ${name} where it asks for a yes`, async (context) => {
    const s3 = await startScriptedS3();
    onTestFinished(() => s3.close());
    const flags = ["--endpoint", s3.origin, "--name", "new-one"];
    const { child, until, type, ended, shown } = await sitting(context, flags);
    await until("access key id: ");
    type(`${SCRIPTED_KEYS.accessKeyId}\r${SCRIPTED_KEYS.secretAccessKey}\r`);
    await until("Make it? [y/N] ");
    child.kill(name);
    expect(await ended(), shown()).toBe(130);
    expect(shown()).not.toContain("bug");
    expect(s3.buckets.has("new-one")).toBe(false);
  });
}

it("takes answers that are pasted together, shows no secret then either, and makes what is missing", async (context) => {
  const s3 = await startScriptedS3();
  onTestFinished(() => s3.close());
  const flags = ["--endpoint", s3.origin, "--name", "new-one"];
  const { until, type, ended, shown } = await sitting(context, flags);
  await until("access key id: ");
  type(`${SCRIPTED_KEYS.accessKeyId}\r${SCRIPTED_KEYS.secretAccessKey}\r`);
  await until(`There is no bucket "new-one"`);
  await until("Make it? [y/N] ");
  expect(s3.buckets.has("new-one")).toBe(false);
  type("y\r");
  expect(await ended(), shown()).toBe(0);
  expect(s3.buckets.has("new-one")).toBe(true);
  expect(shown()).not.toContain("swordfish");
});

for (const [name, key] of [
  ["Ctrl-C", "\x03"],
  ["Ctrl-D", "\x04"],
] as const) {
  it(`ends with 130 at ${name} in a secret, leaves the terminal as it was and keeps nothing`, async (context) => {
    const flags = ["--endpoint", "http://127.0.0.1:9", "--name", "splats"];
    const { s3, folder, until, type, ended, shown, isAsBefore } = await sitting(context, flags);
    await until("access key id: ");
    type("some-id\r");
    await until("(not shown): ");
    type(`${name === "Ctrl-D" ? "" : "sword"}${key}`);
    expect(await ended(), shown()).toBe(130);
    expect(shown()).toContain("nothing was kept");
    expect(shown()).not.toContain("sword");
    expect(isAsBefore()).toBe(true);
    expect(s3.requests).toEqual([]);
    await expect(stat(join(folder, "config.json"))).rejects.toThrow("ENOENT");
  });
}

it("keeps nothing when SIGTERM comes at a question", async (context) => {
  const { folder, child, until, ended, isAsBefore } = await sitting(context);
  await until("cloudflarestorage.com): ");
  child.kill("SIGTERM");
  expect(await ended()).toBe(130);
  expect(isAsBefore()).toBe(true);
  await expect(stat(join(folder, "config.json"))).rejects.toThrow("ENOENT");
});
