import { clearLine, cursorTo, moveCursor, type Direction } from "node:readline";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { hiddenProgressLine, openProgressLine } from "../../src/tui/progress-line.ts";

/** A stream that says it is a terminal, or not. */
function stream(isTTY: boolean, columns = 80) {
  const pipe = new PassThrough();
  const output = Object.assign(pipe, {
    isTTY,
    columns,
    cursorTo: (x: number) => cursorTo(pipe, x),
    clearLine: (dir: Direction) => clearLine(pipe, dir),
    moveCursor: (dx: number, dy: number) => moveCursor(pipe, dx, dy),
  }) as unknown as NodeJS.WriteStream;
  return { output, text: () => (pipe.read() as Buffer | null)?.toString() ?? "" };
}

test("in a pipe the line is repeated now and then, when it changed; what is said stays", async () => {
  const { output, text } = stream(false);
  const line = await openProgressLine(output, 20);
  line.update("1 sent");
  line.update("2 sent");
  line.say("warning: something");
  await new Promise((resolve) => setTimeout(resolve, 120));
  line.end();
  expect(text()).toBe("warning: something\n2 sent\n");
});

test("on a terminal the line moves and what is said stays above it", async () => {
  const { output, text } = stream(true);
  const line = await openProgressLine(output);
  line.update("1 sent");
  line.say("warning: something");
  line.end();
  const plain = text();
  expect(plain).toContain("warning: something\n");
  expect(plain).toContain("1 sent");
});

test("a hidden line shows only what must stay", () => {
  const { output, text } = stream(false);
  const line = hiddenProgressLine(output);
  line.update("1 sent");
  line.say("warning: something");
  line.end();
  expect(text()).toBe("warning: something\n");
});

test("a terminal of no width is written to as a pipe is", async () => {
  const { output, text } = stream(true, 0);
  const line = await openProgressLine(output);
  line.update("1 sent");
  line.say("warning: something");
  line.end();
  expect(text()).toBe("warning: something\n");
});
