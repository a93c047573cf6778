/** `splatctl config`: see and change settings. Each verb is a file of its own. */
import type { Command } from "commander";
import { registerConfigGet } from "./config-get.ts";
import { registerConfigList } from "./config-list.ts";
import { registerConfigPath } from "./config-path.ts";
import { registerConfigSet } from "./config-set.ts";
import { registerConfigUnset } from "./config-unset.ts";
import { withExamples } from "./examples.ts";

/** Add the command and its verbs, in the order help shows them. */
export function registerConfig(program: Command): void {
  const config = program.command("config").description("see and change settings");
  withExamples(config, [
    ["splatctl config list", "every setting, its value, and who says so"],
    ["splatctl config set scene kitchen", "change one; comments in splatctl.json stay"],
  ]);
  registerConfigList(config);
  registerConfigGet(config);
  registerConfigSet(config);
  registerConfigUnset(config);
  registerConfigPath(config);
}
