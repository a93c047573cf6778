/** What a person sees who typed something wrong. */
import { describe, expect, test } from "vitest";
import { nearest } from "../../src/commands/did-you-mean.ts";
import { runHere } from "../helpers/run-here.ts";

const COLOURS = { NO_COLOR: "1", FORCE_COLOR: undefined };

test.each<[line: string, says: string, hint: string]>([
  ["statsu", "unknown command 'statsu'", "Did you mean status?"],
  ["chunk ls", "unknown command 'chunk'", "Did you mean chunks?"],
  ["chunks lst", "unknown command 'lst'", "Did you mean ls?"],
  ["chunks lst --help", "unknown command 'lst'", "Did you mean ls?"],
  ["help chunks lst", "unknown command 'lst'", "Did you mean ls?"],
  ["help statsu", "unknown command 'statsu'", "Did you mean status?"],
  ["queue list", "unknown command 'list'", "Did you mean splatctl queue ls?"],
  ["bucket create", "unknown command 'create'", "Did you mean splatctl bucket init?"],
  ["status --jsn", "unknown option '--jsn'", "Did you mean --json?"],
  ["chunks get --paralel=3", "unknown option '--paralel=3'", "Did you mean --parallel?"],
  ["--json status", "unknown option '--json'", "--json goes behind the command: `splatctl status --json`"],
  ["--verbos status", "unknown option '--verbos'", "Did you mean --verbose?"],
  ["-v", "unknown option '-v'", "-V (the version) or --verbose"],
  ["logs -F", "unknown option '-F'", "Did you mean -f, --follow?"],
  ["up x --relay sreial", "Allowed choices are serial, http, lerobot", "Did you mean serial?"],
  ["completion bsh", "Allowed choices are bash, zsh, fish", "Did you mean bash or zsh?"],
  ["view", "unknown command 'view'", "`splatctl pull -o scene.ply`"],
  ["start", "unknown command 'start'", "Did you mean splatctl up or splatctl serve?"],
  ["watch", "unknown command 'watch'", "Did you mean splatctl chunks watch or splatctl status?"],
  ["download", "unknown command 'download'", "Did you mean splatctl pull or splatctl chunks get?"],
  ["upload ./x", "unknown command 'upload'", "Did you mean splatctl capture or splatctl chunks push?"],
  ["login", "unknown command 'login'", "Did you mean splatctl deploy or splatctl bucket init?"],
  ["list", "unknown command 'list'", "Did you mean splatctl ps, splatctl chunks ls or splatctl queue ls?"],
  ["LS", "unknown command 'LS'", "splatctl chunks ls"],
  ["url", "unknown command 'url'", "Did you mean splatctl chunks url?"],
  ["convert a.ply", "missing required argument 'out'", "`splatctl convert [options] <in> <out>`"],
  ["status extra", "splatctl status takes no argument, and not 'extra' as well", "`splatctl status --help`"],
  ["status --scene", "option '--scene <name>' argument missing", "`splatctl status --help`"],
])("splatctl %s", async (line, says, hint) => {
  const { code, stdout, stderr } = await runHere(line.split(" "), COLOURS);
  const lines = stderr.trimEnd().split("\n");
  // One line for what is wrong, one for what to do; no list of everything there is.
  expect({ code, stdout: line.includes("--json") ? "" : stdout, lines: lines.length }).toEqual(
    line.startsWith("--json") ? { code: 2, stdout: "", lines: 1 } : { code: 2, stdout: "", lines: 2 },
  );
  const said = line.startsWith("--json") ? stdout : stderr;
  expect(said).toContain(says);
  expect(said).toContain(hint);
});

test("with --json the error object has it too, and stderr nothing", async () => {
  const { code, stdout, stderr } = await runHere(["chunks", "lst", "--json"], COLOURS);
  expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
  expect(JSON.parse(stdout)).toEqual({
    success: false,
    error: {
      code: "usage",
      message: "unknown command 'lst'",
      hint: "Did you mean ls? `splatctl chunks --help` shows its commands.",
    },
  });
});

test("what is like nothing gets no guess, but where help is", async () => {
  const { stderr } = await runHere(["zzzzzz"], COLOURS);
  expect(stderr).toBe("error: unknown command 'zzzzzz'\n  `splatctl --help` shows all commands.\n");
});

test.each([
  ["help"],
  ["--help"],
  ["help", "chunks", "get"],
  ["chunks", "get", "--help"],
  ["chunks", "--help"],
])("help that was asked for goes to stdout: %s %s %s", async (...words) => {
  const { code, stdout, stderr } = await runHere(
    words.filter((word) => word !== undefined),
    COLOURS,
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const command = words.filter((word) => word !== undefined && !word.includes("help")).join(" ");
  expect(stdout).toContain(`Usage: ${`splatctl ${command}`.trim()}`);
});

test("a group without a verb is a usage error with its help on stderr", async () => {
  const { code, stdout, stderr } = await runHere(["chunks"], COLOURS);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("Usage: splatctl chunks");
});

describe("nearest", () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ["stauts", ["status", "stop"], ["status"]],
    ["sto", ["status", "stop"], ["stop"]],
    ["ver", ["verify", "--verbose", "--version"], ["verify", "--verbose", "--version"]],
    ["xy", ["ls", "rm"], []],
    ["l", ["ls", "url"], ["ls"]],
    ["", ["ls"], []],
    ["--", ["ls"], []],
    ["a".repeat(10_000), ["ls"], []],
  ])("%j of %j", (typed, names, expected) => {
    expect(nearest(typed, names)).toEqual(expected);
  });
});
