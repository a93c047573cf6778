import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runCli } from "../helpers/run-cli.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

async function run(
  args: readonly string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const ran = await runCli(args, { env: { NO_COLOR: "1" } });
  return { ...ran, stdout: ran.stdout.toString() };
}

test("--version prints the package's version and nothing else", async () => {
  expect(await run(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test("--help names every command on stdout", async () => {
  const { code, stdout, stderr } = await run(["--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const command of ["serve", "capture", "status", "pull", "stop", "train", "demo"]) {
    expect(stdout).toMatch(new RegExp(`^ {2}${command}\\b`, "m"));
  }
});

test("no command is a usage error: help on stderr, nothing on stdout", async () => {
  const { code, stdout, stderr } = await run([]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("Usage: splatctl");
});

test("a mistyped command is a usage error that names the one meant", async () => {
  const { code, stdout, stderr } = await run(["statsu"]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("unknown command 'statsu'");
  expect(stderr).toContain("Did you mean status?");
});

test("an unknown flag is a usage error", async () => {
  const { code, stderr } = await run(["status", "--jsno"]);
  expect(code).toBe(2);
  expect(stderr).toContain("Did you mean --json?");
});
