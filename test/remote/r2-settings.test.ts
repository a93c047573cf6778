import { describe, expect, it } from "vitest";
import { parseBucketAddress } from "../../src/remote/r2-settings.ts";

const GIVEN = {
  endpoint: "https://account.r2.cloudflarestorage.com",
  bucket: "splats",
  accessKeyId: "key",
  secretAccessKey: "secret",
  publicUrl: null,
};

it.each([
  ["https://account.r2.cloudflarestorage.com/", "https://account.r2.cloudflarestorage.com", false],
  ["https://account.eu.r2.cloudflarestorage.com", "https://account.eu.r2.cloudflarestorage.com", false],
  ["https://s3.example.org", "https://s3.example.org", false],
  ["http://127.0.0.1:9000/cdn-cgi/s3/", "http://127.0.0.1:9000/cdn-cgi/s3", true],
  ["http://localhost:9000", "http://localhost:9000", true],
  ["http://[::1]:9000", "http://[::1]:9000", true],
])("takes %s", (endpoint, parsed, pathStyle) => {
  expect(parseBucketAddress({ ...GIVEN, endpoint })).toMatchObject({ endpoint: parsed, pathStyle });
});

it("takes a public address, with a path or without, and none", () => {
  const publicUrl = (text: string | null) => parseBucketAddress({ ...GIVEN, publicUrl: text }).publicUrl;
  expect(publicUrl(null)).toBeNull();
  expect(publicUrl("https://pub-1.r2.dev/")).toBe("https://pub-1.r2.dev");
  expect(publicUrl("https://files.example.org/arm/")).toBe("https://files.example.org/arm");
});

it.each([
  [
    "the bucket's own address",
    { endpoint: "https://account.r2.cloudflarestorage.com/splats" },
    /names the bucket/,
  ],
  ["a bucket's host", { endpoint: "https://splats.account.r2.cloudflarestorage.com" }, /names the bucket/],
  ["another path", { endpoint: "https://account.r2.cloudflarestorage.com/other" }, /has a path/],
  ["plain http", { endpoint: "http://account.r2.cloudflarestorage.com" }, /https only/],
  ["the public address", { endpoint: "https://pub-1.r2.dev" }, /is the public address/],
  ["an account's id alone", { endpoint: "0123456789abcdef" }, /no http or https URL/],
  [
    "a key in the address",
    { endpoint: "https://key:secret@account.r2.cloudflarestorage.com" },
    /more than an address/,
  ],
  ["a query", { endpoint: "https://account.r2.cloudflarestorage.com?x=1" }, /more than an address/],
  ["a path as the bucket", { bucket: "splats/scenes" }, /R2_BUCKET_NAME/],
  ["an address as the bucket", { bucket: "https://splats" }, /R2_BUCKET_NAME/],
  [
    "the endpoint as public",
    { publicUrl: "https://account.r2.cloudflarestorage.com/splats" },
    /R2_PUBLIC_URL.*S3/,
  ],
  ["no address as public", { publicUrl: "pub-1.r2.dev" }, /R2_PUBLIC_URL/],
])("refuses %s", (_, wrong, words) => {
  const parse = () => parseBucketAddress({ ...GIVEN, ...wrong });
  expect(parse).toThrow(words);
  expect(parse).toThrow(
    expect.objectContaining({ code: "not_configured", hint: expect.any(String) as string }),
  );
  expect(parse).not.toThrow(/0123456789abcdef|secret/);
});

describe("hints for what people paste", () => {
  const ID = "0123456789abcdef".repeat(2);

  it.each<[string, object, RegExp, RegExp]>([
    ["an account's id", { endpoint: ID }, /R2_ENDPOINT_URL.*no http/, /between https:\/\/ and \.r2\.cloudfl/],
    [
      "no scheme",
      { endpoint: `${ID}.r2.cloudflarestorage.com` },
      /R2_ENDPOINT_URL.*no http/,
      /^Put https:\/\/ in front/,
    ],
    ["no scheme, here", { endpoint: "localhost:9000" }, /no http/, /^Put http:\/\/ in front/],
    ["an example", { endpoint: "https://<ACCOUNT_ID>.r2.cloudflarestorage.com" }, /no http/, /in brackets/],
    [
      "the dashboard",
      { endpoint: `https://dash.cloudflare.com/${ID}/r2/default/buckets/splats` },
      /dash\.cloudflare\.com is Cloudflare's own/,
      /settings in the dashboard/,
    ],
    ["Cloudflare's API", { endpoint: "https://api.cloudflare.com/client/v4" }, /Cloudflare's own/, /https:/],
    [
      "a host without the account",
      { endpoint: "https://r2.cloudflarestorage.com" },
      /id is missing/,
      /ACCOUNT/,
    ],
    ["quotes", { endpoint: '"https://account.r2.cloudflarestorage.com"' }, /quotes or blanks/, /alone/],
    ["a quote at one end", { bucket: "splats'" }, /R2_BUCKET_NAME.*quotes/, /alone/],
    ["a line's end", { secretAccessKey: "secret\n" }, /AWS_SECRET_ACCESS_KEY.*quotes or blanks/, /alone/],
    ["a blank within", { accessKeyId: "k ey" }, /AWS_ACCESS_KEY_ID.*holds a blank/, /again/],
    ["a token with a line's end", { sessionToken: "a\r\nb" }, /AWS_SESSION_TOKEN.*line's end/, /again/],
    [
      "keys in each other's place",
      { accessKeyId: ID + ID, secretAccessKey: ID },
      /each other's place/,
      /32.*64/,
    ],
    ["a secret as the id", { accessKeyId: ID + ID }, /as long as a secret key/, /32.*64/],
    ["no scheme in the public address", { publicUrl: "pub-1.r2.dev" }, /R2_PUBLIC_URL/, /^Put https:/],
    ["the dashboard as public", { publicUrl: "https://dash.cloudflare.com/x" }, /R2_PUBLIC_URL/, /pub-/],
  ])("%s", (_, wrong, words, hint) => {
    const parse = () => parseBucketAddress({ ...GIVEN, ...wrong });
    expect(parse).toThrow(words);
    expect(parse).toThrow(
      expect.objectContaining({ code: "not_configured", hint: expect.stringMatching(hint) as string }),
    );
    expect(parse).not.toThrow(new RegExp(ID));
  });

  it("leaves other servers' keys alone, and takes temporary ones", () => {
    const keys = { accessKeyId: ID + ID, secretAccessKey: ID, sessionToken: "a+/=" };
    expect(parseBucketAddress({ ...GIVEN, ...keys, endpoint: "http://127.0.0.1:9000" })).toMatchObject({
      bucket: "splats",
    });
  });
});
