/** The joints of a relay that runs in another process on this machine, asked over its loopback server. */
import { request } from "undici";
import { z } from "zod";
import { messageOf } from "../errors.ts";
import { Conditions } from "../robot/conditions.ts";
import type { JointReading } from "../robot/joint-history.ts";
import { nowS, steadyMs } from "../time.ts";
import type { JointLookup } from "./joint-lookup.ts";

export interface RelayClientOptions {
  /** Address of a running relay's control server; null when none runs. */
  readonly find: () => Promise<string | null>;
  readonly onNote: (line: string) => void;
  readonly onWarning: (line: string) => void;
}

/** What GET /joints?at=T answers, as far as it is read. */
const answerSchema = z.object({ samples: z.array(z.tuple([z.number(), z.array(z.number()).length(6)])) });

/** A relay that starts later is found so soon. */
const LOOK_EVERY_MS = 2000;
const TIMEOUT_MS = 2000;
/** Of older frames a relay knows nothing, and need not. */
const KEPT_S = 30;
const NO_JOINTS = "the relay has no joints of this time: frames taken now are placed where the arm was last";

/**
 * Joints around a moment from whichever relay runs on this machine then; none while no relay runs.
 * A relay that goes away is told once, and looked for again.
 */
export function relayClient(options: RelayClientOptions): Pick<JointLookup, "around"> {
  let url: string | null = null;
  /** The newest look; frames that ask while it goes on wait for it. */
  let looking: Promise<void> = Promise.resolve();
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let isLost = false;
  const conditions = new Conditions(options);

  async function findAgain(): Promise<string | null> {
    if (url === null && steadyMs() - lookedAtMs >= LOOK_EVERY_MS) {
      lookedAtMs = steadyMs();
      looking = look();
    }
    await looking;
    return url;
  }

  async function look(): Promise<void> {
    url = await options.find();
    if (url !== null) options.onNote(`joints come from the relay at ${url}${isLost ? " again" : ""}`);
  }

  return {
    async around(timeS, signal) {
      const found = await findAgain();
      if (found === null) return [];
      try {
        const readings = await askJoints(found, timeS, signal);
        if (readings.length > 0) conditions.end("none");
        else if (nowS() - timeS < KEPT_S) conditions.begin("none", NO_JOINTS);
        return readings;
      } catch (thrown) {
        if (signal?.aborted === true) return [];
        // Several frames may have asked at once: one tells.
        if (url === found) options.onWarning(`the relay does not answer any more: ${messageOf(thrown)}`);
        [url, isLost] = [null, true];
        return [];
      }
    },
  };
}

async function askJoints(
  url: string,
  timeS: number,
  signal: AbortSignal | undefined,
): Promise<readonly JointReading[]> {
  const { statusCode, body } = await request(`${url}/joints?at=${timeS}`, {
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    signal: signal ?? null,
  });
  const answer: unknown = await body.json();
  if (statusCode !== 200) throw new Error(`it answers ${statusCode}`);
  return answerSchema.parse(answer).samples.map(([time, anglesRad]) => ({ timeS: time, anglesRad }));
}
