/** How a deployment shows where it is: a moving line on a terminal, one line for each step elsewhere. */
import type { Log } from "../log.ts";
import { createLog } from "../log.ts";
import { hiddenProgressLine, openProgressLine, type ProgressLine } from "../tui/progress-line.ts";
import { confirm } from "./confirm.ts";
import { logFor, type BackendFlags } from "./flags.ts";

/** How often a pipe is told how long a start takes, milliseconds. */
const PLAIN_INTERVAL_MS = 15_000;

export interface DeployTerminal {
  readonly log: Log;
  /** What is done next. */
  readonly step: (what: string) => void;
  /** How far what is being done has got. */
  readonly progress: (what: string) => void;
  /** Ask, the moving line out of the way; as `confirm`. */
  readonly ask: (question: string, signal: AbortSignal) => Promise<void>;
  readonly end: () => void;
}

/** Open one on stderr. */
export async function openDeployTerminal(flags: BackendFlags): Promise<DeployTerminal> {
  const isMoving = process.stderr.isTTY && process.stderr.columns > 0;
  const open = async (): Promise<ProgressLine> =>
    flags.quiet === true ? hiddenProgressLine() : await openProgressLine(process.stderr, PLAIN_INTERVAL_MS);
  let line = await open();
  const log = createLog(logFor(flags).level, (text) => line.say(text.trimEnd()));
  return {
    log,
    step: (what) => (isMoving ? line.update(`${what} ...`) : log.info(`${what} ...`)),
    progress: (what) => line.update(what),
    ask: async (question, signal) => {
      line.end();
      await confirm(question, signal);
      line = await open();
    },
    end: () => line.end(),
  };
}
