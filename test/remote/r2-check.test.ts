import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { openAdmin } from "../../src/remote/r2-admin.ts";
import { checkBucket, type BucketReport, type CheckOptions } from "../../src/remote/r2-check.ts";
import type { BucketSettings } from "../../src/remote/r2-settings.ts";
import { nobody, serveTcp } from "../helpers/loopback.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";
import {
  SCRIPTED_KEYS,
  startScriptedS3,
  type Scope,
  type ScriptedOptions,
  type ScriptedS3,
} from "../helpers/scripted-s3.ts";

const never = new AbortController().signal;
let r2: LocalR2;
beforeAll(async () => {
  r2 = await startR2();
});
afterAll(() => r2.close());

async function scripted(options: ScriptedOptions = {}): Promise<ScriptedS3> {
  const s3 = await startScriptedS3(options);
  onTestFinished(() => s3.close());
  return s3;
}

interface Checked extends BucketReport {
  readonly states: Readonly<Record<string, string>>;
  readonly said: string;
}

async function check(settings: BucketSettings, options: Partial<CheckOptions> = {}): Promise<Checked> {
  const quiet = { onWrite: () => undefined, onLine: () => undefined };
  const report = await checkBucket(settings, {
    write: true,
    signal: never,
    pauseMs: 1,
    ...quiet,
    ...options,
  });
  const states = Object.fromEntries(report.lines.map(({ name, state }) => [name, state]));
  const said = report.lines.map(({ name, says, hint }) => `${name}: ${says}. ${hint ?? ""}`).join("\n");
  for (const secret of Object.values(SCRIPTED_KEYS)) expect(said).not.toContain(secret);
  return { ...report, states, said };
}

it("finds all in order on Cloudflare's simulator, and leaves nothing there", async () => {
  const told: string[] = [];
  const report = await check(r2.settings(), { onWrite: ({ key }) => void told.push(key) });
  expect(report.states, report.said).toMatchObject({
    endpoint: "ok",
    clock: "unknown",
    keys: "ok",
    bucket: "ok",
    list: "ok",
    read: "ok",
    write: "ok",
    "conditional-write": "ok",
    delete: "ok",
    "public-address": "ok",
    browser: "unknown",
    cors: "unknown",
  });
  expect(report).toMatchObject({ mayWrite: true, administers: false, failure: null });
  expect(told).toEqual([expect.stringMatching(/^splatctl-check\/[0-9a-f-]{36}$/)]);
  expect(await r2.sums()).toEqual(new Map());
});

it("knows a wrong key id and a wrong secret on Cloudflare's simulator", async () => {
  const unknown = await check({ ...r2.settings(), accessKeyId: "nobody" });
  expect(unknown.states["keys"]).toBe("no");
  expect(unknown.failure).toMatchObject({ code: "not_configured", refusal: { code: "Unauthorized" } });
  const wrong = await check({ ...r2.settings(), secretAccessKey: "wrong" });
  expect(wrong.states["keys"]).toBe("no");
  expect(wrong.said).toMatch(/the secret key is wrong[^]*Check AWS_ACCESS_KEY_ID/);
  expect(Object.keys(wrong.states)).toEqual(["endpoint", "clock", "keys"]);
});

it.each<[Scope, object, boolean | null, boolean]>([
  ["read", { read: "ok", write: "no", "public-address": "ok", cors: "unknown" }, false, false],
  [
    "write",
    { read: "ok", write: "ok", "conditional-write": "ok", delete: "ok", cors: "unknown" },
    true,
    false,
  ],
  ["admin-read", { read: "ok", write: "no", cors: "ok" }, false, true],
  ["admin", { read: "ok", write: "ok", cors: "ok", browser: "no" }, true, true],
])("tells what a token of scope %s may do", async (scope, states, mayWrite, administers) => {
  const s3 = await scripted({ scope });
  const objects = s3.objects as Map<string, string>;
  objects.set("splats/a b/ü.txt", "hello");
  const report = await check(s3.settings());
  expect(report.states, report.said).toMatchObject(states);
  expect(report).toMatchObject({ mayWrite, administers, failure: null });
  expect([...s3.objects.keys()]).toEqual(["splats/a b/ü.txt"]);
  // What an Object token may not: each of these would be a 501 here.
  const targets = s3.requests.map(({ method, target }) => `${method} ${target}`);
  expect(targets.filter((target) => /^HEAD|^GET \/\?/.test(target))).toEqual([]);
});

it("stores nothing when told not to, and says what it could not find out", async () => {
  const s3 = await scripted({ scope: "write" });
  const report = await check(s3.settings(), { write: false });
  expect(report).toMatchObject({ mayWrite: null, failure: null });
  expect(report.states).toMatchObject({ read: "ok", write: "unknown", "public-address": "unknown" });
  expect(s3.requests.filter(({ method }) => method !== "GET")).toEqual([]);
});

