/** Real shells, with the Tab key, in a terminal. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, type TestContext } from "vitest";
import { runSplatctl } from "../helpers/run-splatctl.ts";
import { openTerminal, whyNoTerminal, type Terminal } from "../helpers/pseudo-terminal.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const BASH_COMPLETION = "/usr/share/bash-completion/bash_completion";

let home = "";

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "splatctl-shells-"));
  await mkdir(join(home, "bin"));
  await chmod(BIN, 0o755);
  await symlink(BIN, join(home, "bin/splatctl"));
  await mkdir(join(home, "dataset"));
  for (const name of ["scene.ply", "scene.txt", "my scene.spz"]) await writeFile(join(home, name), "");
  await mkdir(join(home, "run"));
  await writeFile(
    join(home, "run/table.json"),
    JSON.stringify({ name: "table", what: "relay", scene: "kitchen" }),
  );
});

afterAll(() => rm(home, { recursive: true, force: true }));

interface Shell {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Typed before anything else; the prompt is `> ` then. */
  readonly begin: readonly string[];
  /** Of a shell that is tried whole: only what its way of beginning may change. */
  readonly isVariant?: true;
  /** Without it, the shell has to be left out. */
  readonly needs?: string;
}

const SHELLS: readonly Shell[] = [
  {
    name: "bash",
    program: "bash",
    args: ["--norc", "--noprofile", "-i"],
    begin: [
      "bind 'set show-all-if-ambiguous on'; bind 'set bell-style none'",
      'eval "$(splatctl completion bash)"',
    ],
  },
  {
    name: "bash with bash-completion",
    program: "bash",
    args: ["--norc", "--noprofile", "-i"],
    begin: [
      `. ${BASH_COMPLETION}`,
      "bind 'set show-all-if-ambiguous on'; bind 'set bell-style none'",
      'eval "$(splatctl completion bash)"',
    ],
    isVariant: true,
    needs: BASH_COMPLETION,
  },
  {
    name: "zsh",
    program: "zsh",
    args: ["-f", "-i"],
    begin: ["autoload -Uz compinit && compinit -D -u", "source <(splatctl completion zsh)"],
  },
  {
    name: "zsh with the script in its fpath",
    isVariant: true,
    program: "zsh",
    args: ["-f", "-i"],
    begin: [
      "mkdir -p zfunc && splatctl completion zsh > zfunc/_splatctl",
      "fpath=($PWD/zfunc $fpath); autoload -Uz compinit && compinit -D -u",
    ],
  },
  {
    name: "fish",
    program: "fish",
    args: ["--no-config", "-i"],
    begin: ["function fish_prompt; echo '> '; end", "splatctl completion fish | source"],
  },
];

/** What is typed before Tab, and what the screen shows then. */
const TYPED: readonly (readonly [line: string, shows: RegExp])[] = [
  ["splatctl chun", /> splatctl chunks $/m],
  ["splatctl chunks ve", /> splatctl chunks verify $/m],
  ["splatctl queue ", /retry/],
  ["splatctl pull --form", /> splatctl pull --format $/m],
  ["splatctl pull --format=spl", /> splatctl pull --format=splat $/m],
  ["splatctl up --relay le", /> splatctl up --relay lerobot $/m],
  ["splatctl convert sc", /> splatctl convert scene\.ply $/m],
  ["splatctl convert my", /> splatctl convert my\\ scene\.spz $/m],
  ["splatctl pull --output=sc", /> splatctl pull --output=scene\.ply $/m],
  ["splatctl train da", /> splatctl train dataset\/ ?$/m],
  ["splatctl logs ta", /> splatctl logs table $/m],
  ["splatctl status --scene kit", /> splatctl status --scene kitchen $/m],
  [
    "splatctl status --url http://127.0.0.1:7860 --js",
    /> splatctl status --url http:\/\/127\.0\.0\.1:7860 --json $/m,
  ],
];

describe.each(SHELLS)("$name", (shell) => {
  test("Tab completes what there is to type", { timeout: 60_000 }, async (context) => {
    const terminal = await openShell(shell, context);
    for (const [line, shows] of shell.isVariant === true
      ? TYPED.filter(([typed]) => typed.includes("="))
      : TYPED) {
      terminal.press(`\u0015\u000c${line}`);
      await terminal.until((screen) => screen.trimEnd().endsWith(`> ${line.trimEnd()}`));
      terminal.press("\t");
      // The cursor's blank after a whole word is seen with what is typed behind it.
      await terminal.until((screen) => shows.test(withCursor(terminal, screen)));
    }
    terminal.press("\u0015exit\r");
    await terminal.ended;
  });
});

/** Rows end where the cursor is, not where blanks begin. */
function withCursor({ emulator }: Terminal, screen: string): string {
  const { cursorX, cursorY } = emulator.buffer.active;
  return screen
    .split("\n")
    .map((row, y) => (y === cursorY ? row.trimEnd().padEnd(cursorX) : row.trimEnd()))
    .join("\n");
}

async function openShell({ program, args, begin, needs }: Shell, context: TestContext): Promise<Terminal> {
  const reason = await whyNoTerminal();
  if (reason !== null) return context.skip(reason);
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
  } catch {
    return context.skip(`no ${program} on this machine`);
  }
  if (needs !== undefined && !existsSync(needs)) return context.skip(`no ${needs} on this machine`);
  const env = {
    HOME: home,
    PATH: [join(home, "bin"), process.env["PATH"]].join(delimiter),
    SPLAT_RUN_DIR: join(home, "run"),
    SPLAT_CONFIG_DIR: join(home, "config"),
    PS1: "> ",
    ZDOTDIR: home,
  };
  const terminal = openTerminal([program, ...args], { cwd: home, env, columns: 100, rows: 30 });
  context.onTestFinished(() => terminal.close());
  for (const [index, line] of ["PS1='> '; PROMPT_EOL_MARK=", ...begin].entries()) {
    if (index === 0 && program === "fish") continue;
    terminal.press(`${line}\r`);
  }
  terminal.press("echo it is rea''dy\r");
  await terminal.until(/^it is ready/m);
  return terminal;
}

test.each(["bash", "zsh", "fish"])("the script for %s is one that it can read", async (shell) => {
  const { code, stdout, stderr } = await runSplatctl(["completion", shell]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  try {
    execFileSync(shell, ["--version"], { stdio: "ignore" });
  } catch {
    return;
  }
  const path = join(home, `script.${shell}`);
  await writeFile(path, stdout);
  execFileSync(shell, ["-n", path]);
});

test("the shell is that of the login where none is named", async () => {
  const named = await runSplatctl(["completion", "zsh"]);
  const found = await runSplatctl(["completion"], { env: { SHELL: "/usr/bin/zsh" } });
  expect(found).toEqual(named);
  const unknown = await runSplatctl(["completion"], { env: { SHELL: "/bin/tcsh" } });
  expect(unknown).toMatchObject({ code: 2, stdout: "" });
  expect(unknown.stderr).toContain("there is no completion for tcsh");
  expect(unknown.stderr).toContain("splatctl completion bash");
});

test("what cannot be completed is told by nothing at all", async () => {
  const { code, stdout, stderr } = await runSplatctl(["__complete", "--", "nonsense", "--more", ""], {
    env: { SPLAT_CONFIG_DIR: "/dev/null/none", SPLAT_RUN_DIR: "/dev/null" },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^:none\n/);
});
