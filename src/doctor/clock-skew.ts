/** How far two clocks are apart, by the time in an answer and half of what it took. */
import type { Status } from "../api/schema.ts";
import type { Reached } from "../remote/r2-check-reach.ts";
import type { Finding } from "./check.ts";
import { clockFix } from "./machine.ts";

/** This machine's clock against another's. */
export interface Skew {
  /** Above 0: this machine's is ahead. Seconds. */
  readonly aheadS: number;
  /** How far off that may be, seconds. */
  readonly uncertainS: number;
  readonly rttMs: number;
}

/** Of several answers the quickest tells best; the first ones open connections. */
const LOOKS = 3;
/** Joints and pictures that are this far apart show at 10 cm/s by a centimetre. */
const WARN_S = 0.1;

/**
 * Ask for the status a few times. Null as the skew when `updated_at` does not move as time does: then it is no time of the
 * answer. Throws what `ask` throws.
 */
export async function measureSkew(
  ask: () => Promise<Status>,
  nowS: () => number,
): Promise<{ readonly skew: Skew | null; readonly status: Status }> {
  const looks: { readonly status: Status; readonly skew: Skew }[] = [];
  for (let look = 0; look < LOOKS; look++) {
    const beganMs = performance.now();
    const sentS = nowS();
    const status = await ask();
    const rttMs = performance.now() - beganMs;
    const aheadS = sentS + rttMs / 2000 - status.updated_at;
    looks.push({ status, skew: { aheadS, uncertainS: rttMs / 2000, rttMs } });
  }
  const best = looks.toSorted((a, b) => a.skew.rttMs - b.skew.rttMs)[0].skew;
  const isFresh = looks.every(
    ({ skew }) => Math.abs(skew.aheadS - best.aheadS) <= skew.uncertainS + best.uncertainS + 0.05,
  );
  const status = looks[LOOKS - 1].status;
  const isMoving = new Set(looks.map((look) => look.status.updated_at)).size > 1;
  return { skew: isFresh && isMoving ? best : null, status };
}

/** By a Date header, which has whole seconds; null when there was none. */
export function coarseSkew({ clockAheadS, latencyMs }: Reached): Skew | null {
  if (clockAheadS === null) return null;
  return { aheadS: clockAheadS, uncertainS: 1 + latencyMs / 2000, rttMs: latencyMs };
}

/** @param whose such as `the backend's` */
export function skewFinding(
  id: string,
  whose: string,
  { aheadS, uncertainS }: Skew,
  platform: NodeJS.Platform,
): Finding {
  const apartS = Math.abs(aheadS);
  const facts = { ahead_s: rounded(aheadS), uncertain_s: rounded(uncertainS) };
  if (apartS <= Math.max(WARN_S, uncertainS)) {
    const within =
      uncertainS >= 1
        ? `${Math.round(uncertainS)} s`
        : `${Math.ceil(Math.max(apartS, uncertainS) * 1000)} ms`;
    return { id, state: "ok", message: `this machine's clock agrees with ${whose} within ${within}`, facts };
  }
  const amount = apartS < 10 ? apartS.toFixed(uncertainS >= 1 ? 0 : 2) : String(Math.round(apartS));
  return {
    id,
    state: "warning",
    message: `this machine's clock is ${amount} s ${aheadS > 0 ? "ahead of" : "behind"} ${whose}: joints and pictures may be taken for later or earlier than they are`,
    fix: `${clockFix(platform)}; on both machines`,
    facts,
  };
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
