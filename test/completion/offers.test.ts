/** What is offered at a place of the line, by the program's own tree of commands. */
import { expect, test } from "vitest";
import { fullName } from "../../src/commands/help-text.ts";
import { everyCommand } from "../../src/commands/usage-error.ts";
import { ARGUMENT_KINDS, OPTION_KINDS } from "../../src/completion/kinds.ts";
import { offersFor } from "../../src/completion/offers.ts";
import { createProgram } from "../../src/main.ts";

const program = createProgram();

/** The last word is being typed. Values of this machine are named after their kind. */
async function offered(line: string): Promise<{ values: string[]; files: unknown }> {
  const words = line.split(" ");
  const { offers, files } = await offersFor(program, words.slice(0, -1), words.at(-1) ?? "", (kind) =>
    Promise.resolve([{ value: `a-${kind}`, about: "" }]),
  );
  return { values: offers.map(({ value }) => value), files };
}

test.each<[line: string, values: readonly string[], files?: unknown]>([
  ["sta", ["status"]],
  ["chunks ", ["ls", "get", "watch", "url", "verify", "push", "rm"]],
  ["--verbose chu", ["chunks"]],
  ["help queue ", ["ls", "retry", "clear"]],
  ["queue c", ["clear"]],
  ["pull --form", ["--format"]],
  ["pull --format ", ["ply", "splat", "spz"]],
  ["pull --format=sp", ["--format=splat", "--format=spz"]],
  ["pull --format=ply --fo", []],
  ["pull --output sc", [], ["ply", "spz", "splat"]],
  ["pull -o ", [], ["ply", "spz", "splat"]],
  ["pull --output=sc", [], ["ply", "spz", "splat"]],
  ["demo -o ", [], "folders"],
  ["up --relay s", ["serial"]],
  ["up --no-relay --re", ["--recursive", "--relay-url"]],
  ["capture --relay ", ["a-daemon"]],
  ["capture ", [], "folders"],
  ["capture ./photos --on", ["--once"]],
  ["capture --webcam ", ["a-camera"]],
  ["capture --webcam --on", ["--once"]],
  ["capture --include *.jpg *.png --exc", ["--exclude"]],
  ["chunks get --include a --inc", ["--include"]],
  ["chunks get --session ", ["a-session"]],
  ["status --scene ", ["a-scene"]],
  ["status --scene=a", ["--scene=a-scene"]],
  ["status --json --js", []],
  ["status --url http://127.0.0.1:7860 --sc", ["--scene"]],
  ["relay serial ", ["a-port"]],
  ["relay serial /dev/ttyACM0 --det", ["--detach"]],
  ["down ", ["a-daemon"]],
  ["logs ", ["a-daemon"]],
  ["config set ", ["a-setting"]],
  ["fk 0,0,0,0,0 --mount ", ["a-mount"]],
  ["convert in.ply ", [], ["ply", "spz", "splat"]],
  ["convert in.ply out.ply --sh-degree ", ["0", "1", "2", "3"]],
  ["train --calib", []],
  ["chunks push -- --", [], ["ply", "spz", "splat"]],
  ["completion ", ["bash", "zsh", "fish"]],
  ["nonsense ", expect.arrayContaining(["--verbose"]) as string[]],
  ["ps ", ["--json", "--verbose", "--quiet", "--help"]],
])("`splatctl %s`", async (line, values, files = null) => {
  expect(await offered(line)).toEqual({ values, files });
});

test("every rule is of an option or an argument that there is", () => {
  const commands = everyCommand(program);
  const options = commands.flatMap((command) =>
    command.options.flatMap(({ long }) => [`${long}`, `${pathOf(fullName(command))} ${long}`]),
  );
  const args = commands.flatMap((command) =>
    command.registeredArguments.map((argument) => `${pathOf(fullName(command))} ${argument.name()}`),
  );
  for (const rule of Object.keys(OPTION_KINDS)) expect(options).toContain(rule);
  for (const rule of Object.keys(ARGUMENT_KINDS)) expect(args).toContain(rule);
});

function pathOf(name: string): string {
  return name.replace(/^splatctl /, "");
}
