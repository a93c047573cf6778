/** Relay and capture in one process: joints first, so that frames find theirs, and last to end. */
import { resolve } from "node:path";
import type { Client } from "../api/client.ts";
import { shownDevice } from "../capture/camera-address.ts";
import { SplatError } from "../errors.ts";
import { captureFrames } from "./capture-frames.ts";
import type { CaptureOptions } from "./capture-options.ts";
import type { CaptureListener, CaptureSummary } from "./capture-tally.ts";
import type { JointLookup } from "./joint-lookup.ts";
import { DEFAULT_RELAY_HZ, type JointRoad, type RelaySettings } from "./joint-road.ts";
import { startRelay, type RelayStatus, type RunningRelay } from "./run-relay.ts";

/** What one daemon is to do; one of the two at least. */
export interface UpPlan {
  readonly capture: CaptureOptions | null;
  readonly relay: RelaySettings | null;
}

/** How the parts are run. */
export interface UpParts {
  readonly client: Client;
  /** The way for joints to the same backend. */
  readonly jointStream: Pick<Client, "url" | "isCloud" | "updateJoints">;
  /** The road of the plan's relay, open. */
  readonly road: JointRoad | null;
  /** Joints of a relay elsewhere, for a capture without one of its own. */
  readonly elsewhere: Pick<JointLookup, "around">;
  readonly listener: CaptureListener;
  /** The relay has been started. */
  readonly onRelay: (relay: RunningRelay) => void;
}

/** What came of a plan. */
export interface UpSummary {
  /** Null also when it was told to end before the backend had answered. */
  readonly capture: CaptureSummary | null;
  readonly relay: RelayStatus | null;
}

/** A plan in a few words; the relay comes first. */
export function describePlan({ capture, relay }: UpPlan): string {
  const parts = [
    relay === null ? [] : [`relay ${relay.source}`],
    capture === null ? [] : [`capture ${describeCaptured(capture)}`],
  ];
  return parts.flat().join(" + ");
}

/** What is captured, without what may be a secret. */
function describeCaptured({ folder, camera }: CaptureOptions): string {
  if (camera === undefined) return resolve(folder);
  return camera.device === null ? "webcam" : `webcam ${shownDevice(camera.device)}`;
}

/**
 * Do what a plan says until the signal aborts: then the capture sends what is under way, and the relay ends after it.
 * When one of them fails the other is ended too. Throws what either throws.
 */
export async function runUp(
  { capture, relay }: UpPlan,
  parts: UpParts,
  signal: AbortSignal,
): Promise<UpSummary> {
  const { client, listener, road, jointStream } = parts;
  const [relayFailed, captureEnded] = [new AbortController(), new AbortController()];
  const running =
    road === null
      ? null
      : startRelay(
          { ...road, client: jointStream, hz: relay?.hz ?? DEFAULT_RELAY_HZ },
          listener,
          capture === null ? signal : captureEnded.signal,
        );
  if (running !== null) parts.onRelay(running);
  const relaying = (running?.ended ?? Promise.resolve()).catch((error: unknown) => {
    relayFailed.abort(error);
    throw error;
  });
  const capturing =
    capture === null
      ? Promise.resolve(null)
      : captureFrames(
          client,
          { ...capture, joints: running?.relay ?? parts.elsewhere, relaysItself: running !== null },
          listener,
          AbortSignal.any([signal, relayFailed.signal]),
        );
  const [captured, relayed] = await Promise.allSettled([
    capturing.finally(() => captureEnded.abort()),
    relaying,
  ]);
  if (relayed.status === "rejected") throw relayed.reason;
  const status = running?.status() ?? null;
  if (captured.status === "fulfilled") return { capture: captured.value, relay: status };
  // Told to end before the backend had answered: that is no failure of the relay.
  const isInterrupted =
    signal.aborted && captured.reason instanceof SplatError && captured.reason.code === "interrupted";
  if (isInterrupted) return { capture: null, relay: status };
  throw captured.reason;
}