it("stops at a bucket that is not there, and one that the token is not for", async () => {
  const missing = await check((await scripted({ buckets: [] })).settings());
  expect(missing.states).toEqual({ endpoint: "ok", clock: "ok", keys: "unknown", bucket: "no" });
  expect(missing.failure).toMatchObject({ code: "not_configured", refusal: { code: "NoSuchBucket" } });
  const s3 = await scripted();
  s3.instead = ({ headers }) => (headers.authorization ? { status: 403, code: "AccessDenied" } : undefined);
  const denied = await check(s3.settings());
  expect(denied.states).toMatchObject({ keys: "ok", bucket: "unknown", list: "no", read: "no" });
  expect(denied.said).toMatch(/“Object Read” at least/);
  expect(denied.failure).toMatchObject({ code: "not_configured" });
});

it("is no failure of the bucket when reading works and listing does not: that is told", async () => {
  const s3 = await scripted();
  s3.instead = ({ target }) =>
    target.includes("list-type") ? { status: 403, code: "AccessDenied" } : undefined;
  const report = await check(s3.settings());
  expect(report.states).toMatchObject({ list: "no", read: "ok" });
  expect(report.failure).toMatchObject({ code: "not_configured" });
});

it.each([
  [503, "ServiceUnavailable", "refused"],
  [403, "NotEntitled", "not_configured"],
  [403, "RequestTimeTooSkewed", "not_configured"],
])("takes HTTP %s %s for neither keys nor permissions", async (status, code, kind) => {
  const s3 = await scripted();
  s3.instead = ({ headers }) => (headers.authorization ? { status, code } : undefined);
  const report = await check(s3.settings());
  expect(report.states).toEqual({ endpoint: "ok", clock: "ok", keys: "unknown" });
  expect(report.failure).toMatchObject({ code: kind });
});

