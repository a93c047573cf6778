import { expect, test } from "vitest";
import { openTerminal, whyNoTerminal } from "./pseudo-terminal.ts";
import { splatctlInTerminal } from "./terminal.ts";

const SHELL_LIKE = `
process.stdout.write("size " + process.stdout.columns + "x" + process.stdout.rows + "\\r\\n");
process.stdout.on("resize", () => console.log("now " + process.stdout.columns + "x" + process.stdout.rows));
process.stdin.setRawMode(true).on("data", (keys) => {
  if (String(keys) === "q") process.exit(3);
  console.log("pressed " + keys);
});
`;

test("a program sees a terminal: its size, keys and a new size; a test sees its screen", async (context) => {
  const reason = await whyNoTerminal();
  if (reason !== null) context.skip(reason);
  const terminal = openTerminal([process.execPath, "-e", SHELL_LIKE], { columns: 40, rows: 10 });
  context.onTestFinished(() => terminal.close());
  await terminal.until("size 40x10");
  terminal.press("a");
  await terminal.until("pressed a");
  terminal.resize(30, 5);
  await terminal.until("now 30x5");
  terminal.press("q");
  expect(await terminal.ended).toBe(3);
  await expect(terminal.until("never shown")).rejects.toThrow("the program has ended; it shows:");
});

test("the program itself runs in it", async (context) => {
  const terminal = await splatctlInTerminal(context, ["--version"]);
  await terminal.until(/^\d+\.\d+\.\d+/);
  expect(await terminal.ended).toBe(0);
});
