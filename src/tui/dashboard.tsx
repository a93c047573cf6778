/** The screen in a terminal: rows through ink, keys back. Loaded on a terminal only. */
import { useLayoutEffect } from "react";
import { Box, render, Text, useInput } from "ink";
import { Canvas } from "./dashboard-paint.ts";
import type { Row, Style } from "./dashboard-text.ts";

/** Colours of the 16 that terminals let their users choose, those that show on light and on dark. */
const LOOKS: Readonly<Record<Style, { color?: string; bold?: boolean; dimColor?: boolean }>> = {
  plain: {},
  dim: { dimColor: true },
  bold: { bold: true },
  good: { color: "green" },
  bad: { color: "red", bold: true },
  warn: { color: "magenta", bold: true },
  graph: { color: "cyan" },
};

export interface ScreenOptions {
  readonly terminal: NodeJS.WriteStream;
  readonly keyboard: NodeJS.ReadStream;
  /** False where the user wants no colours. */
  readonly isColored: boolean;
  /** A key as typed; `ctrl-c` for that one. */
  readonly onKey: (key: string) => void;
  /** The terminal has another size. */
  readonly onResize: () => void;
}

export interface Screen {
  /** Show these rows. */
  draw(rows: readonly Row[]): void;
  /** Give the terminal back as it was. May be called again. */
  close(): void;
}

/** Take the terminal for a screen of rows. */
export function openScreen(options: ScreenOptions): Screen {
  const { terminal, keyboard, onResize } = options;
  const canvas = new Canvas(terminal);
  const leave = (): void => canvas.leave();
  const onSize = (): void => {
    canvas.resized();
    onResize();
  };
  const tree = (rows: readonly Row[]) => <Rows {...options} rows={rows} onUnmount={leave} />;
  canvas.enter();
  // A crash says why on the terminal's own screen.
  process.once("exit", leave);
  terminal.on("resize", onSize);
  const ink = render(tree([]), {
    stdout: canvas as unknown as NodeJS.WriteStream,
    stdin: keyboard,
    // Whole frames, whoever runs us and however high they are: the canvas knows what has changed.
    debug: true,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  return {
    draw: (rows) => ink.rerender(tree(rows)),
    close() {
      terminal.off("resize", onSize);
      process.off("exit", leave);
      ink.unmount();
      leave();
    },
  };
}

interface RowsProps extends Pick<ScreenOptions, "keyboard" | "isColored" | "onKey"> {
  readonly rows: readonly Row[];
  readonly onUnmount: () => void;
}

function Rows({ rows, keyboard, isColored, onKey, onUnmount }: RowsProps) {
  useInput(
    (typed, { ctrl, escape, return: isReturn }) => {
      if (ctrl) return onKey(`ctrl-${typed}`);
      if (escape) return onKey("escape");
      if (isReturn) return onKey("return");
      // What was typed fast, or pasted, comes as one.
      for (const key of typed) onKey(key);
    },
    { isActive: keyboard.isTTY },
  );
  // However the end comes, a signal included.
  useLayoutEffect(() => onUnmount, [onUnmount]);
  return (
    <Box flexDirection="column">
      {rows.map((row, index) => (
        <Text key={index} wrap="truncate">
          {row.length === 0
            ? " "
            : row.map(({ text, style }, i) => (
                <Text key={i} {...lookOf(style, isColored)}>
                  {text}
                </Text>
              ))}
        </Text>
      ))}
    </Box>
  );
}

function lookOf(style: Style, isColored: boolean): (typeof LOOKS)[Style] {
  const { color, ...rest } = LOOKS[style];
  return isColored && color !== undefined ? { ...rest, color } : rest;
}
