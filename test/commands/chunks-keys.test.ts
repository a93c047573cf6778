import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openReader } from "../../src/commands/open-reader.ts";
import { openWriter } from "../../src/commands/open-writer.ts";
import { pushChunk } from "../../src/commands/push-chunk.ts";
import { rmChunks } from "../../src/commands/rm-chunks.ts";
import { resolveUserFiles } from "../../src/config.ts";
import { bucketId } from "../../src/config-bucket.ts";
import { hiddenProgressLine } from "../../src/tui/progress-line.ts";
import { listObjects } from "../../src/chunks/list-objects.ts";
import { saveBucketKeys } from "../../src/secrets-file.ts";
import { saveUserConfig } from "../../src/user-config.ts";
import { SCRIPTED_KEYS, startScriptedS3, type ScriptedS3 } from "../helpers/scripted-s3.ts";

const { signal } = new AbortController();
const QUIET = { quiet: true };

let s3: ScriptedS3;
let folder: string;

beforeEach(async () => {
  s3 = await startScriptedS3({ scope: "write", buckets: ["splats"] });
  folder = await mkdtemp(join(tmpdir(), "splatctl-test-"));
  for (const name of Object.keys(process.env).filter((each) => /^(?:SPLAT|R2|AWS)_/.test(each)))
    vi.stubEnv(name, undefined);
  vi.stubEnv("SPLAT_CONFIG_DIR", folder);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await s3.close();
  await rm(folder, { recursive: true });
});

/** As `splatctl bucket init` does. */
async function keep(more: { mayWrite: boolean }): Promise<void> {
  const { userFile, secretsFile } = await resolveUserFiles();
  await saveBucketKeys(secretsFile, bucketId(s3.origin, "splats"), SCRIPTED_KEYS);
  await saveUserConfig(userFile, {
    bucket: { endpoint: s3.origin, name: "splats", publicUrl: null, ...more },
  });
}

it("what changes the bucket asks and reads nothing where the kept keys only read", async () => {
  await keep({ mayWrite: false });
  const refusal = { code: "not_configured", message: 'the keys kept for bucket "splats" only read' };
  await expect(pushChunk(join(folder, "absent.ply"), QUIET, signal)).rejects.toMatchObject(refusal);
  await expect(rmChunks(["1"], { ...QUIET, yes: true }, signal)).rejects.toMatchObject(refusal);
  expect(s3.requests).toEqual([]);
});

it("whoever reads or writes is told that the keys may be those of something else", async () => {
  const { userFile } = await resolveUserFiles();
  await saveUserConfig(userFile, { bucket: { endpoint: s3.origin, name: "splats", publicUrl: null } });
  vi.stubEnv("AWS_ACCESS_KEY_ID", "another");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "another");
  s3.instead = () => ({ status: 403, code: "InvalidAccessKeyId" });
  const open = await openReader(QUIET);
  const writer = await openWriter(open, hiddenProgressLine(), signal);
  const hint = expect.stringMatching(/AWS_ACCESS_KEY_ID .* in the environment: unset both/) as string;
  const told = { code: "not_configured", hint };
  await expect(listObjects(open.reader, "scenes/", signal)).rejects.toMatchObject(told);
  const sink = { begin: () => undefined, take: () => undefined };
  await expect(open.reader.get("a", {}, sink, signal)).rejects.toMatchObject(told);
  await expect(writer.persist(() => writer.bucket.head("a", signal))).rejects.toMatchObject(told);
  writer.bucket.close();
  await open.reader.close();
});
