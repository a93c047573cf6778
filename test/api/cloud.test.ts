import { expect, test } from "vitest";
import { createClient, type Client, type ClientOptions } from "../../src/api/client.ts";
import { isCloud } from "../../src/api/cloud.ts";
import { openJointStream } from "../../src/api/joint-stream.ts";
import { stopAndWait } from "../../src/api/stop-and-wait.ts";
import { EXIT_CODES, SplatError } from "../../src/errors.ts";
import { serveHttp } from "../helpers/loopback.ts";
import { MODAL, plain, scriptedCloud, type ScriptedCloud } from "../helpers/scripted-cloud.ts";
import { no } from "./answers.ts";

const frame = { bytes: new Uint8Array(200_000).fill(7), mediaType: "image/jpeg", name: "a.jpg" };

function clientOf(cloud: ScriptedCloud, options: Partial<ClientOptions> = {}): Client {
  return createClient({ url: cloud.url, cloud: true, ...options });
}

async function failure(call: Promise<unknown>): Promise<SplatError> {
  const thrown: unknown = await call.catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(SplatError);
  return thrown as SplatError;
}

test.each([
  ["https://me--live-splat.modal.run", true],
  ["http://live-splat.modal.run.:8000/base", true],
  ["https://modal.run.example.com", false],
  ["https://notmodal.run", false],
  ["http://127.0.0.1:7860", false],
  ["http://localhost:7860", false],
  ["http://workstation:7860", false],
  ["http://robot.local:7860", false],
  ["http://robot.fritz.box:7860", false],
  ["http://box.home:7860", false],
  ["https://workstation.tail1234.ts.net", false],
  ["http://192.168.1.7:7860", false],
  ["http://[fd00::7]", false],
  ["http://[2001:db8::1]:8000/base", false],
])("%s is in the cloud by its name: %s", (url, wanted) => {
  expect(isCloud(url)).toBe(wanted);
  expect(createClient({ url }).isCloud).toBe(wanted);
});

test("what Modal's proxy stands before is in the cloud, whatever its name; what has no https is not behind it", () => {
  const proxyAuth = { key: "wk-1", secret: "ws-1" };
  const isCloudWith = (url: string, options: Partial<ClientOptions> = {}): boolean =>
    createClient({ url, proxyAuth, ...options }).isCloud;
  expect(isCloudWith("https://splats.example.com")).toBe(true);
  expect(isCloudWith("http://127.0.0.1:7860")).toBe(false);
  expect(isCloudWith("https://splats.example.com", { cloud: false })).toBe(false);
  expect(isCloudWith("http://127.0.0.1:7860", { cloud: true })).toBe(true);
});

test("an upload that takes too long is asked for where the result will be, and counts once", async () => {
  const cloud = await scriptedCloud({ coldStartMs: 1200 });
  cloud.edge.resultAfterMs = 100;
  const answer = await clientOf(cloud, { token: "t0ken" }).uploadFrame(frame, { frame_id: "a" });
  expect(answer).toMatchObject({ frame_id: "a", duplicate: false, frame_count: 1 });
  expect(cloud.scene().uploads).toEqual(["a"]);
  const [first, ...looks] = cloud.asked;
  expect(first.method).toBe("POST");
  expect(looks.length).toBeGreaterThan(1);
  for (const look of looks) {
    expect(look).toMatchObject({ method: "GET", headers: { authorization: "Bearer t0ken" } });
    expect(look.path).toMatch(/^\/upload-frame\?__modal_function_call_id=fc-\d+$/);
    expect(look.headers["content-type"]).toBeUndefined();
  }
});

test("a result elsewhere is not asked for, and the token stays here", async () => {
  const seen: (string | undefined)[] = [];
  const other = await serveHttp((request, response) => {
    seen.push(request.headers.authorization);
    response.end();
  });
  try {
    const cloud = await scriptedCloud({ coldStartMs: 200 });
    cloud.edge.resultAfterMs = 20;
    for (const resultAt of [`${other.url}/status?id=1`, "/elsewhere?id=1"]) {
      cloud.edge.resultAt = resultAt;
      const error = await failure(clientOf(cloud, { token: "t0ken" }).status());
      expect(error).toMatchObject({ code: "refused", refusal: { status: 303 } });
      cloud.preempt({ coldStartMs: 200 });
    }
    expect(seen).toEqual([]);
  } finally {
    await other.close();
  }
});

test("a result that never comes is waited for no longer than told", async () => {
  const cloud = await scriptedCloud({ coldStartMs: 60_000 });
  cloud.edge.resultAfterMs = 20;
  const error = await failure(clientOf(cloud, { coldStartMs: 600 }).status());
  expect(error).toMatchObject({ code: "unreachable" });
  expect(error.message).toContain("said nothing for");
  expect(cloud.asked.length).toBeGreaterThan(1);
});

