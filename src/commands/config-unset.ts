/** `splatctl config unset`: take one setting away. */
import type { Command } from "commander";
import { withPlace, type ChangeFlags } from "./config-set.ts";
import { withExamples } from "./examples.ts";

/** Add the command. */
export function registerConfigUnset(config: Command): void {
  const command = withPlace(config.command("unset"))
    .description("take a setting away from where it is kept")
    .argument("<key>", "such as scene, or relay for all that begins so")
    .action(async (key: string, _options, called: Command) => {
      const { unsetSetting } = await import("./change-setting.ts");
      await unsetSetting(key, called.optsWithGlobals<ChangeFlags>());
    });
  withExamples(command, [
    ["splatctl config unset url --user", "forget which backend is yours"],
    ["splatctl config unset relay", "all of the relay in splatctl.json"],
  ]);
}
