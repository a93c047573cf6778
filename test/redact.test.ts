/** No secret comes out, whoever put it where, and however hostile the text is. */
import { expect, test } from "vitest";
import { explain, explainShort, messageOf, SplatError } from "../src/errors.ts";
import { createLog } from "../src/log.ts";
import { HIDDEN, keepSecret, loginOf, redact, redactValue } from "../src/redact.ts";

// Put together here, so that nobody who scans sources takes them for real ones.
const longName = "A1b2C3d4".repeat(4);
const modalId = `ak-${longName}`;
const hugging = `hf_${longName}`;

test.each([
  ["Authorization: Bearer abc.def-123", "abc.def-123"],
  ['{"authorization":"Bearer abc.def-123"}', "abc.def-123"],
  ["sent bearer abcdef123 and went on", "abcdef123"],
  ["Basic dXNlcjpwYXNz was refused", "dXNlcjpwYXNz"],
  ["rtsp://admin:p4ss@camera.local:554/stream", "p4ss"],
  ["rtsp://admin:p@ss#w?rd@camera.local/", "p@ss#w?rd"],
  ["https://:onlypassword@host/", "onlypassword"],
  [`git clone https://${longName}@host/x`, longName],
  ["GET /a.ply?X-Amz-Credential=AKID%2F2026&X-Amz-Signature=0a1b2c HTTP/1.1", "0a1b2c"],
  ["GET /a.ply?X-Amz-Credential=AKID%2F2026&X-Amz-Signature=0a1b2c HTTP/1.1", "AKID%2F2026"],
  ["/x?x-amz-security-token=FwoGZXIv&y=1", "FwoGZXIv"],
  ["/x?AWSAccessKeyId=AKEY&Signature=sigsig&Expires=1", "AKEY"],
  ["/x?AWSAccessKeyId=AKEY&Signature=sigsig&Expires=1", "sigsig"],
  ["ws://127.0.0.1:8765/?token=t0k3n", "t0k3n"],
  ["POST /?access_token=t0k3n#x", "t0k3n"],
  [`modal said ${modalId} is unknown`, modalId],
  [`as-${longName}`, longName],
  [hugging, hugging],
  ["modal-key: wk-1 modal-secret: ws-22222", "ws-22222"],
  ["AWS_SECRET_ACCESS_KEY=wJalr/XUtn+FEMI splatctl serve", "wJalr/XUtn+FEMI"],
  ["AWS_SECRET_ACCESS_KEY: wJalr/XUtn1FEMI", "wJalr/XUtn1FEMI"],
  ["cookie: first=abc1; second=def2", "def2"],
  ["splatctl x --token t0k3n-here", "t0k3n-here"],
  ["rtsp://user:pa/ss7@cam/x", "ss7"],
  ['{"secretAccessKey": "wJalr/XUtn"}', "wJalr/XUtn"],
  ["{'password': 'hunter2'}", "hunter2"],
  [`eyJhbGciOiJI.${longName}.${longName}`, longName],
  [`-----BEGIN RSA PRIVATE KEY-----\nMIIE${longName}\n-----END RSA PRIVATE KEY-----`, longName],
])("%s", (text, secret) => {
  const clean = redact(text);
  expect(clean).not.toContain(secret);
  expect(clean).toContain(HIDDEN);
  expect(redact(clean)).toBe(clean);
});

test.each([
  "the backend at http://127.0.0.1:7860 wants a token that it was not given",
  "Set SPLAT_API_TOKEN to the token that the backend was started with",
  "bearer authentication is needed: a bearer token",
  "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: they are those of an R2 API token for this account.",
  "Check AWS_SESSION_TOKEN: it belongs to temporary keys",
  "chunk_0003.ply sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  "https://abc--splatctl-backend.modal.run scene main (from --url)",
  "wrote scenes/main/2026-01-01T00-00-00-abcdef12/chunk_0001.ply, 1.2 MB",
  "mail to user@example.org, see https://example.org/@user",
  "basic sanity was not given; basic functions stay",
  "as-is, ask-me and task-list stay",
])("ordinary words stay: %s", (text) => {
  expect(redact(text)).toBe(text);
});

