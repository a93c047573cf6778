/** One line about work that goes on: it moves on a terminal, and repeats every few seconds in a pipe. */
import { hasColour } from "../colour.ts";
import { redact } from "../redact.ts";

export interface ProgressLine {
  /** What to show now. */
  update(text: string): void;
  /** A line that stays, above the moving one. */
  say(line: string): void;
  end(): void;
}

/** How often a pipe is told, milliseconds. */
const PLAIN_INTERVAL_MS = 3000;

/** Open a progress line on stderr. The spinner is loaded on a terminal only. */
export async function openProgressLine(
  stream: NodeJS.WriteStream = process.stderr,
  intervalMs = PLAIN_INTERVAL_MS,
): Promise<ProgressLine> {
  // A terminal that does not know its width (0) would send the spinner into an endless loop.
  return stream.isTTY && stream.columns > 0 ? spinnerLine(stream) : plainLine(stream, intervalMs);
}

/** A progress line that shows nothing but what must stay. */
export function hiddenProgressLine(stream: NodeJS.WritableStream = process.stderr): ProgressLine {
  return { update: () => undefined, say: (line) => stream.write(`${redact(line)}\n`), end: () => undefined };
}

async function spinnerLine(stream: NodeJS.WriteStream): Promise<ProgressLine> {
  const { default: ora } = await import("ora");
  // With discardStdin the terminal would stop turning Ctrl-C into a signal. That this is a terminal is known already;
  // left to itself, ora is silent wherever CI is set.
  const color = hasColour("stderr") ? "cyan" : false;
  const spinner = ora({ stream, discardStdin: false, isEnabled: true, color }).start();
  return {
    update(text) {
      spinner.text = redact(text);
    },
    say(line) {
      spinner.clear();
      stream.write(`${redact(line)}\n`);
      spinner.render();
    },
    end: () => void spinner.stop(),
  };
}

function plainLine(stream: NodeJS.WritableStream, intervalMs: number): ProgressLine {
  let latest = "";
  let shown = "";
  const show = (): void => {
    if (latest !== shown) stream.write(`${redact(latest)}\n`);
    shown = latest;
  };
  const timer = setInterval(show, intervalMs);
  timer.unref();
  return {
    update(text) {
      latest = text;
    },
    say: (line) => stream.write(`${redact(line)}\n`),
    end: () => clearInterval(timer),
  };
}
