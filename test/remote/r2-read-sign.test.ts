import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { presign } from "../../src/remote/r2-sign.ts";
import { startR2, type LocalR2 } from "../helpers/r2.ts";

let r2: LocalR2;

beforeAll(async () => {
  r2 = await startR2();
});

afterAll(() => r2.close());

it.each(["a.ply", "scenes/a b+ü&'%(1).ply", "x=1?y#z"])(
  "makes an address that opens %j for anybody",
  async (key) => {
    await r2.put(key, Buffer.from(`of ${key}`));
    const url = presign(r2.settings(), key, 3600);
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, `of ${key}`]);
    expect(url).not.toContain("test-secret");
    expect(new URL(url).searchParams.get("X-Amz-Expires")).toBe("3600");

    for (const [what, by] of [
      ["X-Amz-Expires=3600", "X-Amz-Expires=604800"],
      [/X-Amz-Signature=./, "X-Amz-Signature=g"],
      ["/splats/", "/splats/b"],
    ] as const) {
      expect((await fetch(url.replace(what, by))).status).toBe(403);
    }
  },
);

it("makes none that outlives its time", async () => {
  const url = presign(r2.settings(), "a.ply", 1);
  await vi.waitFor(async () => expect((await fetch(url)).status).toBe(403), {
    timeout: 20_000,
    interval: 200,
  });
});

it.each([0, -1, 1.5, 604_801, Number.NaN, Infinity])("makes none for %d s", (expiresS) => {
  expect(() => presign(r2.settings(), "a.ply", expiresS)).toThrow(
    expect.objectContaining({ code: "usage", hint: expect.stringContaining("7 days") as string }),
  );
});

it("makes them for up to a week, with temporary keys, for R2 with the bucket in the path", () => {
  const settings = {
    ...r2.settings(),
    endpoint: "https://account.r2.cloudflarestorage.com",
    sessionToken: "a+b/c=",
  };
  const url = new URL(presign(settings, "scenes/a.ply", 604_800));
  expect(url.origin + url.pathname).toBe("https://account.r2.cloudflarestorage.com/splats/scenes/a.ply");
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": expect.stringMatching(/^test-key\/\d{8}\/auto\/s3\/aws4_request$/) as string,
    "X-Amz-Expires": "604800",
    "X-Amz-Security-Token": "a+b/c=",
    "X-Amz-SignedHeaders": "host",
  });
  expect(() => presign(settings, "a/../b", 60)).toThrow(/cannot be asked/);
});
