import { expect, it, onTestFinished } from "vitest";
import { connectionError } from "../../src/remote/r2-connection.ts";
import { bucketError, codeOf, refusalError, retryAfterS } from "../../src/remote/r2-errors.ts";
import { openSignedReader } from "../../src/remote/r2-signed.ts";
import { startScriptedS3 } from "../helpers/scripted-s3.ts";

const ASKED = { bucket: "splats", host: "account.r2.cloudflarestorage.com" };

function coded(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

it.each<[string, Error, string, RegExp, RegExp]>([
  [
    "a proxy's certificate",
    coded("SELF_SIGNED_CERT_IN_CHAIN"),
    "not_configured",
    /not trusted/,
    /NODE_EXTRA_CA/,
  ],
  [
    "an unknown issuer",
    coded("UNABLE_TO_GET_ISSUER_CERT_LOCALLY"),
    "not_configured",
    /not trusted/,
    /NODE_EXTRA_CA/,
  ],
  ["an expired certificate", coded("CERT_HAS_EXPIRED"), "not_configured", /CERT_HAS_EXPIRED/, /clock/],
  [
    "another host's",
    coded("ERR_TLS_CERT_ALTNAME_INVALID"),
    "not_configured",
    /not trusted/,
    /another host's.*R2_END/,
  ],
  [
    "an account that does not exist",
    coded(
      "EPROTO",
      "write EPROTO 1:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:x.c:1:",
    ),
    "not_configured",
    /ended the TLS handshake$/,
    /no account has the id/,
  ],
  [
    "a port without TLS",
    coded("ERR_SSL_WRONG_VERSION_NUMBER"),
    "not_configured",
    /no TLS|not speak TLS/,
    /scheme/,
  ],
  [
    "no name",
    coded("ENOTFOUND", "getaddrinfo ENOTFOUND account"),
    "unreachable",
    /no such host/,
    /R2_ENDPOINT_URL/,
  ],
  ["no route", coded("ENETUNREACH"), "unreachable", /no network/, /online/],
  [
    "no answer to connecting",
    coded("UND_ERR_CONNECT_TIMEOUT"),
    "unreachable",
    /attempt to connect/,
    /online/,
  ],
  ["anything else", coded("EWEIRD", "weird\nsecond line"), "unreachable", /: weird$/, /online/],
])("explains %s", (_, thrown, code, words, hint) => {
  for (const error of [connectionError(thrown, ASKED), bucketError(thrown, ASKED)]) {
    expect(error.code).toBe(code);
    expect(error.message).toMatch(words);
    expect(error.hint).toMatch(hint);
    expect(error.cause).toBeUndefined();
  }
});

it.each<[number, string, string, RegExp]>([
  [429, "TooManyRequests", "refused", /one write a second of a key/],
  [503, "SlowDown", "refused", /do less at a time/],
  [413, "EntityTooLarge", "refused", /5 GiB in one piece/],
  [501, "NotImplemented", "refused", /leaves out parts of S3/],
  [416, "InvalidRange", "refused", /replaced/],
  [404, "NoSuchBucket", "not_configured", /https:\/\/ACCOUNT\.eu\.r2/],
  [301, "PermanentRedirect", "not_configured", /R2_ENDPOINT_URL/],
])("explains %i %s, of the SDK and of the wire alike", (status, code, kind, hint) => {
  const sdk = Object.assign(new Error("words of the server"), {
    name: code,
    $metadata: { httpStatusCode: status },
  });
  for (const error of [bucketError(sdk, ASKED), refusalError({ status, code, headers: {} }, ASKED)]) {
    expect(error).toMatchObject({ code: kind, refusal: { status, code } });
    expect(error.message).toMatch(
      new RegExp(
        `^bucket "splats": account\\.r2\\.cloudflarestorage\\.com .* \\(${code}, HTTP ${status}\\)$`,
      ),
    );
    expect(error.message).not.toContain("words of the server");
    expect(error.hint).toMatch(hint);
  }
});

it("names the permission that a token lacks, by what was asked", () => {
  const hint = (wants?: "read" | "write" | "admin") =>
    refusalError({ status: 403, code: "AccessDenied", headers: {} }, { ...ASKED, wants }).hint;
  expect(hint("read")).toContain("“Object Read only”");
  expect(hint()).toContain("“Object Read & Write”");
  expect(hint("admin")).toContain("“Admin Read & Write”");
});

it("knows that a jurisdiction's host has its own buckets only", () => {
  const host = "account.eu.r2.cloudflarestorage.com";
  const { hint } = refusalError({ status: 404, code: "NoSuchBucket", headers: {} }, { bucket: "x", host });
  expect(hint).toContain('knows buckets of the jurisdiction "eu" only');
});

it.each([
  [-25, "25 min behind"],
  [61, "61 min ahead"],
  [-60 * 24 * 3, "72 h behind"],
])("says how wrong the clock is: %i min", (minutes, words) => {
  const headers = { date: new Date(Date.now() - minutes * 60_000).toUTCString() };
  const error = refusalError({ status: 403, code: "RequestTimeTooSkewed", headers }, ASKED);
  expect(error.message).toContain(`clock is wrong, ${words} (`);
  const untold = refusalError({ status: 403, code: "RequestTimeTooSkewed", headers: { date: "?" } }, ASKED);
  expect(untold.message).toContain("clock is wrong (");
});

it("marks what the bucket did not say itself", () => {
  const sdk = (name: string) =>
    bucketError(Object.assign(new Error("x"), { name, $metadata: { httpStatusCode: 403 } }), ASKED);
  expect(sdk("AccessDenied").refusal).not.toHaveProperty("isForeign");
  for (const name of ["Unknown", "UnknownError", "SyntaxError", "S3ServiceException"]) {
    expect(sdk(name)).toMatchObject({ refusal: { code: "unknown", isForeign: true } });
  }
});

it.each([
  ['<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>', "NoSuchKey"],
  ["<Error><Message>a</Message><Code> AccessDenied </Code></Error>", "AccessDenied"],
  ['\uFEFF<Error xmlns="x"><Code>A</Code></Error>', "A"],
  ["<html><Code>NoSuchKey</Code></html>", null],
  ["<Error><Code><script></Code></Error>", null],
  ["<Error><Code>" + "A".repeat(100) + "</Code></Error>", null],
  ["", null],
])("reads the code of %j", (body, code) => {
  expect(codeOf(body)).toBe(code);
});

it("reads Retry-After", () => {
  expect(retryAfterS("120")).toBe(120);
  expect(retryAfterS(new Date(Date.now() + 60_000).toUTCString())).toBeGreaterThan(50);
  expect(retryAfterS(new Date(0).toUTCString())).toBe(0);
  expect([retryAfterS(undefined), retryAfterS("soon")]).toEqual([undefined, undefined]);
});

it("repeats no code that is none of S3's", () => {
  const name = "Odd\u001b[31m";
  const sdk = Object.assign(new Error("x"), { name, $metadata: { httpStatusCode: 400 } });
  expect(bucketError(sdk, ASKED)).toMatchObject({
    message: expect.not.stringContaining("Odd") as string,
    refusal: { code: "unknown", isForeign: true },
  });
  expect(codeOf(`<Error><Code>${name}</Code></Error>`)).toBeNull();
});

it.each(["InvalidArgument", "InvalidToken"])("lays %s to the session token where there is one", (code) => {
  const answer = { status: 400, code, headers: {} };
  const error = refusalError(answer, { ...ASKED, hasSessionToken: true });
  expect(error).toMatchObject({ code: "not_configured", hint: expect.stringMatching(/AWS_SESSION_TOKEN/) });
  const other = refusalError({ ...answer, status: 403 }, { ...ASKED, hasSessionToken: true });
  expect(other.message).not.toBe(error.message);
  expect(refusalError(answer, ASKED).message).not.toBe(error.message);
});

it("names the session token to whoever lists with a wrong one", async () => {
  const s3 = await startScriptedS3();
  onTestFinished(() => s3.close());
  s3.instead = () => ({ status: 400, code: "InvalidArgument" });
  const reader = openSignedReader({ ...s3.settings(), sessionToken: "short" });
  onTestFinished(() => reader.close());
  const pages = reader.list("", {}, new AbortController().signal);
  await expect(pages[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: "not_configured",
    hint: expect.stringMatching(/AWS_SESSION_TOKEN/) as string,
  });
});
