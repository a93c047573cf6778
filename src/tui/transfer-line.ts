/** How far a transfer of files is, on one line: a bar, files, bytes, rate and time left. */
import type { LogLevel } from "../log.ts";
import { steadyMs } from "../time.ts";
import { hiddenProgressLine, openProgressLine, type ProgressLine } from "./progress-line.ts";
import { TransferTally, type TransferEvent } from "./transfer-tally.ts";

export interface TransferLineOptions {
  /** To come. */
  readonly files: number;
  readonly sizeBytes: number;
  readonly level: LogLevel;
  readonly words: {
    /** A size in words. */
    readonly bytes: (sizeBytes: number) => string;
    /** A length of time (seconds) in words. */
    readonly duration: (s: number) => string;
    /** Text about an object, with its key: that may be anything, and the text may name it already. */
    readonly named: (key: string, text: string) => string;
  };
  readonly stream?: NodeJS.WriteStream;
}

export interface TransferLine {
  tell(event: TransferEvent): void;
  end(): void;
}

/** The line is put together anew at most this often, milliseconds. */
const DRAW_MS = 100;
/** Attempts at a file after which it is told that it takes more of them. */
const LASTING = 3;
/** A wait that is told, milliseconds: nobody should wonder why nothing comes. */
const LONG_WAIT_MS = 5000;
/** Between two such lines, milliseconds. */
const TOLD_AGAIN_MS = 15_000;
const BAR_WIDTH = 24;
/** The spinner and the blank after it; the last column stays free. */
const SPINNER_WIDTH = 3;

/** Open the line; with `quiet` nothing moves, with `verbose` every attempt that failed is told. */
export async function openTransferLine(options: TransferLineOptions): Promise<TransferLine> {
  const { level, stream = process.stderr } = options;
  const line = level === "quiet" ? hiddenProgressLine(stream) : await openProgressLine(stream);
  const tally = new TransferTally(options.files, options.sizeBytes, steadyMs());
  const retries = createRetryTeller(line, level, options.words);
  let drawnMs = -Infinity;
  return {
    tell(event) {
      const nowMs = steadyMs();
      tally.count(event, nowMs);
      if (event.kind === "retry") retries(event, nowMs);
      if (nowMs - drawnMs < DRAW_MS) return;
      drawnMs = nowMs;
      line.update(describeTransfer(tally, options.words, widthOf(stream), nowMs));
    },
    end: () => line.end(),
  };
}

/**
 * The tally in as many words as fit into `columns`: without the bar where there is little room, without the rest where
 * there is less. Without `columns` (a pipe) there is room for all but a bar, which would say nothing there.
 */
export function describeTransfer(
  tally: TransferTally,
  words: Pick<TransferLineOptions["words"], "bytes" | "duration">,
  columns: number | null,
  nowMs: number,
): string {
  const { filesDone, files, doneBytes, sizeBytes, failed } = tally;
  const rate = tally.bytesPerS(nowMs);
  const leftS = tally.leftS(nowMs);
  const share = sizeBytes === 0 ? 1 : Math.min(1, doneBytes / sizeBytes);
  const bar = "█".repeat(Math.floor(share * BAR_WIDTH)).padEnd(BAR_WIDTH, "░");
  const amount = `${words.bytes(doneBytes)} of ${words.bytes(sizeBytes)}`;
  const count = `${filesDone} of ${files} files${failed > 0 ? `, ${failed} failed` : ""}`;
  const pace = rate === null ? "" : `, ${words.bytes(rate)}/s`;
  const rest = leftS === null ? "" : `, ${words.duration(Math.ceil(leftS))} left`;
  const full = `${count}, ${amount}${pace}${rest}`;
  if (columns === null) return full;
  const forms = [`${bar} ${full}`, full, `${count}, ${amount}${pace}`, `${count}, ${amount}`, count];
  const room = columns - SPINNER_WIDTH;
  return forms.find((form) => form.length <= room) ?? `${Math.floor(share * 100)}%`;
}

/** Most attempts that fail are no news: the next one works. */
function createRetryTeller(
  line: ProgressLine,
  level: LogLevel,
  { named, duration }: TransferLineOptions["words"],
): (event: TransferEvent & { kind: "retry" }, nowMs: number) => void {
  const attempts = new Map<string, number>();
  let toldMs = -Infinity;
  return ({ entry, error, waitMs }, nowMs) => {
    const failed = (attempts.get(entry.key) ?? 0) + 1;
    attempts.set(entry.key, failed);
    const isLasting = failed >= LASTING || waitMs >= LONG_WAIT_MS;
    const isDue = isLasting && nowMs - toldMs >= TOLD_AGAIN_MS;
    if (level !== "verbose" && !isDue) return;
    toldMs = nowMs;
    const wait =
      waitMs < LONG_WAIT_MS ? `${(waitMs / 1000).toFixed(1)} s` : duration(Math.round(waitMs / 1000));
    line.say(named(entry.key, `${error.message}; again in ${wait}`));
  };
}

function widthOf({ isTTY, columns }: NodeJS.WriteStream): number | null {
  return isTTY && columns > 0 ? columns : null;
}
