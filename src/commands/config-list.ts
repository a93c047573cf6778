/** `splatctl config list`: every setting, what it is, and who says so. */
import type { Command } from "commander";
import { resolvePlaces, resolveSettings } from "../config.ts";
import { withExamples } from "./examples.ts";
import { logFor, withBackend, withSpool, type BackendFlags } from "./flags.ts";
import { printResult } from "./terminal.ts";

/** Add the command. */
export function registerConfigList(config: Command): void {
  const command = withSpool(withBackend(config.command("list")))
    .description("print every setting, its value, where that comes from, and where it can be set")
    .option("--json", "print one JSON object")
    .action(async (_options, called: Command) => list(called.optsWithGlobals<BackendFlags>()));
  withExamples(command, [
    ["splatctl config list", "what a command called here would use, and why"],
    ["splatctl config list --json", "the same for scripts, with what each is for"],
  ]);
}

async function list(flags: BackendFlags): Promise<void> {
  const settings = await resolveSettings(flags);
  const { describeSettings, settingJson, warningsOf } = await import("./describe-settings.ts");
  const { mendSecrets } = await import("./open-bucket.ts");
  const log = logFor(flags);
  await mendSecrets(resolvePlaces().secretsFile, log);
  const warnings = warningsOf(settings);
  for (const warning of warnings) log.warn(warning);
  const columns = process.stdout.isTTY ? process.stdout.columns || 80 : Infinity;
  printResult(
    flags,
    { success: true, settings: settings.map(settingJson), warnings },
    describeSettings(settings, columns),
  );
}