test("the first answer may take as long as a start takes, which is told until it comes", async () => {
  const cloud = await scriptedCloud({ coldStartMs: 4500 });
  const told: (number | null)[] = [];
  const onStarting = (waitedS: number | null): void => void told.push(waitedS);
  const client = clientOf(cloud, { timeoutMs: 300, onStarting });
  const [status] = await Promise.all([client.status(), client.frames()]);
  expect(status.state).toBe("training");
  expect(told.at(0)).toBeGreaterThanOrEqual(3);
  expect(told.at(-1)).toBeNull();
  expect(told.filter((waitedS) => waitedS === null)).toHaveLength(1);
  // It has answered just now: silence is a fault again, and no start.
  cloud.preempt({ coldStartMs: 60_000 });
  expect((await failure(client.status())).message).toContain("said nothing for 0.3 s");
});

test("a backend near us has no start to wait for", async () => {
  const cloud = await scriptedCloud({ coldStartMs: 60_000 });
  const client = createClient({ url: cloud.url, timeoutMs: 200 });
  expect((await failure(client.status())).message).toContain("said nothing for 0.2 s");
});

test("what the edge did not let through is tried again", async () => {
  const cloud = await scriptedCloud();
  const asked = plain(429, "slow down", { "retry-after": "1" });
  cloud.edge.next.push({ reply: MODAL.late }, { reply: MODAL.tooMany }, { reply: asked });
  const answer = await clientOf(cloud).uploadFrame(frame, { frame_id: "a" });
  expect(answer.duplicate).toBe(false);
  expect(cloud.asked).toHaveLength(4);
  cloud.edge.next.push(...Array.from({ length: 9 }, () => ({ reply: MODAL.tooMany })));
  const error = await failure(clientOf(cloud).status());
  expect(error).toMatchObject({ code: "refused", refusal: { status: 429, code: "busy" } });
  expect(error.message).toContain("too many requests");
});

test("proxy tokens go in headers of their own, beside the backend's token", async () => {
  const cloud = await scriptedCloud();
  const proxyAuth = { key: "wk-1", secret: "ws-1" };
  cloud.edge.proxyAuth = proxyAuth;
  const without = await failure(clientOf(cloud, { token: "t0ken" }).status());
  expect(without).toMatchObject({ code: "not_configured", refusal: { status: 401 } });
  expect(without.message).toContain("wants a proxy token");
  expect(without.hint).toContain("SPLAT_PROXY_KEY");
  const wrong = await failure(clientOf(cloud, { proxyAuth: { key: "wk-1", secret: "ws-2" } }).status());
  expect(wrong.message).toContain("refused the proxy token");
  expect(JSON.stringify([wrong.message, wrong.hint])).not.toContain("ws-2");
  await clientOf(cloud, { token: "t0ken", proxyAuth }).status();
  expect(cloud.asked.at(-1)?.headers).toMatchObject({
    authorization: "Bearer t0ken",
    "modal-key": "wk-1",
    "modal-secret": "ws-1",
  });
  const stream = openJointStream({ url: cloud.url, cloud: true, token: "t0ken", proxyAuth });
  await stream.updateJoints({ joint_angles: [0, 0, 0, 0, 0, 0] });
  await stream.close();
  expect(cloud.asked.at(-1)?.headers).toMatchObject({ authorization: "Bearer t0ken", "modal-key": "wk-1" });
});

test("a proxy token that no header can carry is refused without being printed", () => {
  const proxyAuth = { key: "wk-1", secret: "two\nlines" };
  expect(() => createClient({ url: "http://127.0.0.1:1", proxyAuth })).toThrow(
    expect.objectContaining({ code: "not_configured", message: expect.not.stringContaining("two") }),
  );
});

test("an undeployed backend is named as such", async () => {
  const cloud = await scriptedCloud();
  cloud.edge.isStopped = true;
  const error = await failure(clientOf(cloud).status());
  expect(EXIT_CODES[error.code]).toBe(4);
  expect(error.message).toContain("was undeployed");
  expect(error.hint).toContain("splatctl deploy");
});

test("what else the edge says is told in its words, a stranger's page is not", async () => {
  const cloud = await scriptedCloud();
  cloud.edge.next.push({ reply: plain(500, "modal-http: internal error: function crashed\n<b>") });
  const crashed = await failure(clientOf(cloud).status());
  expect(crashed.message).toContain("internal error: function crashed");
  expect(crashed.message).not.toMatch(/[\n<]/);
  cloud.edge.next.push({ reply: MODAL.broken });
  const broken = await failure(clientOf(cloud).status());
  expect(broken.message).toContain("answered 502 to GET /status");
  expect(broken.message).not.toContain("upstream");
  expect(broken.hint).toContain("try again");
});

