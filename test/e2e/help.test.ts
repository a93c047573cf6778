import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runSplatctl } from "../helpers/run-splatctl.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

test("--version prints the package's version and nothing else", async () => {
  expect(await runSplatctl(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test("--help names every command on stdout", async () => {
  const { code, stdout, stderr } = await runSplatctl(["--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const command of [
    "serve",
    "deploy",
    "redeploy",
    "undeploy",
    "capture",
    "up",
    "ps",
    "logs",
    "down",
    "status",
    "pull",
    "stop",
    "train",
    "convert",
    "demo",
  ]) {
    expect(stdout).toMatch(new RegExp(`^ {2}${command}\\b`, "m"));
  }
});

test("no command is a usage error: help on stderr, nothing on stdout", async () => {
  const { code, stdout, stderr } = await runSplatctl([]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("Usage: splatctl");
});

test("a mistyped command is a usage error that names the one meant", async () => {
  const { code, stdout, stderr } = await runSplatctl(["statsu"]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("unknown command 'statsu'");
  expect(stderr).toContain("Did you mean status?");
});

test("an unknown flag is a usage error", async () => {
  const { code, stderr } = await runSplatctl(["status", "--jsno"]);
  expect(code).toBe(2);
  expect(stderr).toContain("Did you mean --json?");
});
