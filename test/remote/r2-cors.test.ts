import { expect, it, onTestFinished } from "vitest";
import { openAdmin, type BucketAdmin } from "../../src/remote/r2-admin.ts";
import {
  dashboardRules,
  describeRules,
  exampleOrigin,
  parseOrigin,
  withOurs,
  withoutOurs,
} from "../../src/remote/r2-cors.ts";
import { rulesOf, startScriptedS3, type ScriptedS3 } from "../helpers/scripted-s3.ts";

const never = new AbortController().signal;
const THEIRS = {
  ID: "somebody's",
  AllowedOrigins: ["https://*.example.com"],
  AllowedMethods: ["PUT"],
  AllowedHeaders: ["*"],
};

async function opened(): Promise<{ s3: ScriptedS3; admin: BucketAdmin }> {
  const s3 = await startScriptedS3();
  onTestFinished(() => s3.close());
  const admin = await openAdmin(s3.settings());
  onTestFinished(() => admin.close());
  return { s3, admin };
}

it.each([
  ["https://viewer.example", "https://viewer.example"],
  ["http://localhost:5173", "http://localhost:5173"],
  ["HTTPS://Viewer.Example:443", "https://viewer.example"],
  ["http://[::1]:8080", "http://[::1]:8080"],
  ["*", "*"],
])("takes %s as an origin, written as a browser does", (text, origin) => {
  expect(parseOrigin(text)).toBe(origin);
});

it.each([
  "viewer.example",
  "https://viewer.example/",
  "https://viewer.example/page",
  "https://viewer.example?a",
  "https://viewer.example#a",
  "https://*.example",
  "https://",
  "https:viewer.example",
  "ftp://viewer.example",
  "null",
  "",
  "https://a b",
  "https://a\\b",
  "https://a,https://b",
])("refuses %j as an origin", (text) => {
  expect(() => parseOrigin(text)).toThrow(/is no origin of a web page/);
});

it("repeats no password of what is no origin", () => {
  expect(() => parseOrigin("https://me:hunter2@viewer.example")).toThrow(/"https:\/\/…@viewer\.example"/);
});

it("keeps what others have set, in its order, and has one rule of its own", () => {
  const once = withOurs([THEIRS], ["https://a.example", "https://a.example"]);
  expect(once).toHaveLength(2);
  expect(once[0]).toBe(THEIRS);
  expect(once[1]).toMatchObject({ ID: "splatctl", AllowedOrigins: ["https://a.example"] });
  const again = withOurs(once, ["https://b.example"]);
  expect(again.map(({ AllowedOrigins }) => AllowedOrigins)).toEqual([
    ["https://*.example.com"],
    ["https://b.example"],
  ]);
  expect(withoutOurs(again)).toEqual([THEIRS]);
  // A server may have forgotten the names of rules.
  const nameless = again.map(({ ID: _id, ...rule }) => rule);
  expect(withoutOurs(nameless)).toEqual([nameless[0]]);
});

it("has the form that Cloudflare's dashboard takes", () => {
  expect(dashboardRules(withOurs([], ["https://viewer.example"]))).toEqual([
    {
      AllowedOrigins: ["https://viewer.example"],
      AllowedMethods: ["GET", "HEAD"],
      AllowedHeaders: ["range", "if-match", "if-none-match", "if-range"],
      ExposeHeaders: ["ETag", "Content-Length", "Content-Range"],
      MaxAgeSeconds: 3600,
    },
  ]);
});

it("says rules in words, without what would move a terminal's cursor", () => {
  expect(describeRules([])).toMatch(/no rules/);
  const text = describeRules([...withOurs([THEIRS], ["*"]), { ...THEIRS, ID: "\u001b[2J" }]);
  expect(text).toContain("somebody's: pages of https://*.example.com may PUT\n  may send *");
  expect(text).toContain("splatctl: every page may GET, HEAD");
  expect(text).not.toContain("\u001b");
});

it("names a page that may read, where one is named", () => {
  expect(exampleOrigin([THEIRS])).toBeUndefined();
  expect(exampleOrigin(withOurs([THEIRS], ["*", "https://a.example"]))).toBe("https://a.example");
});

it("writes rules with the checksum that R2 takes, and reads them back as they were", async () => {
  const { s3, admin } = await opened();
  expect(await admin.readCors(never)).toEqual([]);
  const rules = withOurs([THEIRS], ["https://a.example"]);
  await admin.writeCors(rules, never);
  const [request] = s3.requests.slice(-1);
  expect(request).toMatchObject({ method: "PUT", target: "/splats/?cors=" });
  expect(request.headers["content-md5"]).toMatch(/^[\w+/]{22}==$/);
  expect(Object.keys(request.headers).filter((name) => name.includes("checksum"))).toEqual([]);
  expect(request.headers.authorization).toMatch(/SignedHeaders=[^,]*content-md5/);
  expect(rulesOf(request.body)[1]).toMatchObject({
    ID: "splatctl",
    AllowedOrigin: ["https://a.example"],
    AllowedMethod: ["GET", "HEAD"],
    ExposeHeader: ["ETag", "Content-Length", "Content-Range"],
    MaxAgeSeconds: 3600,
  });
  expect(await admin.readCors(never)).toEqual(rules);
  await admin.writeCors([], never);
  expect(s3.requests.at(-1)).toMatchObject({ method: "DELETE", target: "/splats/?cors=" });
  expect(await admin.readCors(never)).toEqual([]);
});

it("makes a bucket with the one place that R2 has, and takes one that is there already", async () => {
  const { s3 } = await opened();
  const admin = await openAdmin(s3.settings("new-one"));
  onTestFinished(() => admin.close());
  expect(await admin.create(never)).toBe("created");
  expect(s3.requests.at(-1)).toMatchObject({
    method: "PUT",
    target: expect.stringMatching(/^\/new-one\/?$/) as string,
  });
  expect(await admin.create(never)).toBe("exists");
  s3.instead = () => ({ status: 409, code: "BucketAlreadyExists" });
  await expect(admin.create(never)).rejects.toMatchObject({ code: "refused" });
});
