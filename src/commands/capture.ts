/** `splatctl capture`: send each image of a folder, or of a camera, to the backend as it appears. */
import { InvalidArgumentError, type Command } from "commander";
import { chooseCapture, visibleSecretWarning, withCamera, type CaptureFlags } from "./capture-choice.ts";
import { withExamples } from "./examples.ts";
import {
  nonNegativeNumber,
  openClient,
  positiveNumber,
  withBackend,
  withSpool,
  wholeNumber,
  type BackendFlags,
} from "./flags.ts";
import { openStartingNote, type StartingNote } from "./starting-note.ts";
import { interruptSignal, printResult } from "./terminal.ts";
import type { Client } from "../api/client.ts";
import { PROJECT_FILE, type Config } from "../config.ts";
import type { CaptureListener } from "../daemon/capture-tally.ts";
import { EXIT_CODES, SplatError } from "../errors.ts";

interface Flags extends BackendFlags, CaptureFlags {
  readonly once?: boolean;
  readonly inFlight?: number;
  readonly dataset: boolean;
  readonly giveUpAfter?: number;
  readonly stop?: boolean;
  readonly spoolMaxGb?: number;
  /** True unless told; a name = that one. */
  readonly relay: boolean | string;
}

/** Add the command. */
export function registerCapture(program: Command): void {
  withExamples(withCamera(withSpool(withBackend(program.command("capture")))), [
    ["splatctl capture ./photos", "what is there, then whatever appears, until Ctrl-C"],
    ["splatctl capture ./photos --once --stop", "what is there, then finish the scene"],
    ["splatctl capture --webcam", "the camera of this machine; splatctl cameras lists several"],
    ["splatctl capture ./my-dataset --once", "a data set: the poses and the lens of its transforms.json"],
  ])
    .description(
      "send the images of a folder or camera as they appear; Ctrl-C sends what is under way and ends",
    )
    .argument("[folder]", "where the images appear; with a transforms.json its poses are sent along")
    .option("--recursive", "look into sub-folders too")
    .option("--include <glob...>", "send files that match, instead of *.jpg, *.jpeg, *.png")
    .option("--exclude <glob...>", "leave out files that match")
    .option("--once", "send what is there and exit (of a camera: of a video file, which ends)")
    .option("--fps <n>", "start at most so many uploads a second", positiveNumber)
    .optionsGroup("Delivery:")
    .option("--in-flight <n>", "uploads under way at once (default: 8)", wholeNumber(1, 64))
    .optionsGroup("Options:")
    .option("--no-dataset", "ignore transforms.json")
    .optionsGroup("Joints:")
    .option("--relay <name>", "take joints from the relay of this name (default: from one that runs)", true)
    .option("--no-relay", "ask no relay for joints")
    .optionsGroup("Delivery:")
    .option(
      "--give-up-after <s>",
      "exit when the backend has not answered for so long; 0 = never (default: 0, with --once 60, a cloud 600)",
      nonNegativeNumber,
    )
    .option("--spool-max-gb <n>", "disk space for frames that are kept, GB (default: 10)", spoolGigabytes)
    .optionsGroup("Options:")
    .option("--stop", "when everything is sent, end the capture and start finishing (implies --once)")
    .option("--json", "print one JSON object at the end")
    .action(async (folder: string | undefined, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      const starting = openStartingNote();
      const { client, config, log } = await openClient(flags, starting.onStarting);
      const warning = await visibleSecretWarning(flags);
      if (warning !== null) log.warn(warning);
      await capture(folder, flags, { client, config, starting });
    });
}

async function capture(
  folder: string | undefined,
  flags: Flags,
  { client, config, starting }: { client: Client; config: Config; starting: StartingNote },
): Promise<void> {
  const chosen = chooseCapture(folder, flags, config);
  if (chosen === null) throw nothingToCapture();
  const { captureFrames } = await import("../daemon/capture-frames.ts");
  const { runningRelay } = await import("../daemon/running-relay.ts");
  const { describeCounts, describeSummary, summaryJson } = await import("./describe-capture.ts");
  const { hiddenProgressLine, openProgressLine } = await import("../tui/progress-line.ts");
  const isQuiet = flags.quiet === true;
  const progress = isQuiet ? hiddenProgressLine() : await openProgressLine();
  let shown = "asking the backend";
  const show = (): void => progress.update(starting.addTo(shown));
  show();
  starting.listen(show);
  const listener: CaptureListener = {
    onCounts(counts) {
      shown = describeCounts(counts);
      show();
    },
    onNote: (line) => (isQuiet ? undefined : progress.say(line)),
    onWarning: (line) => progress.say(`warning: ${line}`),
  };
  const name = typeof flags.relay === "string" ? flags.relay : undefined;
  const summary = await captureFrames(
    client,
    {
      ...chosen,
      spoolDir: config.spoolDir,
      joints:
        flags.relay === false
          ? undefined
          : runningRelay(config.runDir, listener, { name, scene: client.sceneName }),
      spoolMaxBytes: flags.spoolMaxGb === undefined ? undefined : flags.spoolMaxGb * 1e9,
      inFlight: flags.inFlight,
      once: flags.once === true || flags.stop === true,
      giveUpAfterS: flags.giveUpAfter === 0 ? Infinity : flags.giveUpAfter,
    },
    listener,
    // After the spinner: it ends the process on a Ctrl-C that nobody else is listening for.
    interruptSignal(),
  ).finally(() => progress.end());
  if (summary.fatal !== null) {
    process.stderr.write(`${describeSummary(summary)}\n`);
    throw summary.fatal;
  }
  const { accepted, duplicates, complete } = summary;
  const hasSent = accepted + duplicates > 0;
  if (flags.stop === true && !(complete && hasSent)) {
    process.stderr.write(
      `the scene was not stopped: ${hasSent ? "not everything was sent" : "nothing was sent"}\n`,
    );
  }
  const stopped = flags.stop === true && complete && hasSent ? await client.stop() : null;
  printResult(
    flags,
    { ...summaryJson(summary, client), ...(stopped === null ? {} : { complete: stopped.complete }) },
    describeSummary(summary),
  );
  if (summary.rejected > 0 || summary.unsent > 0 || !complete) process.exitCode = EXIT_CODES.partial;
}

function nothingToCapture(): SplatError {
  return new SplatError("usage", "there is nothing to capture: neither a folder nor a camera is named", {
    hint: `Name a folder, or --webcam, here or in ${PROJECT_FILE}.`,
  });
}

/** Room for the largest frame and what is kept beside it; with less, nothing could ever be sent. */
const LEAST_SPOOL_GB = 0.05;

function spoolGigabytes(text: string): number {
  const value = positiveNumber(text);
  if (value < LEAST_SPOOL_GB) throw new InvalidArgumentError(`It must be at least ${LEAST_SPOOL_GB}.`);
  return value;
}
