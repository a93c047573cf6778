/** Workers run from dist/: make sure it is no older than src/ before any test starts. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export default function buildFirst(): void {
  execFileSync(process.execPath, [fileURLToPath(new URL("../../.ci/ready.mjs", import.meta.url))], {
    stdio: "inherit",
  });
}
