/**
 * Workers run from dist/: make sure it is no older than src/ before any test starts. And programs keep their state and
 * look for the user's settings in a folder of the tests' own.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export default function buildFirst(): () => void {
  execFileSync(process.execPath, [fileURLToPath(new URL("../../.ci/ready.mjs", import.meta.url))], {
    stdio: "inherit",
  });
  const stateDir = mkdtempSync(join(tmpdir(), "splatctl-state-"));
  process.env["XDG_STATE_HOME"] = stateDir;
  process.env["XDG_CONFIG_HOME"] = join(stateDir, "config");
  return () => rmSync(stateDir, { recursive: true, force: true });
}
