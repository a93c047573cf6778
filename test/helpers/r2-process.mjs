/**
 * Cloudflare's R2 simulator in a process of its own, its bucket in the folder that is named: what is measured beside it
 * must not share its thread. Prints its origin, and ends with its stdin.
 */
import { Miniflare, NoOpLog } from "miniflare";

const [folder, bucket, accessKeyId, secretAccessKey] = process.argv.slice(2);

const simulator = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  log: new NoOpLog(),
  // Without it the network is asked where this machine is.
  cf: false,
  modules: true,
  script: "export default { fetch() { return new Response(); } }",
  compatibilityDate: "2026-07-01",
  r2Buckets: { CHUNKS: { id: bucket, s3Credentials: { accessKeyId, secretAccessKey } } },
  r2Persist: folder,
});
console.log((await simulator.ready).origin);
process.stdin.resume().on("end", () => simulator.dispose());