it("says that nobody answers, that it is no HTTP, and how far the clocks are apart", async () => {
  const { settings } = await scripted();
  const gone = await check({ ...settings(), endpoint: await nobody() });
  expect(gone.states).toEqual({ endpoint: "no" });
  expect(gone.failure).toMatchObject({ code: "unreachable" });
  const other = await serveTcp((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
  onTestFinished(() => other.close());
  expect((await check({ ...settings(), endpoint: other.url })).failure).toMatchObject({
    code: "unreachable",
  });
  const plain = await scripted();
  const tls = { ...settings(), endpoint: plain.origin.replace("http", "https") };
  expect((await check(tls)).failure).toMatchObject({ code: "unreachable", message: /no answer/ });

  const s3 = await scripted();
  const late = new Date(Date.now() - 20 * 60_000).toUTCString();
  s3.instead = ({ headers }) =>
    headers.authorization ? undefined : { status: 400, code: "InvalidArgument", headers: { date: late } };
  const report = await check(s3.settings());
  expect(report.states["clock"]).toBe("no");
  expect(report.said).toMatch(/clock: this machine's is 1\d\d\d s ahead of the server's. Set it/);
});

it("waits where the server finds the writes too fast", async () => {
  const s3 = await scripted();
  let refused = 0;
  s3.instead = ({ method }, index) =>
    method === "PUT" && index % 2 === 0 && refused++ < 2
      ? { status: 429, code: "TooManyRequests" }
      : undefined;
  const report = await check(s3.settings());
  expect(refused).toBeGreaterThan(0);
  expect(report.states).toMatchObject({ write: "ok", "conditional-write": "ok", delete: "ok" });
});

it("tells a server that writes over what is there, and one that knows no condition", async () => {
  const deaf = await scripted();
  deaf.instead = ({ method, target, body }) => {
    if (method !== "PUT") return undefined;
    (deaf.objects as Map<string, string>).set(target.slice(1).split("?")[0], body);
    return { status: 200 };
  };
  expect((await check(deaf.settings())).states).toMatchObject({ write: "ok", "conditional-write": "no" });
  const old = await scripted();
  old.instead = ({ method, headers }) =>
    method === "PUT" && headers["if-none-match"] !== undefined
      ? { status: 501, code: "NotImplemented" }
      : undefined;
  const report = await check(old.settings());
  expect(report.states).toMatchObject({ write: "ok", "conditional-write": "no", delete: "ok" });
  expect(old.objects.size).toBe(0);
});

it.each([
  ["nothing", ""],
  ["a page", "<!doctype html><html><body>hello</body></html>"],
  ["other XML", "<hello><world/></hello>"],
  ["no XML", "hello"],
])("stops at a server that answers everything with %s", async (_what, body) => {
  const s3 = await scripted();
  s3.instead = () => ({ status: 200, body });
  const report = await check(s3.settings());
  expect(report.states).toEqual({ endpoint: "ok", clock: "ok", list: "no" });
  expect(report.said).toMatch(/list: .* is not S3: .*Check R2_ENDPOINT_URL/);
  expect(report).toMatchObject({ mayWrite: null, failure: { code: "not_configured" } });
  expect(s3.requests.map(({ method }) => method)).not.toContain("PUT");
});

it.each([
  ["nothing", undefined, /it is not there/],
  ["something else", "other", /other bytes are there/],
])("does not take a server's word for a probe of which it keeps %s", async (_what, kept, said) => {
  const s3 = await scripted();
  s3.instead = ({ method, target }) => {
    if (method !== "PUT") return undefined;
    if (kept !== undefined) (s3.objects as Map<string, string>).set(target.slice(1).split("?")[0], kept);
    return { status: 200 };
  };
  const report = await check(s3.settings());
  expect(report.states).toMatchObject({ read: "ok", write: "no" });
  expect(report.said).toMatch(said);
  expect(report).toMatchObject({ mayWrite: false, failure: null });
  expect(s3.objects.size).toBe(0);
});

it("names the session token where the server refuses an argument", async () => {
  const s3 = await scripted();
  s3.instead = ({ headers }) =>
    headers["x-amz-security-token"] === undefined ? undefined : { status: 400, code: "InvalidArgument" };
  const report = await check({ ...s3.settings(), sessionToken: "short" });
  expect(report.states["keys"]).toBe("no");
  expect(report.said).toContain("Check AWS_SESSION_TOKEN");
  expect(report.failure).toMatchObject({ code: "not_configured" });
  expect((await check(s3.settings())).failure).toBeNull();
});

it("says where the probe stays when it cannot be removed", async () => {
  const s3 = await scripted();
  s3.instead = ({ method }) => (method === "DELETE" ? { status: 403, code: "AccessDenied" } : undefined);
  const report = await check(s3.settings());
  expect(report.states["delete"]).toBe("no");
  expect(report.said).toMatch(/splatctl-check\/\S+ stays in the bucket/);
});

it("removes the probe when the work is given up while it lies there", async () => {
  const s3 = await scripted();
  const giveUp = new AbortController();
  s3.instead = ({ target }) => {
    if (!target.startsWith("/public/")) return undefined;
    expect(s3.objects.size).toBe(1);
    giveUp.abort(new Error("given up"));
    return "hang";
  };
  await expect(check(s3.settings(), { signal: giveUp.signal })).rejects.toThrow("given up");
  expect(s3.requests.at(-1)?.method).toBe("DELETE");
  expect(s3.objects.size).toBe(0);
});

it("removes what may have been stored though no answer came", async () => {
  const s3 = await scripted();
  const giveUp = new AbortController();
  s3.instead = (request) => {
    if (request.method !== "PUT") return undefined;
    (s3.objects as Map<string, string>).set(request.target.slice(1).split("?")[0], request.body);
    giveUp.abort(new Error("given up"));
    return "hang";
  };
  await expect(check(s3.settings(), { signal: giveUp.signal })).rejects.toThrow("given up");
  expect(s3.objects.size).toBe(0);
});

it.each<[string, (s3: ScriptedS3) => BucketSettings, RegExp]>([
  [
    "another bucket's",
    (s3) => ({ ...s3.settings(), publicUrl: `${s3.origin}/public/other` }),
    /knows nothing/,
  ],
  ["a page's", (s3) => withAnswer(s3, { status: 200, body: "<html>" }), /something else \(HTTP 200\)/],
  [
    "one that sends elsewhere",
    (s3) => withAnswer(s3, { status: 302, headers: { location: "/" } }),
    /sends elsewhere/,
  ],
  ["a closed one", (s3) => withAnswer(s3, { status: 403 }), /lets nobody in/],
])("tells that the public address is %s", async (_what, change, said) => {
  const s3 = await scripted();
  const report = await check(change(s3));
  expect(report.states["public-address"]).toBe("no");
  expect(report.said).toMatch(said);
  expect(report.states["browser"]).toBeUndefined();
});

function withAnswer(
  s3: ScriptedS3,
  answer: { status: number; body?: string; headers?: Record<string, string> },
): BucketSettings {
  s3.instead = ({ target }) => (target.startsWith("/public/") ? answer : undefined);
  return s3.settings();
}

it("asks the public address as a page that the rules let read", async () => {
  const s3 = await scripted();
  const admin = await openAdmin(s3.settings());
  onTestFinished(() => admin.close());
  const rule = { AllowedMethods: ["GET"], AllowedOrigins: ["https://me.example"] };
  await admin.writeCors([rule], never);
  const report = await check(s3.settings());
  expect(report.said).toContain("web pages of https://me.example may read it");
  await admin.writeCors([{ ...rule, AllowedOrigins: ["*"] }], never);
  expect((await check(s3.settings())).said).toContain("every web page may read it");
});