test("a known secret goes, whatever it looks like, as a URL or a JSON text would carry it too", () => {
  keepSecret('plain words/with"all', undefined, "abc");
  for (const text of [
    'it was plain words/with"all.',
    "?x=plain%20words%2Fwith%22all",
    JSON.stringify({ x: 'plain words/with"all' }),
  ]) {
    expect(redact(text)).not.toMatch(/plain/);
  }
  expect(redact("abc stays: it is too short to be one")).toContain("abc");
});

test("a short secret goes as a word alone, and never out of the name of a host", () => {
  keepSecret("refuse", "cam1");
  expect(redact("refused by http://cam1.local/ and cam1-2.lan")).toBe(
    "refused by http://cam1.local/ and cam1-2.lan",
  );
  expect(redact("the token refuse is wrong")).toBe(`the token ${HIDDEN} is wrong`);
});

test("the code of an error is never taken for a secret", () => {
  keepSecret("not_configured");
  const error = new SplatError("not_configured", "it is not_configured");
  expect(JSON.parse(explain(error, { json: true }))).toMatchObject({
    error: { code: "not_configured", message: `it is ${HIDDEN}` },
  });
});

test("of two secrets one of which begins the other, nothing is left over", () => {
  keepSecret("overlap-one", "overlap-one-and-more");
  expect(redact("overlap-one-and-more")).toBe(HIDDEN);
});

test("the password in a URL, as written and as meant", () => {
  expect(loginOf("rtsp://a:p%40ss@h/")).toEqual(["p%40ss", "p@ss"]);
  expect(loginOf("rtsp://a:p%zz@h/")).toEqual(["p%zz"]);
  expect(loginOf("no url")).toEqual([]);
});

test("log lines, messages, causes, stacks and JSON errors pass through it", () => {
  keepSecret("s3cr3t-of-the-test");
  const lines: string[] = [];
  const log = createLog("verbose", (line) => lines.push(line));
  log.info("a s3cr3t-of-the-test");
  log.warn("b s3cr3t-of-the-test");
  log.debug("c s3cr3t-of-the-test");
  expect(lines).toEqual([`a ${HIDDEN}\n`, `warning: b ${HIDDEN}\n`, `c ${HIDDEN}\n`]);
  const cause = new Error("because of s3cr3t-of-the-test");
  const error = new SplatError("refused", "no to s3cr3t-of-the-test", {
    hint: "try s3cr3t-of-the-test",
    cause,
    findings: { deep: [{ said: "s3cr3t-of-the-test", count: 2 }] },
  });
  for (const text of [
    explain(error),
    explain(error, { verbose: true }),
    explain(error, { json: true }),
    messageOf(error),
    explainShort(error),
  ]) {
    expect(text).toContain(HIDDEN);
    expect(text).not.toContain("s3cr3t");
  }
  expect(JSON.parse(explain(error, { json: true }))).toMatchObject({ deep: [{ said: HIDDEN, count: 2 }] });
});

test("a value in JSON keeps its quotes", () => {
  const value = { url: 'x?token=abc"def', list: ["Bearer abcdefgh\\"] };
  expect(JSON.parse(JSON.stringify(value, redactValue))).toEqual({
    url: `x?token=${HIDDEN}"def`,
    list: [`Bearer ${HIDDEN}\\`],
  });
});

/** Twice the text must not take four times as long: half a megabyte of each would take minutes with a quadratic pattern. */
test.each([
  "://",
  ":",
  "://a:b",
  "http://a:a:a:",
  "--token ",
  "cookie:",
  "AWS_SESSION_TOKEN: ",
  "a:",
  "Bearer ",
  "bearer\t",
  "basic a",
  "authorization:",
  "&token=",
  "?a_token",
  "&aaaaaaaaaaaaaaaa-",
  "eyJ-",
  "eyJabcdefgh.",
  "hf_aaaaaaaaaaaaaaa-",
  "ak-",
  '"token":"',
  "-----BEGIN ",
  "-----BEGIN PRIVATE KEY-----",
  "a",
  " ",
])("a hostile text of %j takes no time", (piece) => {
  const text = piece.repeat(500_000 / piece.length);
  for (const whole of [text, `://${text}`, `http://${text}`, `"${text}`, `Bearer ${text}`, `x ${text}@`])
    redact(whole);
});
