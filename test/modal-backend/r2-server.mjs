/**
 * Cloudflare's R2 simulator behind the fault-injecting proxy, for tests in other languages. Prints one line of JSON when
 * it is ready, and ends when its stdin does. Everything else is asked over HTTP at `faultControlUrl`:
 *
 *   POST /plan   {"kind": "none"} | {"kind": "script", "faults": [fault | null, …]} | {"kind": "always", "fault", "path"?} |
 *                {"kind": "seeded", "seed", "rate", "faults"}; a fault as in test/helpers/fault-proxy.ts
 *   POST /down, /up          take the proxy away, bring it back
 *   GET  /seen               requests that came: [{method, path, index, fault}]
 *   GET  /sums               what lies in the bucket: {key: SHA-256}, read past the proxy
 *   POST /observe {"scene"}  watch the scene's status.json as a browser would; POST /observed ends it: {broken, looks}
 */
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { compile } from "../helpers/compile.mjs";

const compiled = compile([
  "test/helpers/r2.ts",
  "test/helpers/fault-proxy.ts",
  "test/helpers/bucket-observer.ts",
]);
let modules;
try {
  modules = {
    ...(await compiled.load("test/helpers/r2.ts")),
    ...(await compiled.load("test/helpers/fault-proxy.ts")),
    ...(await compiled.load("test/helpers/bucket-observer.ts")),
  };
} finally {
  compiled.remove();
}
const { startR2, startFaultProxy, scriptedFaults, seededFaults, observeBucket } = modules;

const r2 = await startR2();
const proxy = await startFaultProxy(r2.origin);
let observer;

const PLANS = {
  none: () => () => null,
  script: ({ faults }) => scriptedFaults(...faults),
  seeded: ({ seed, rate, faults }) => seededFaults(seed, rate, faults),
  always:
    ({ fault, path = "" }) =>
    (asked) =>
      asked.path.includes(path) ? fault : null,
};

const ANSWERS = {
  "POST /plan": async (request) => {
    const plan = await json(request);
    proxy.plan = PLANS[plan.kind](plan);
  },
  "POST /down": () => proxy.down(),
  "POST /up": () => proxy.up(),
  "GET /seen": () => proxy.seen,
  "GET /sums": async () => Object.fromEntries(await r2.sums()),
  "POST /observe": async (request) => {
    const { scene } = await json(request);
    observer = observeBucket(r2, scene);
  },
  "POST /observed": async () => {
    await observer.close();
    return { broken: observer.broken, looks: observer.looks };
  },
};

const control = createServer((request, response) => {
  const answer =
    ANSWERS[`${request.method} ${request.url}`] ?? (() => Promise.reject(new Error("no such thing")));
  Promise.resolve()
    .then(() => answer(request))
    .then(
      (value) => response.end(JSON.stringify(value ?? null)),
      (error) => response.writeHead(500).end(JSON.stringify(String(error))),
    );
});
await new Promise((resolve) => control.listen(0, "127.0.0.1", resolve));

const { endpoint, publicUrl, ...keys } = r2.settings(proxy.url);
const direct = r2.settings().endpoint;
const faultControlUrl = `http://127.0.0.1:${control.address().port}`;
process.stdout.write(`${JSON.stringify({ ...keys, endpoint, direct, publicUrl, faultControlUrl })}\n`);

for await (const _ of process.stdin);
control.closeAllConnections();
control.close();
await observer?.close();
await proxy.close();
await r2.close();
