/** The daemon's own server, for programs on this machine: how it stands, joints out and in, and the way to end it. */
import { randomUUID } from "node:crypto";
import { Hono } from "hono";
import { LIMITS } from "../api/limits.ts";
import { SplatError } from "../errors.ts";
import { addRefusals, errorResponse } from "../http/answers.ts";
import { parseJson, readBody } from "../http/body.ts";
import { guardOrigin, type ServerWords } from "../http/guard.ts";
import { refuse } from "../http/refuse.ts";
import type { Log } from "../log.ts";
import type { JointReading } from "../robot/joint-history.ts";
import type { JointLookup } from "./joint-lookup.ts";
import type { PauseSwitch } from "./pause.ts";

/** What `service` says in GET /health: another program may have the port by now. */
export const SERVICE = "splatctl-daemon";

/** How far a daemon is. */
export type DaemonState = "starting" | "running" | "stopping";

/** What the daemon's work gives to whoever asks. */
export interface ControlParts {
  /** Told in GET /status; a `summary` in it is one line for people. */
  readonly status: () => object;
  /** Null when it has none. */
  readonly joints: JointLookup | null;
  /** Takes a pushed body; throws SplatError when it cannot be one. Null when joints are not pushed to this daemon. */
  readonly takeJoints: ((body: unknown) => JointReading) | null;
  /** Where its joints come from, for whoever pushes in vain, such as `the serial port /dev/ttyACM0`; null = nowhere. */
  readonly jointsFrom: string | null;
  /** Null when it captures nothing. */
  readonly pause: Pick<PauseSwitch, "isPaused" | "set"> | null;
}

export interface ControlDeps extends ControlParts {
  readonly identity: { readonly name: string; readonly pid: number };
  readonly state: DaemonState;
  /** End it; may be called again. */
  readonly stop: () => void;
  readonly log: Log;
}

const WORDS: ServerWords = { name: "this daemon" };

/** The app. It is meant for loopback alone; `deps` is read anew for each request. */
export function createControlApp(deps: ControlDeps): Hono {
  const app = new Hono();
  const bootId = randomUUID();
  const identity = { session_id: bootId, boot_id: bootId };
  app.onError((error, context) =>
    errorResponse(context, asRefusal(error), { ...WORDS, identity, log: deps.log }),
  );
  app.use(guardOrigin({ corsOrigins: [], isLoopback: true }, WORDS));
  app.get("/health", (context) =>
    context.json({ ...identity, service: SERVICE, status: deps.state, ...deps.identity }),
  );
  app.get("/status", (context) => {
    const paused = deps.pause?.isPaused ?? false;
    return context.json({ ...deps.status(), ...identity, ...deps.identity, state: deps.state, paused });
  });
  app.get("/joints", async (context) => {
    const { at } = context.req.query();
    return context.json({ ...identity, ...(await jointsAt(deps, at, context.req.raw.signal)) });
  });
  app.post("/update-joint-angles", async (context) => {
    const reading = takeJoints(deps, await readBody(context.req.raw, LIMITS.jsonBytes));
    return context.json({ ...identity, success: true, joint_angles: reading.anglesRad });
  });
  app.post("/pause", (context) => context.json({ ...identity, ...pause(deps, true) }));
  app.post("/resume", (context) => context.json({ ...identity, ...pause(deps, false) }));
  app.post("/stop", (context) => {
    deps.stop();
    return context.json({ ...identity, success: true, state: deps.state }, 202);
  });
  addRefusals(app);
  return app;
}

async function jointsAt(
  { joints }: ControlDeps,
  at: string | undefined,
  signal: AbortSignal,
): Promise<object> {
  if (joints === null) {
    throw refuse("not_found", "this daemon has no joints", {
      hint: "Start one that relays them: splatctl relay, or splatctl up with a relay.",
    });
  }
  const shown = ({ timeS, anglesRad }: JointReading): readonly unknown[] => [timeS, anglesRad];
  const unknown = { at: null, joint_angles: null, speed_deg_s: null, age_s: null, samples: [] };
  const latest = (): readonly unknown[] | null => {
    const reading = joints.latest();
    return reading === null ? null : shown(reading);
  };
  if (at === undefined) return { ...unknown, latest: latest() };
  const timeS = at.trim() === "" ? Number.NaN : Number(at);
  if (!Number.isFinite(timeS)) throw refuse("bad_request", "`at` must be a moment in Unix seconds");
  const samples = (await joints.around(timeS, signal)).map(shown);
  const found = joints.at(timeS);
  if (found === null || found === "awaited") return { ...unknown, at: timeS, samples, latest: latest() };
  return {
    at: timeS,
    joint_angles: found.anglesRad,
    speed_deg_s: found.speedDegS,
    age_s: found.ageS,
    samples,
    latest: latest(),
  };
}

function takeJoints({ takeJoints: take, jointsFrom }: ControlDeps, bytes: Uint8Array): JointReading {
  if (take !== null) return take(parseJson(bytes, "the body"));
  throw refuse("conflict", `joints are not pushed to this daemon: it has ${jointsFrom ?? "none at all"}`, {
    hint: "Push them to a daemon that was started for it, with `splatctl relay http`.",
  });
}

function pause({ pause: pauseSwitch }: ControlDeps, isPaused: boolean): object {
  if (pauseSwitch === null) {
    throw refuse("conflict", "this daemon captures nothing, so there is nothing to pause", {
      hint: "See `splatctl ps` for one that captures.",
    });
  }
  pauseSwitch.set(isPaused);
  return { success: true, paused: isPaused };
}

/** What a parser of input says of it is an answer to whoever sent it; anything else is a bug. */
function asRefusal(error: unknown): unknown {
  if (!(error instanceof SplatError) || error.refusal !== undefined) return error;
  if (error.code !== "bad_input" && error.code !== "usage") return error;
  return refuse("bad_request", error.message, { hint: error.hint, cause: error });
}
