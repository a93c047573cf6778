import { Hono } from "hono";
import { expect, it } from "vitest";
import { addRefusals, errorResponse } from "../../src/http/answers.ts";
import { guardOrigin, isLoopbackHost } from "../../src/http/guard.ts";
import { silentLog } from "../../src/log.ts";
import { refusalOf } from "../helpers/backend-fixture.ts";

const WORDS = { name: "this kettle" };

function kettle(): Hono {
  const app = new Hono();
  app.onError((error, context) =>
    errorResponse(context, error, { ...WORDS, log: silentLog, identity: { session_id: "s" } }),
  );
  app.use(guardOrigin({ corsOrigins: [], isLoopback: true }, WORDS));
  app.get("/tea", (context) => context.json({ success: true }));
  app.get("/bug", () => {
    throw new Error("secret detail");
  });
  addRefusals(app);
  return app;
}

it("turns foreign hosts and origins away in the server's own name", async () => {
  const app = kettle();
  const ask = async (headers: Record<string, string>): Promise<Response> =>
    await app.request("/tea", { headers });
  expect((await ask({ host: "localhost:1" })).status).toBe(200);
  for (const headers of [{ host: "evil.example" }, { host: "localhost:1", origin: "https://evil.example" }]) {
    const refusal = await refusalOf(await ask(headers));
    expect(refusal).toMatchObject({ status: 403, code: "forbidden_origin" });
    expect(refusal.message).toContain("this kettle");
  }
});

it("answers in the contract's form what no route takes, and what it did not foresee", async () => {
  const app = kettle();
  const wrong = await app.request("/tea", { method: "POST" });
  expect(wrong.headers.get("allow")).toBe("GET");
  expect(await refusalOf(wrong)).toMatchObject({ status: 405, code: "method_not_allowed" });
  expect(await refusalOf(await app.request("/coffee"))).toMatchObject({ status: 404, code: "not_found" });
  const bug = await app.request("/bug");
  expect(await bug.json()).toEqual({
    success: false,
    error: { code: "internal", message: "this kettle met a bug; its log says more" },
    session_id: "s",
  });
});

it.each([
  ["127.0.0.1:7860", true],
  ["localhost", true],
  ["[::1]:80", true],
  ["127.1.2.3", true],
  ["127.0.0.1.evil.example", false],
  ["localhost.evil.example", false],
  ["10.0.0.1:7860", false],
])("a host %s means this machine: %s", (host, expected) => {
  expect(isLoopbackHost(host)).toBe(expected);
});
