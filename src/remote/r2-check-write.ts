/** Tries writing with one small object, which is gone afterwards whatever happens. */
import { randomUUID } from "node:crypto";
import { SplatError } from "../errors.ts";
import { sleep } from "../time.ts";
import type { BucketAdmin } from "./r2-admin.ts";
import { attempt, type Attempt, type CheckLine } from "./r2-check-line.ts";

/** Below it lie all probes. */
export const PROBE_FOLDER = "splatctl-check";

/** R2 takes one write a second for each key. */
const PAUSE_MS = 1200;
const TRIES = 3;
/** To remove the probe when the caller has given up. */
const REMOVE_MS = 10_000;

export interface WriteProbe {
  readonly key: string;
  readonly bytes: Buffer;
}

/** A probe that no other has the name of. */
export function makeProbe(): WriteProbe {
  const key = `${PROBE_FOLDER}/${randomUUID()}`;
  return { key, bytes: Buffer.from(`splatctl bucket check: ${key}\n`) };
}

/**
 * Store it, read it back, store it again, look at it, remove it. Throws the signal's reason, and bugs; the probe is removed then too.
 * @param look is called while the probe lies there
 * @param pauseMs between two writes that the server finds too fast; default 1200
 */
export async function tryWriting(
  admin: BucketAdmin,
  probe: WriteProbe,
  { look, pauseMs = PAUSE_MS }: { readonly look: () => Promise<void>; readonly pauseMs?: number | undefined },
  signal: AbortSignal,
): Promise<CheckLine[]> {
  // Until a server says no, what was sent may lie there, answered or not.
  let mayLie = true;
  const put = (isNew: boolean): Promise<"written" | "exists"> =>
    patiently(() => admin.write(probe.key, probe.bytes, { isNew }, signal), pauseMs, signal);
  try {
    let first = await attempt(put(true), signal);
    const isUnconditional = "error" in first && first.error.refusal?.status === 501;
    if (isUnconditional) first = await attempt(put(false), signal);
    if ("error" in first) {
      mayLie = first.error.code === "unreachable";
      return [notWritten(first.error)];
    }
    const lost = notKept(
      await attempt(admin.readStart(probe.key, probe.bytes.length + 1, signal), signal),
      probe,
    );
    if (lost !== null) return [lost];
    const conditional = isUnconditional ? UNCONDITIONAL : conditionalLine(await attempt(put(true), signal));
    await look();
    const removed = await attempt(admin.remove(probe.key, signal), signal);
    mayLie = "error" in removed;
    return [
      { name: "write", state: "ok", says: "may store objects" },
      conditional,
      "error" in removed
        ? {
            name: "delete",
            state: "no",
            says: `${removed.error.message}; ${probe.key} stays in the bucket`,
            hint: "Remove it with another token, or in the dashboard.",
          }
        : { name: "delete", state: "ok", says: "may remove objects; the probe is gone" },
    ];
  } finally {
    if (mayLie) await admin.remove(probe.key, AbortSignal.timeout(REMOVE_MS)).catch(() => undefined);
  }
}

/** What is wrong with a probe that was read back; null when it is what was stored. */
function notKept(back: Attempt<Buffer | null>, { bytes }: WriteProbe): CheckLine | null {
  const name = "write";
  if ("error" in back) {
    const says = `an object was taken, and could not be read back: ${back.error.message}`;
    return { name, state: "unknown", says, hint: back.error.hint };
  }
  if (back.value?.equals(bytes) === true) return null;
  const what = back.value === null ? "it is not there" : "other bytes are there";
  return {
    name,
    state: "no",
    says: `the server says that it stored an object, but ${what}`,
    hint: "Check R2_ENDPOINT_URL: something else than the bucket may answer there.",
  };
}

const UNCONDITIONAL: CheckLine = {
  name: "conditional-write",
  state: "no",
  says: "the server does not know “only if nothing lies there”",
  hint: "`serve` stores chunks that way, so that none is ever written over: use R2, or another server that knows it.",
};

function conditionalLine(second: Awaited<ReturnType<typeof attempt<"written" | "exists">>>): CheckLine {
  const name = "conditional-write";
  if ("error" in second)
    return { name, state: "unknown", says: second.error.message, hint: second.error.hint };
  if (second.value === "exists")
    return { name, state: "ok", says: "an object that is there is not written over" };
  return {
    ...UNCONDITIONAL,
    says: "the server writes over an object though asked to store it only if nothing lies there",
  };
}

function notWritten(error: SplatError): CheckLine {
  const isDenied = error.refusal?.status === 403;
  return {
    name: "write",
    state: isDenied ? "no" : "unknown",
    says: isDenied ? "the token may not store objects" : error.message,
    hint: isDenied
      ? "`serve`, `chunks push` and `chunks rm` need “Object Read & Write” for this bucket; reading does not."
      : error.hint,
  };
}

/** Once more after a pause, while the server finds the writes too fast. */
async function patiently<T>(work: () => Promise<T>, pauseMs: number, signal: AbortSignal): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (error) {
      const isBusy = error instanceof SplatError && error.refusal?.status === 429;
      if (!isBusy || tried === TRIES) throw error;
      await sleep(pauseMs, signal);
    }
  }
}
