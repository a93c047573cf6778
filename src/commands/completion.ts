/** `splatctl completion`: the script that lets a shell complete commands; and `__complete`, which the script asks. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { Argument, type Command } from "commander";
import { resolveTerminal } from "../config.ts";
import { SplatError } from "../errors.ts";
import { withExamples } from "./examples.ts";
import { logFor, type BackendFlags } from "./flags.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** They lie beside dist/, as files that their shells can check. */
const SCRIPTS = new URL("../../templates/completion/", import.meta.url);
const FILES: Readonly<Record<Shell, string>> = {
  bash: "splatctl.bash",
  zsh: "_splatctl",
  fish: "splatctl.fish",
};

/** How a script is kept, where every new shell reads it. */
const INSTALL: Readonly<Record<Shell, string>> = {
  bash: `echo 'eval "$(splatctl completion bash)"' >> ~/.bashrc`,
  zsh: "mkdir -p ~/.zfunc && splatctl completion zsh > ~/.zfunc/_splatctl, and in ~/.zshrc before compinit: fpath=(~/.zfunc $fpath)",
  fish: "splatctl completion fish > ~/.config/fish/completions/splatctl.fish",
};

/** Add both commands. */
export function registerCompletion(program: Command): void {
  withExamples(program.command("completion"), [
    ["splatctl completion bash > ~/.local/share/bash-completion/completions/splatctl", "have it in bash"],
    ["splatctl completion zsh > ~/.zfunc/_splatctl", "have it in zsh, with ~/.zfunc in your fpath"],
    ["splatctl completion fish > ~/.config/fish/completions/splatctl.fish", "have it in fish"],
  ])
    .description("print the script that lets your shell complete commands with the Tab key")
    .addArgument(new Argument("[shell]", "which one (default: that of $SHELL)").choices(SHELLS))
    .action((shell: Shell | undefined, _options, command: Command) => {
      const chosen = shell ?? shellOf(resolveTerminal().shell);
      process.stdout.write(readFileSync(new URL(FILES[chosen], SCRIPTS), "utf8"));
      // Whoever sees the script wanted to know what to do with it.
      if (process.stdout.isTTY) {
        logFor(command.optsWithGlobals<BackendFlags>()).info(
          `\nTo have it in every ${chosen}: ${INSTALL[chosen]}`,
        );
      }
    });
  program
    .command("__complete", { hidden: true })
    .description("what may go on a line, for the scripts of splatctl completion")
    .argument("[words...]", "behind --: the words so far, the last being typed")
    .action(async (words: readonly string[]) => {
      const { printOffers } = await import("./complete.ts");
      await printOffers(program, words);
    });
}

function shellOf(path: string | undefined): Shell {
  const name = basename(path ?? "");
  const known = SHELLS.find((shell) => shell === name);
  if (known !== undefined) return known;
  throw new SplatError(
    "usage",
    name === "" ? "SHELL does not say which shell you use" : `there is no completion for ${name}`,
    {
      hint: `Name one: ${SHELLS.map((shell) => `splatctl completion ${shell}`).join(", ")}.`,
    },
  );
}
