/** Colours: one place decides, and a person's wish wins. */
import { describe, expect, test } from "vitest";
import { terminalTraits } from "../../src/config-terminal.ts";
import { runSplatctl } from "../helpers/run-splatctl.ts";
import { splatctlInTerminal } from "../helpers/terminal.ts";

const ESCAPE = "\u001b";

describe("whether there are colours, on a terminal and in a pipe", () => {
  test.each<[Record<string, string>, terminal: boolean, pipe: boolean]>([
    [{}, true, false],
    [{ NO_COLOR: "1" }, false, false],
    [{ NO_COLOR: "" }, true, false],
    [{ FORCE_COLOR: "1" }, true, true],
    [{ FORCE_COLOR: "true" }, true, true],
    [{ FORCE_COLOR: "0" }, false, false],
    [{ FORCE_COLOR: "false" }, false, false],
    [{ NO_COLOR: "1", FORCE_COLOR: "1" }, false, false],
    [{ CLICOLOR_FORCE: "1" }, true, true],
    [{ CLICOLOR_FORCE: "0" }, true, false],
    [{ CLICOLOR: "0" }, false, false],
    [{ CLICOLOR: "1" }, true, false],
    [{ CLICOLOR: "0", CLICOLOR_FORCE: "1" }, true, true],
    [{ TERM: "dumb" }, false, false],
    [{ TERM: "dumb", FORCE_COLOR: "1" }, true, true],
  ])("%j", (env, terminal, pipe) => {
    const { mayColour } = terminalTraits(env);
    expect([mayColour(true), mayColour(false)]).toEqual([terminal, pipe]);
    // Nobody reads a log on a terminal of that time.
    expect(terminalTraits(env, true).mayColour(true)).toBe(false);
  });
});

test("COLUMNS is a whole number or nothing", () => {
  const columns = (text: string) => terminalTraits({ COLUMNS: text }).columns;
  expect(["50", " 50 ", "0", "-1", "1e3", "x", ""].map(columns)).toEqual([50, 50, ...Array(5)]);
});

test("help has bold headings on a terminal, and its own width", async (context) => {
  const terminal = await splatctlInTerminal(context, ["pull", "--help"], { columns: 50 });
  expect(await terminal.ended).toBe(0);
  expect(terminal.raw()).toContain(`${ESCAPE}[1mExamples:${ESCAPE}[22m`);
  for (const line of terminal.raw().split("\r\n")) {
    expect(line.replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, "g"), "").length, line).toBeLessThanOrEqual(50);
  }
});

test.each<[Record<string, string>, boolean]>([
  [{ NO_COLOR: "1" }, false],
  [{ NO_COLOR: "", FORCE_COLOR: "" }, false],
  [{ NO_COLOR: "", FORCE_COLOR: "1" }, true],
  [{ NO_COLOR: "", FORCE_COLOR: "", CLICOLOR_FORCE: "1" }, true],
])("in a pipe with %j: help, errors and warnings alike", async (env, coloured) => {
  const help = await runSplatctl(["pull", "--help"], { env });
  expect(help.stdout.includes(ESCAPE)).toBe(coloured);
  const wrong = await runSplatctl(["statsu"], { env });
  expect(wrong.stderr.includes(ESCAPE)).toBe(coloured);
  const warned = await runSplatctl(["fk", "9,0,0,0,0", "--degrees", "--zeros", "200,0,0,0,0"], { env });
  expect(warned.stderr).toContain("beyond its limits");
  expect(warned.stderr.includes(ESCAPE)).toBe(coloured);
  const json = await runSplatctl(["statsu", "--json"], { env });
  expect(JSON.parse(json.stdout)).toMatchObject({ success: false });
});
