/** A machine of a test's own for checks of `doctor`: what it has is said, and the rest is as on a bare one. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { resolveConfig } from "../../src/config.ts";
import { GROUP_NAMES, type Check, type Finding, type Reported } from "../../src/doctor/check.ts";
import type { Asked, DoctorContext, DoctorSystem } from "../../src/doctor/context.ts";
import { describeFinding, type Paper } from "../../src/doctor/describe.ts";
import { startChecks } from "../../src/doctor/run-checks.ts";
import { MACHINE } from "../../src/doctor/system.ts";
import { SplatError } from "../../src/errors.ts";
import type { Project } from "../../src/project-file.ts";

export const NEVER: AbortSignal = new AbortController().signal;

/** Plain text, as in a pipe. */
export const PIPE: Paper = { width: null, isUnicode: true, paint: (_state, text) => text };

const BARE: DoctorSystem = {
  ...MACHINE,
  platform: "linux",
  nodeVersion: "22.4.0",
  ports: {
    list: () => Promise.resolve([]),
    holders: () => Promise.resolve([]),
    identity: () => Promise.resolve(null),
    open: () => Promise.reject(new SplatError("bad_input", "no port")),
  },
  cameras: { list: () => Promise.resolve([]), grab: () => Promise.reject(new Error("no camera")) },
  freeSpace: () => Promise.resolve({ device: "1", freeBytes: 50e9, freeFiles: null, isWritable: true }),
  deviceAccess: () => Promise.resolve({ mayOpen: true, group: null, isListed: false }),
  run: () => Promise.resolve(null),
  osRelease: () => Promise.resolve({}),
};

export interface Desk {
  readonly folder: string;
  readonly context: DoctorContext;
}

export interface DeskOptions {
  readonly system?: Partial<DoctorSystem>;
  readonly asked?: Partial<Asked>;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: { readonly url?: string };
  readonly project?: Project;
  /** The settings cannot be read. */
  readonly isBroken?: boolean;
}

/** A desk; its folder goes with the test. */
export async function doctorDesk(options: DeskOptions = {}): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), "splatctl-doctor-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const env = {
    SPLAT_CONFIG_DIR: join(folder, "config"),
    SPLAT_DATA_DIR: join(folder, "data"),
    SPLAT_SPOOL_DIR: join(folder, "spool"),
    SPLAT_RUN_DIR: join(folder, "run"),
    ...options.env,
  };
  const config = await resolveConfig(options.flags ?? {}, env, folder);
  const context: DoctorContext = {
    config: options.isBroken === true ? null : { ...config, project: options.project ?? config.project },
    places: config,
    projectFile: join(folder, "splatctl.json"),
    variables: Object.keys(options.env ?? {}),
    asked: { offline: false, wake: false, tryCameras: false, fix: false, ...options.asked },
    groups: new Set(GROUP_NAMES),
    system: { ...BARE, ...options.system },
  };
  return { folder, context };
}

/** All that checks find. */
export async function findingsOf(
  checks: readonly Check[],
  context: DoctorContext,
  signal = NEVER,
): Promise<Reported[]> {
  const found: Reported[] = [];
  for await (const one of startChecks(checks, context, signal).findings) found.push(one);
  return found;
}

/** What is printed of it. */
export async function linesOf(checks: readonly Check[], desk: Desk): Promise<string[]> {
  const found = await findingsOf(checks, desk.context);
  return found.flatMap((one) => describeFinding(one, PIPE).split("\n"));
}

/** A check that finds this. */
export function checkOf(id: string, run: Check["run"], limitMs?: number): Check {
  return { id, group: "machine", run, limitMs };
}

export const WELL: Finding = { state: "ok", message: "well" };
