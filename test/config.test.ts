import { expect, it } from "vitest";
import { resolveBucket } from "../src/config.ts";

const FULL = {
  R2_ENDPOINT_URL: " https://account.r2.cloudflarestorage.com ",
  R2_BUCKET_NAME: "splats",
  AWS_ACCESS_KEY_ID: "key",
  AWS_SECRET_ACCESS_KEY: "secret",
  R2_PUBLIC_URL: "https://pub-1.r2.dev",
};

it("reads the five settings of a bucket, the public address being optional", () => {
  expect(resolveBucket(FULL)).toEqual({
    endpoint: "https://account.r2.cloudflarestorage.com",
    bucket: "splats",
    accessKeyId: "key",
    secretAccessKey: "secret",
    publicUrl: "https://pub-1.r2.dev",
  });
  expect(resolveBucket({ ...FULL, R2_PUBLIC_URL: "" })?.publicUrl).toBeNull();
});

it("asks for no bucket when none is named, also where keys for other purposes are set", () => {
  expect(resolveBucket({})).toBeUndefined();
  expect(resolveBucket({ AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" })).toBeUndefined();
});

it.each([
  [["R2_ENDPOINT_URL"]],
  [["R2_BUCKET_NAME"]],
  [["AWS_ACCESS_KEY_ID"]],
  [["AWS_SECRET_ACCESS_KEY", "R2_ENDPOINT_URL"]],
  [["R2_ENDPOINT_URL", "R2_BUCKET_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]],
])("names what is missing of an incomplete set: %s", (missing) => {
  const env = Object.fromEntries(Object.entries(FULL).filter(([name]) => !missing.includes(name)));
  let said = "";
  try {
    resolveBucket(env);
  } catch (error) {
    expect(error).toMatchObject({ code: "not_configured" });
    said = String(error);
  }
  for (const name of Object.keys(FULL)) expect(said.includes(name)).toBe(missing.includes(name));
  expect(said).not.toMatch(/\bkey\b|secret/);
});
