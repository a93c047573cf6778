/**
 * Whether colours are wanted, decided once at the start (`resolveTerminal` of `config.ts`) and asked by whoever paints. Nothing
 * else looks at a variable or at a terminal for that.
 */

/** Where something is printed. */
export type Output = "stdout" | "stderr";

/** What is set off from the rest. */
export type Style = keyof typeof CODES;

const CODES = {
  heading: ["1", "22"],
  error: ["31", "39"],
  warning: ["33", "39"],
  faint: ["2", "22"],
} as const;

const isOn: Record<Output, boolean> = { stdout: false, stderr: false };

/** Say where colours are wanted. */
export function setColour(on: Readonly<Record<Output, boolean>>): void {
  Object.assign(isOn, on);
}

/** Whether colours are wanted there. */
export function hasColour(output: Output): boolean {
  return isOn[output];
}

/** `text` as it is to be printed there. */
export function paint(style: Style, text: string, output: Output): string {
  return isOn[output] ? always(style, text) : text;
}

/** `text` in its style, whatever is wanted; for whoever takes colours out again. */
export function always(style: Style, text: string): string {
  const [on, off] = CODES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}
