import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { openBackend, type Backend, type BackendOptions } from "../../src/backend/open-backend.ts";
import { silentLog } from "../../src/log.ts";
import { jpeg, temporaryFolder } from "../helpers/backend-fixture.ts";
import { scriptedTrainer } from "../helpers/scripted-training.ts";

async function open(options: Partial<BackendOptions> = {}): Promise<Backend> {
  const backend = await openBackend({
    dataDir: await temporaryFolder(),
    port: 0,
    log: silentLog,
    startTraining: scriptedTrainer().start,
    ...options,
  });
  onTestFinished(() => backend.close());
  return backend;
}

it("serves a capture from the first frame to the finished scene", async () => {
  const client = createClient({ url: (await open()).url });
  for (const seed of [1, 2, 3]) {
    const frame = { bytes: await jpeg(seed), mediaType: "image/jpeg", name: "a.jpg" };
    await client.uploadFrame(frame, { frame_id: `f${seed}` });
  }
  const { complete, chunks } = await client.stop({ finishSeconds: 0.1 });
  expect([complete, chunks.length]).toEqual([true, 1]);
  const download = await client.getSplat();
  expect(download.kind).toBe("scene");
  if (download.kind !== "scene") return;
  let sizeBytes = 0;
  for await (const piece of download.body) sizeBytes += piece.length;
  expect(sizeBytes).toBe(download.sizeBytes);
  expect(await client.getSplat({ etag: download.etag })).toEqual({ kind: "unchanged" });
  const few = await client.getSplat({ maxGaussians: 7 });
  expect(few).toMatchObject({ kind: "scene", gaussianCount: 7 });
  if (few.kind === "scene") for await (const _piece of few.body);
});

it("leaves the data folder of the other engine alone", async () => {
  const dataDir = await temporaryFolder();
  await writeFile(join(dataDir, "backend.lock"), "");
  await expect(open({ dataDir })).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining("belongs to --engine gsplat") as string,
  });
  expect(await readdir(dataDir)).toEqual(["backend.lock"]);
});

it("answers 413 to a large upload instead of cutting the line", async () => {
  const { url } = await open();
  const form = new FormData();
  form.set("file", new Blob([new Uint8Array(40 * 2 ** 20)]), "large.jpg");
  const answer = await fetch(`${url}/upload-frame`, { method: "POST", body: form });
  expect(answer.status).toBe(413);
  expect((await fetch(`${url}/health`)).status).toBe(200);
});

it("says which port is taken and what to do", async () => {
  const { url } = await open();
  const port = Number(new URL(url).port);
  await expect(open({ port })).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining(String(port)) as string,
    hint: expect.stringContaining("--port") as string,
  });
});

it("does not open to others without a token", async () => {
  await expect(open({ host: "0.0.0.0" })).rejects.toMatchObject({
    code: "not_configured",
    hint: expect.stringContaining("SPLAT_API_TOKEN") as string,
  });
  const { url } = await open({ host: "0.0.0.0", token: "t0ken" });
  expect((await fetch(`${url}/status`)).status).toBe(401);
  expect((await fetch(`${url}/status`, { headers: { authorization: "Bearer t0ken" } })).status).toBe(200);
});

it("closes without leaving anybody hanging: streams end, a waiting stop is answered, the folder is free", async () => {
  const dataDir = await temporaryFolder();
  const backend = await open({ dataDir });
  const client = createClient({ url: backend.url });
  await client.uploadFrame({ bytes: await jpeg(1), mediaType: "image/jpeg", name: "a.jpg" }, {});
  const events = (async () => {
    let seen = 0;
    for await (const _event of client.events()) seen++;
    return seen;
  })();
  await client.status();
  const stopping = client.stop({ finishSeconds: 600 });
  while (backend.scene.status().state !== "finishing") await client.status();
  await backend.close();
  expect((await stopping).complete).toBe(false);
  expect(await events).toBeGreaterThan(0);
  await expect(fetch(`${backend.url}/health`)).rejects.toThrow();
  const next = await open({ dataDir });
  expect((await createClient({ url: next.url }).status()).frame_count).toBe(1);
});
