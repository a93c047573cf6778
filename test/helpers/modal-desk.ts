/** A user's desk with a stand-in for Modal's program on it: PATH, settings and temporary files of a test's own. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { TOKEN_INFO } from "../remote/modal-recordings.ts";
import { runCli } from "./run-cli.ts";

const FAKE = fileURLToPath(new URL("fake-modal.mjs", import.meta.url));

export interface Answer {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
  readonly untilInterrupted?: boolean;
  /** Goes on after it too, until its parent is gone. */
  readonly deaf?: boolean;
  /** Printed again and again until then. */
  readonly again?: string;
  readonly codeAfter?: number;
}

/** Answers by command, such as `app stop`; `python` is what `python -c` prints, `version` what --version does. */
export type Script = Readonly<Record<string, Answer | string | undefined>>;

/** One call of the program, or of Python. */
export interface ModalCall {
  readonly as: string;
  /** As it was called. */
  readonly argv: readonly string[];
  /** What Modal's program was asked; null where Python was asked something else. */
  readonly args: readonly string[] | null;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly file?: {
    readonly path: string;
    readonly mode: number;
    readonly folderMode: number;
    readonly values: Readonly<Record<string, string>>;
  };
  readonly files?: readonly string[];
  readonly interrupted?: boolean;
}

export interface Desk {
  /** Where splatctl is called. */
  readonly folder: string;
  readonly template: string;
  readonly configDir: string;
  readonly userFile: string;
  readonly secretsFile: string;
  readonly env: Readonly<Record<string, string>>;
  /** What the program answers from now on, besides what an account in order answers. */
  script(script: Script): Promise<void>;
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<DeskRun>;
  calls(): Promise<readonly ModalCall[]>;
  /** The call of that command; throws when there was not exactly one. */
  call(command: string): Promise<ModalCall>;
  /** What a run has left among the temporary files. */
  leftovers(): Promise<readonly string[]>;
  json(path: string): Promise<unknown>;
  modeOf(path: string): Promise<number>;
}

export interface DeskRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How Modal's program is installed. `modal` as pip and uv do it, with the Python it runs in named in the script. */
export type Installed =
  | "modal"
  | "modal, not saying its Python"
  | "python3 -m modal"
  | "uvx modal"
  | "nothing";

export async function modalDesk(installed: Installed = "modal"): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-modal-desk-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const inside = (name: string): string => join(folder, name);
  for (const name of ["bin", "tmp", "config", "template/live_splat/__pycache__", "template/tests"]) {
    await mkdir(inside(name), { recursive: true });
  }
  await writeFile(inside("template/modal_app.py"), "# a backend\n");
  await writeFile(inside("template/live_splat/api.py"), "# its API\n");
  await writeFile(inside("template/live_splat/__pycache__/api.pyc"), "");
  await writeFile(inside("template/tests/test_api.py"), "");
  await install(inside("bin"), installed);
  const scriptFile = inside("script.json");
  const logFile = inside("calls.log");
  const configDir = inside("config/splatctl");
  const env = {
    PATH: inside("bin"),
    TMPDIR: inside("tmp"),
    SPLAT_CONFIG_DIR: configDir,
    FAKE_MODAL: scriptFile,
    FAKE_MODAL_LOG: logFile,
    // What a terminal's user may have set, and the program must not see.
    FORCE_COLOR: "1",
    COLUMNS: "80",
  };
  const desk: Desk = {
    folder,
    template: inside("template"),
    configDir,
    userFile: join(configDir, "config.json"),
    secretsFile: join(configDir, "secrets.json"),
    env,
    async script(script) {
      const usual: Script = {
        version: "modal client version: 1.6.4\n",
        "token info": { stdout: TOKEN_INFO },
        "secret create": { stdout: "Created a new secret\n" },
        "secret list": { stdout: "[]\n" },
        "secret delete": {},
      };
      await writeFile(scriptFile, JSON.stringify({ ...usual, ...script }));
    },
    async run(args, more = {}) {
      const { code, stdout, stderr } = await runCli(args, { cwd: folder, env: { ...env, ...more } });
      return { code, stdout: stdout.toString(), stderr };
    },
    async calls() {
      const text = await readFile(logFile, "utf8").catch(() => "");
      return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as ModalCall]));
    },
    async call(command) {
      const all = await desk.calls();
      const found = all.filter(
        ({ args, interrupted }) => interrupted !== true && args?.join(" ").startsWith(command) === true,
      );
      if (found.length !== 1)
        throw new Error(`${found.length} calls of ${command} among ${JSON.stringify(all)}`);
      return found[0];
    },
    leftovers: () => readdir(inside("tmp")),
    json: async (path) => JSON.parse(await readFile(path, "utf8")) as unknown,
    modeOf: async (path) => (await stat(path)).mode & 0o777,
  };
  await desk.script({});
  return desk;
}

async function install(bin: string, installed: Installed): Promise<void> {
  const call = (as: string): string => `"${process.execPath}" "${FAKE}" ${as} "$@"\n`;
  const fake = (as: string): string => `exec ${call(as)}`;
  const put = async (name: string, text: string): Promise<void> => {
    await writeFile(join(bin, name), text);
    await chmod(join(bin, name), 0o755);
  };
  if (installed === "modal") {
    const python = join(bin, "python-of-modal");
    await put("python-of-modal", `#!/bin/sh\n${fake("python")}`);
    await put("modal", `#!/bin/sh\n'''exec' "${python}" "$0" "$@"\n' '''\n`);
  }
  if (installed === "modal, not saying its Python") await put("modal", `#!/bin/sh\n${fake("modal")}`);
  if (installed === "python3 -m modal") await put("python3", `#!/bin/sh\n${fake("python")}`);
  // It stays, leaves Ctrl-C to the program that it runs, and does not pass it on.
  if (installed === "uvx modal") await put("uvx", `#!/bin/sh\nshift\ntrap : INT\n${call("modal")}exit $?\n`);
}
