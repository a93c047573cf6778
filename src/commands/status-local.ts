/** What this machine knows of a scene's capture: from the daemons that run here, else from the spools on its disk. */
import { z } from "zod";
import type { Client } from "../api/client.ts";
import type { Config } from "../config.ts";
import { askDaemon } from "../daemon/ask-daemon.ts";
import type { CaptureCounts } from "../daemon/capture-tally.ts";
import { listDaemons, type RunningDaemon } from "../daemon/run-file.ts";
import type { RelayStatus } from "../daemon/run-relay.ts";
import { printable } from "../printable.ts";
import { inspectSpools } from "../queue/inspect.ts";
import { steadyMs } from "../time.ts";
import type { LocalCapture, LocalLook, LocalRelay } from "../tui/dashboard-view.ts";

const gateCountsSchema = z.object({
  seen: z.number(),
  kept: z.number(),
  blurred: z.number(),
  exposure: z.number(),
  duplicate: z.number(),
  still: z.number(),
  surplus: z.number(),
  damaged: z.number().default(0),
});

/** What a daemon answers, of this version or another: what cannot be read is not there. */
const statusSchema = z.object({
  paused: z.boolean().catch(false),
  capture: z
    .object({
      accepted: z.number(),
      rejected: z.number(),
      unsent: z.number(),
      waiting: z.string().nullable(),
      gate: gateCountsSchema.nullable().catch(null),
    })
    .nullable()
    .catch(null),
  relay: z
    .object({
      from: z.string(),
      receivedPerSecond: z.number(),
      jointAngles: z.array(z.number()).length(6).nullable(),
      silentS: z.number().nullable(),
      trouble: z.string().nullable(),
    })
    .nullable()
    .catch(null),
});

const NOTHING: LocalLook = { capture: null, relay: null };

/** Reading a spool takes longer the more it holds. */
const SPOOLS_EVERY_MS = 30_000;
const DAEMONS_EVERY_MS = 3000;

/** Looks again and again; what changes seldom is not asked for each time. */
export class LocalWatch {
  readonly #config: Pick<Config, "runDir" | "spoolDir">;
  readonly #client: Pick<Client, "url" | "sceneName">;
  #daemons: readonly RunningDaemon[] = [];
  #daemonsMs = Number.NEGATIVE_INFINITY;
  #kept: LocalCapture | null = null;
  #keptMs = Number.NEGATIVE_INFINITY;
  #capturing: RunningDaemon | null = null;
  /** What each daemon said last, by name. */
  #said: ReadonlyMap<string, LocalLook> = new Map();

  constructor(config: Pick<Config, "runDir" | "spoolDir">, client: Pick<Client, "url" | "sceneName">) {
    this.#config = config;
    this.#client = client;
  }

  /** The daemon that captures, as of the last look; null when none does. */
  get capturing(): RunningDaemon | null {
    return this.#capturing;
  }

  /** Never throws. */
  async look(): Promise<LocalLook> {
    const asked = await Promise.all((await this.#ownDaemons()).map(askOne));
    // One that is busy for once still is what it was; twice in a row it is not.
    const found = asked.map(({ daemon, look }) => ({
      daemon,
      ...(look === "silent" ? (this.#said.get(daemon.name) ?? NOTHING) : look),
    }));
    this.#said = new Map(
      asked.flatMap(({ daemon, look }) => (look === "silent" ? [] : [[daemon.name, look]])),
    );
    const capturing = found.find(({ capture }) => capture !== null);
    this.#capturing = capturing?.daemon ?? null;
    const relay = found.find((one) => one.relay !== null)?.relay ?? null;
    return { capture: capturing?.capture ?? (await this.#spools()), relay };
  }

  async #ownDaemons(): Promise<readonly RunningDaemon[]> {
    if (steadyMs() - this.#daemonsMs < DAEMONS_EVERY_MS) return this.#daemons;
    const { url, sceneName } = this.#client;
    const all = await listDaemons(this.#config.runDir);
    this.#daemonsMs = steadyMs();
    this.#daemons = all.filter(
      ({ backend, scene, state }) =>
        state !== "elsewhere" && backend.replace(/\/+$/, "") === url && scene === sceneName,
    );
    return this.#daemons;
  }

  /** As `splatctl queue ls` tells it; null when nothing was ever kept for this scene. */
  async #spools(): Promise<LocalCapture | null> {
    if (steadyMs() - this.#keptMs < SPOOLS_EVERY_MS) return this.#kept;
    const { url, sceneName } = this.#client;
    const wanted = { backend: url, scene: sceneName };
    const own = await inspectSpools(this.#config.spoolDir, null, wanted).catch(() => []);
    this.#keptMs = steadyMs();
    const sum = (of: (report: (typeof own)[number]) => number): number =>
      own.reduce((total, report) => total + of(report), 0);
    this.#kept =
      own.length === 0
        ? null
        : {
            daemon: null,
            accepted: null,
            queued: sum(({ waiting }) => waiting),
            failed: sum(({ failed }) => failed.length),
            paused: false,
            waiting: null,
            gate: null,
          };
    return this.#kept;
  }
}

interface Asked {
  readonly daemon: RunningDaemon;
  readonly look: LocalLook | "silent";
}

async function askOne(daemon: RunningDaemon): Promise<Asked> {
  const asked = await askDaemon(daemon.url, "/status");
  if (asked === "silent") return { daemon, look: "silent" };
  const status = statusSchema.safeParse(asked?.body).data;
  const capture = status?.capture ?? null;
  const look = {
    capture: capture === null ? null : captureOf(daemon.name, capture, status?.paused === true),
    relay: status === undefined || status.relay === null ? null : relayOf(status.relay),
  };
  return { daemon, look };
}

/** A capture's own counts, as the screen shows them. */
export function captureOf(
  daemon: string,
  counts: Pick<CaptureCounts, "accepted" | "rejected" | "unsent" | "waiting" | "gate">,
  paused: boolean,
): LocalCapture {
  const { accepted, rejected, unsent, waiting, gate } = counts;
  return { daemon, accepted, queued: unsent, failed: rejected, paused, waiting, gate };
}

/** A relay's own figures, as the screen shows them. */
export function relayOf(
  status: Pick<RelayStatus, "from" | "receivedPerSecond" | "jointAngles" | "silentS" | "trouble">,
): LocalRelay {
  const { from, receivedPerSecond, jointAngles, silentS, trouble } = status;
  return { from, perSecond: receivedPerSecond, jointAngles, silentS, trouble };
}

/** What is known here, as `--json` prints it beside the backend's status; nothing where nothing is. */
export function localJson({ capture, relay }: LocalLook): object {
  return {
    ...(capture === null ? {} : { capture }),
    ...(relay === null
      ? {}
      : {
          relay: {
            from: relay.from,
            per_second: relay.perSecond,
            joint_angles: relay.jointAngles,
            silent_s: relay.silentS,
            trouble: relay.trouble,
          },
        }),
  };
}

/** What is known of a capture here, in words. */
export function describeLocal({ daemon, queued, failed, paused, waiting }: LocalCapture): string {
  const parts = [
    ...(paused ? ["paused"] : []),
    `${queued} queued`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(waiting === null ? [] : [`waiting: ${waiting}`]),
  ];
  return printable(`${parts.join(", ")}${daemon === null ? "" : ` (daemon "${daemon}")`}`);
}
