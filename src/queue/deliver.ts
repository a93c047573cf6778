/** Empties a spool into a backend: in order, several at a time, again what the backend lost. */
import type { Client } from "../api/client.ts";
import { toSplatError, type SplatError } from "../errors.ts";
import type { Confirmation } from "./confirmation.ts";
import { Patience, persist } from "./persist.ts";
import type { Spool } from "./spool.ts";
import { uploadFrames, type Upload, type UploadEvent, type UploaderOptions } from "./uploader.ts";

/** What happens to a spool's frames, as it happens. */
export type DeliveryEvent =
  | Exclude<UploadEvent, { kind: "accepted" }>
  /** `isAgain`: it had been accepted before, and was lost. */
  | {
      readonly kind: "accepted";
      readonly name: string;
      readonly duplicate: boolean;
      readonly isAgain: boolean;
    };

export interface DeliveryOptions extends Omit<UploaderOptions, "onEvent" | "client"> {
  readonly client: Pick<Client, "uploadFrame">;
  readonly confirmation: Confirmation;
  /** Aborts when no more frames will be put into the spool: then delivery ends with the last one. */
  readonly filled: AbortSignal;
  readonly onEvent: (event: DeliveryEvent) => void;
}

interface SpooledUpload extends Upload {
  readonly seq: number;
}

/** After an interrupt: how long the last question may take. */
const LAST_LOOK_MS = 2000;

/**
 * Send what is in the spool and what comes into it, until it is filled and everything is accepted, or the signal aborts:
 * then uploads under way are seen through and the rest stays. Returns what ended it early, or null.
 */
export async function deliver(
  spool: Spool,
  options: DeliveryOptions,
  signal: AbortSignal,
): Promise<SplatError | null> {
  const ending = new AbortController();
  let fatal: SplatError | null = null;
  const fail = (thrown: unknown): void => {
    fatal ??= toSplatError(thrown);
    ending.abort();
  };
  const confirming = options.confirmation.run(ending.signal).catch(fail);
  const stopping = AbortSignal.any([signal, ending.signal]);
  const uploader: UploaderOptions<SpooledUpload> = {
    ...options,
    onEvent: (event, upload) => options.onEvent(settle(spool, options.confirmation, event, upload)),
  };
  // What breaks the source must also end the uploads under way: they may be waiting for a backend for ever.
  async function* source(taking: AbortSignal): AsyncGenerator<SpooledUpload> {
    try {
      yield* outgoing(spool, options, taking);
    } catch (thrown) {
      fail(thrown);
    }
  }
  const ended = await uploadFrames(source, uploader, stopping);
  ending.abort();
  await confirming;
  // Not worth a start that is paid for: the next run asks what this one does not.
  const isWorthAsking = spool.counts.accepted > 0 && !options.confirmation.hasGone;
  if (signal.aborted && isWorthAsking) await lastLook(options);
  return ended ?? fatal;
}

/** Write down what became of an upload. */
function settle(
  spool: Spool,
  confirmation: Confirmation,
  event: UploadEvent,
  { seq }: SpooledUpload,
): DeliveryEvent {
  if (event.kind === "accepted") {
    const isFirst = spool.accepted(seq, event.sessionId);
    confirmation.saw(event);
    return { kind: "accepted", name: event.name, duplicate: event.duplicate, isAgain: !isFirst };
  }
  if (event.kind === "rejected") spool.refused(seq, event.reason);
  else if (event.kind === "unsent") spool.returned(seq);
  return event;
}

/** The spool's frames as they are to be sent, read from disk one at a time. */
async function* outgoing(
  spool: Spool,
  options: DeliveryOptions,
  taking: AbortSignal,
): AsyncGenerator<SpooledUpload> {
  const { confirmation, filled } = options;
  const woken = AbortSignal.any([taking, filled]);
  while (!taking.aborted) {
    if (confirmation.isDoubtful) {
      await lookPatiently(options, taking);
      continue;
    }
    const next = spool.next();
    if (next !== null) {
      const upload = await spool.read(next);
      if (upload === null)
        options.onEvent({ kind: "rejected", name: next.name, reason: "damaged in the spool" });
      else yield { ...upload, seq: next.seq };
    } else if (filled.aborted && spool.counts.waiting === 0) {
      await lookPatiently(options, taking);
      if (spool.counts.waiting === 0 && !confirmation.isDoubtful) return;
    } else {
      await spool.changed(filled.aborted ? taking : woken);
    }
  }
}

/** Look at the backend, through outages. Throws what makes it hopeless. */
async function lookPatiently(options: DeliveryOptions, taking: AbortSignal): Promise<void> {
  const { confirmation, giveUpAfterMs, random, onEvent } = options;
  const looked = await persist(() => confirmation.look(taking), {
    patience: new Patience(giveUpAfterMs),
    signal: taking,
    onWait: (error, waitMs) => onEvent({ kind: "waiting", name: "", error, waitMs }),
    random,
  });
  if (looked.kind === "poison" || looked.kind === "fatal") throw looked.error;
}

async function lastLook({ confirmation, drainMs }: DeliveryOptions): Promise<void> {
  await confirmation.look(AbortSignal.timeout(Math.min(drainMs, LAST_LOOK_MS))).catch(() => undefined);
}
