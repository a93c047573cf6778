/** `splatctl config path`: where everything lies. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { PROJECT_FILE, resolvePlaces, resolveSettings } from "../config.ts";
import { withExamples } from "./examples.ts";
import { logFor, type BackendFlags } from "./flags.ts";
import { alignTable } from "./table.ts";
import { printResult } from "./terminal.ts";

/** Add the command. */
export function registerConfigPath(config: Command): void {
  const command = config
    .command("path")
    .description("print every file and folder that splatctl uses, and whether it is there")
    .option("--json", "print one JSON object")
    .action(async (_options, called: Command) => printPlaces(called.optsWithGlobals<BackendFlags>()));
  withExamples(command, [
    ["splatctl config path", "where settings, secrets, frames and logs lie"],
    ["splatctl config path --json", "the same for scripts"],
  ]);
}

async function printPlaces(flags: BackendFlags): Promise<void> {
  const { mendSecrets } = await import("./open-bucket.ts");
  const own = resolvePlaces();
  const wasOpen = await mendSecrets(own.secretsFile, logFor(flags));
  // A file that cannot be read is one that is looked for.
  const settings = await resolveSettings({}).catch(() => []);
  const folder = (key: string): string[] => {
    const found = settings.find(({ rule }) => rule.key === key)?.found;
    return found === undefined ? [] : [String(found.value)];
  };
  const places = [
    ["project_file", "project file", PROJECT_FILE],
    ["user_settings", "your settings", own.userFile],
    ["secrets", "secrets", own.secretsFile],
    ...folder("spool").map((at) => ["spool", "frames not yet safe", at]),
    ...folder("run_dir").map((at) => ["run", "running daemons", at]),
    ...folder("log_dir").map((at) => ["log", "their logs", at]),
    ...folder("data").map((at) => ["data", "a backend here", at]),
    ["cache", "what can be made again", own.cacheDir],
  ];
  const found = await Promise.all(
    places.map(async ([name, what, at]) => ({ name, what, path: resolve(at), exists: await isThere(at) })),
  );
  const rows = found.map(({ what, path: at, exists }) => [what, exists ? "there" : "not there", at]);
  const titles = ["WHAT", "IS", "PATH"].map((title) => ({ title }));
  const json = found.map(({ name, path: at, exists }) => ({ name, path: at, exists }));
  printResult(
    flags,
    { success: true, places: json, closed_secrets: wasOpen },
    alignTable(titles, rows).join("\n"),
  );
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
