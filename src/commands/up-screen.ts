/** The dashboard of `splatctl up`: the capture and the relay are in this very process. */
import { stripVTControlCharacters } from "node:util";
import type { Client } from "../api/client.ts";
import type { CaptureCounts } from "../daemon/capture-tally.ts";
import type { PauseSwitch } from "../daemon/pause.ts";
import type { RelayStatus } from "../daemon/run-relay.ts";
import type { HeldLines } from "../tui/held-lines.ts";
import type { LocalLook } from "../tui/dashboard-view.ts";
import type { StartingNote } from "./starting-note.ts";
import { deedsFor } from "./status-deeds.ts";
import { captureOf, relayOf } from "./status-local.ts";
import { openDashboard } from "./status-screen.ts";

export interface UpScreenParts {
  readonly client: Client;
  readonly starting: StartingNote;
  /** Where notes and warnings go meanwhile. */
  readonly held: HeldLines;
  /** Aborts when the daemon is to end. */
  readonly signal: AbortSignal;
  /** Lets it end. */
  readonly stop: () => void;
  /** The daemon's. */
  readonly name: string;
  readonly pause: PauseSwitch;
  /** Null before the first frame. */
  readonly counts: () => CaptureCounts | null;
  readonly relay: () => RelayStatus | null;
}

const ENDING = "ending: what is under way is sent first";
const WARNING = /^warning: /;
/** Before anything was counted. */
const NOTHING = { accepted: 0, rejected: 0, unsent: 0, waiting: null, gate: null };

/** Show it until it is closed; the backend is asked until the daemon is to end. q and Ctrl-C end the daemon, the second time at once. */
export async function openUpScreen(parts: UpScreenParts): Promise<{ close: () => void }> {
  const { client, starting, held, signal, stop, name, pause, counts, relay } = parts;
  const closed = new AbortController();
  const lookLocally = (): LocalLook => {
    const now = relay();
    return {
      capture: captureOf(name, counts() ?? NOTHING, pause.isPaused),
      relay: now === null ? null : relayOf(now),
    };
  };
  const running = await openDashboard({
    client,
    url: client.url,
    scene: client.sceneName,
    quitWord: "end",
    startingS: () => starting.waitedS,
    // Results go to stdout.
    terminal: process.stderr,
    lookLocally,
    deeds: {
      ...deedsFor(client, closed.signal),
      pause: (isPaused) => {
        pause.set(isPaused);
        running.dashboard.onLocal(lookLocally());
        return Promise.resolve(
          isPaused ? "paused: nothing new is taken; p lets it go on" : "the capture goes on",
        );
      },
      quit: () => {
        if (signal.aborted) process.kill(process.pid, "SIGINT");
        else stop();
      },
    },
    signal: AbortSignal.any([closed.signal, signal]),
    ending: signal,
  });
  const onEnding = (): void => running.dashboard.onEnding(ENDING);
  signal.addEventListener("abort", onEnding, { once: true });
  if (signal.aborted) onEnding();
  held.listen((line) => {
    const plain = stripVTControlCharacters(line);
    running.dashboard.note(plain.replace(WARNING, ""), WARNING.test(plain));
  });
  return {
    close() {
      signal.removeEventListener("abort", onEnding);
      closed.abort();
      running.close();
    },
  };
}
