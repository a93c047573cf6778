/** `splatctl config get`: one value, for scripts. */
import type { Command } from "commander";
import { resolveSettings } from "../config.ts";
import { SplatError } from "../errors.ts";
import { withExamples } from "./examples.ts";
import { withBackend, withSpool, type BackendFlags } from "./flags.ts";
import { printResult } from "./terminal.ts";

/** Add the command. */
export function registerConfigGet(config: Command): void {
  const command = withSpool(withBackend(config.command("get")))
    .description("print the value of a setting and nothing else; exit code 3 when it has none")
    .argument("<key>", "such as url or capture.folder; splatctl config list has them all")
    .option("--json", "print one JSON object")
    .action(async (key: string, _options, called: Command) =>
      get(key, called.optsWithGlobals<BackendFlags>()),
    );
  withExamples(command, [
    ["splatctl config get url", "the backend that commands called here talk to"],
    ["splatctl config get capture.folder", "ends with 3 where none is set"],
  ]);
}

async function get(key: string, flags: BackendFlags): Promise<void> {
  const { ruleNamed } = await import("./setting-named.ts");
  const rule = ruleNamed(key);
  const setting = (await resolveSettings(flags)).find((each) => each.rule === rule);
  if (setting?.found === undefined) {
    throw new SplatError("not_configured", `${rule.key} is not set`, {
      hint: "splatctl config list tells where it can be.",
    });
  }
  const { settingJson } = await import("./describe-settings.ts");
  const value = settingJson(setting);
  if (rule.isSecret === true && flags.json !== true) {
    throw new SplatError("usage", `${rule.key} is set, and secrets are not printed`, {
      hint: "--json tells whether it is set, and where.",
    });
  }
  const { value: found } = value;
  printResult(flags, { success: true, ...value }, Array.isArray(found) ? found.join("\n") : String(found));
}
