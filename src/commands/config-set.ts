/** `splatctl config set`: change one setting where it is kept. */
import { Option, type Command } from "commander";
import { withExamples } from "./examples.ts";
import type { BackendFlags } from "./flags.ts";

/** Flags of the verbs that change a setting. */
export interface ChangeFlags extends BackendFlags {
  readonly project?: boolean;
  readonly user?: boolean;
}

/** Add the command. */
export function registerConfigSet(config: Command): void {
  const command = withPlace(config.command("set"))
    .description("set a setting; a secret is asked for, or read from stdin, never typed on the line")
    .argument("<key>", "such as scene or capture.folder; splatctl config list has them all")
    .argument("[value]", "its value; lists with commas")
    .action(async (key: string, value: string | undefined, _options, called: Command) => {
      const { setSetting } = await import("./change-setting.ts");
      await setSetting(key, value, called.optsWithGlobals<ChangeFlags>());
    });
  withExamples(command, [
    ["splatctl config set scene kitchen", "in splatctl.json, else in your own settings"],
    ["splatctl config set capture.include '*.jpg,*.png'", "comments in splatctl.json stay"],
    ["splatctl config set token", "asked for, unseen; kept for the backend in use"],
  ]);
}

/** Add `--project`, `--user`, `--url` and `--json`. */
export function withPlace(command: Command): Command {
  return command
    .addOption(new Option("--project", "in splatctl.json of this folder").conflicts("user"))
    .option("--user", "in your own settings, for every folder")
    .option("--url <url>", "the backend that a secret is for (default: the one in use)")
    .option("--json", "print one JSON object");
}