test("a scene goes along with every call, and the main one without saying", async () => {
  const cloud = await scriptedCloud({ scenes: ["main", "table"] });
  const client = clientOf(cloud, { scene: "table" });
  await client.uploadFrame(frame, { frame_id: "a" });
  await client.frames();
  await client.stop();
  const stream = openJointStream({ url: cloud.url, cloud: true, scene: "table" });
  await stream.updateJoints({ joint_angles: [1, 0, 0, 0, 0, 0] });
  await stream.close();
  expect(cloud.asked.map(({ path }) => path)).toEqual([
    "/upload-frame?scene=table",
    "/frames?scene=table",
    "/stop-training?scene=table",
    "/update-joint-angles?scene=table",
  ]);
  expect(cloud.scene("table")).toMatchObject({ frames: ["a"], joints: [[1, 0, 0, 0, 0, 0]] });
  expect(cloud.scene().frames).toEqual([]);
  await clientOf(cloud, { scene: "main" }).status();
  expect(cloud.asked.at(-1)?.path).toBe("/status");
});

test("joints may be what starts a backend: the wait is told, and a result elsewhere is no trouble", async () => {
  const cloud = await scriptedCloud({ coldStartMs: 4500 });
  const told: (number | null)[] = [];
  const onStarting = (waitedS: number | null): void => void told.push(waitedS);
  const stream = openJointStream({ url: cloud.url, cloud: true, onStarting });
  await stream.updateJoints({ joint_angles: [0, 0, 0, 0, 0, 0] });
  expect(told.at(0)).toBeGreaterThanOrEqual(3);
  expect(told.at(-1)).toBeNull();
  cloud.preempt({ coldStartMs: 60_000 });
  cloud.edge.resultAfterMs = 20;
  await stream.updateJoints({ joint_angles: [0, 0, 0, 0, 0, 0] });
  await stream.close();
  expect(cloud.asked).toHaveLength(2);
});

test("a reading waits long for a cloud that starts, and for one that has answered just now no longer than elsewhere", async () => {
  const cloud = await scriptedCloud({ coldStartMs: 4000 });
  const stream = openJointStream({ url: cloud.url, cloud: true, timeoutMs: 300 });
  const send = (): Promise<void> => stream.updateJoints({ joint_angles: [0, 0, 0, 0, 0, 0] });
  await send();
  cloud.preempt({ coldStartMs: 60_000 });
  const silence = await failure(send());
  await stream.close();
  expect(silence.message).toContain("said nothing for 0.3 s");
});

test("the hint for a refused token says whose was sent", async () => {
  const cloud = await scriptedCloud();
  const body = JSON.stringify(no("unauthorized", "no"));
  const reply = { status: 401, headers: { "content-type": "application/json" }, body };
  const hintFor = async (options: Partial<ClientOptions>): Promise<string> => {
    cloud.edge.next.push({ reply });
    return (await failure(clientOf(cloud, options).status())).hint ?? "";
  };
  const token = "t0ken";
  expect(await hintFor({ token, tokenFrom: "environment" })).toMatch(/^SPLAT_API_TOKEN was sent\b.*unset it/);
  expect(await hintFor({ token, tokenFrom: "kept" })).toMatch(
    /^The one that splatctl deploy keeps was sent\b/,
  );
  expect(await hintFor({ token })).toMatch(/^Set SPLAT_API_TOKEN/);
  expect(await hintFor({ tokenFrom: "kept" })).toMatch(/^Set SPLAT_API_TOKEN/);
  const stream = openJointStream({ url: cloud.url, cloud: true, token, tokenFrom: "environment" });
  cloud.edge.next.push({ reply });
  const refusal = await failure(stream.updateJoints({ joint_angles: [0, 0, 0, 0, 0, 0] }));
  await stream.close();
  expect(refusal.hint).toContain("SPLAT_API_TOKEN was sent");
});

test("a scene that the backend does not hold is named", async () => {
  const error = await failure(clientOf(await scriptedCloud(), { scene: "shelf" }).status());
  expect(error.message).toContain('has no scene "shelf"');
  expect(error.hint).toContain("--scene");
});

test("the end of a capture is waited for while a GPU is replaced", async () => {
  const cloud = await scriptedCloud();
  const client = clientOf(cloud);
  cloud.scene().finishing = 2;
  const stopping = stopAndWait(client, { onStatus: () => cloud.edge.next.push({ reply: MODAL.broken }) });
  expect(await stopping).toMatchObject({ complete: true });
});
