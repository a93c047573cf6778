/** What a daemon is to do, from flags and the project file. */
import { PROJECT_FILE, type Config } from "../config.ts";
import type { RelaySettings } from "../daemon/joint-road.ts";
import type { UpPlan } from "../daemon/up.ts";
import { SplatError } from "../errors.ts";
import { chooseCapture, type CaptureFlags } from "./capture-choice.ts";
import type { DaemonFlags } from "./run-as-daemon.ts";

/** Flags of a relay. */
export interface RelayFlags {
  /** False: none. */
  readonly relay?: RelaySettings["source"] | false | undefined;
  readonly device?: string | undefined;
  readonly relayUrl?: string | undefined;
  readonly hz?: number;
  readonly units?: RelaySettings["units"];
  readonly port?: number;
  readonly robotId?: string;
  readonly calibration?: string;
}

export interface UpFlags extends DaemonFlags, RelayFlags, CaptureFlags {}

/** Flags over the project file. Throws `usage` when both together ask for nothing. */
export function planUp(folder: string | undefined, flags: UpFlags, config: Config): UpPlan {
  const { project, spoolDir } = config;
  const relay = relaySettings(flags, project.relay);
  const chosen = chooseCapture(folder, flags, config);
  if (chosen === null && relay === null) {
    throw new SplatError(
      "usage",
      "there is nothing to do: no folder or camera to capture and no joints to relay",
      {
        hint: `Name a folder, --webcam or --relay serial, here or in ${PROJECT_FILE}.`,
      },
    );
  }
  return { capture: chosen && { ...chosen, spoolDir }, relay };
}

/** Where joints come from; null when nobody asks for any. What a project file says of one source is not said of another. */
export function relaySettings(flags: RelayFlags, project: Config["project"]["relay"]): RelaySettings | null {
  if (flags.relay === false) return null;
  const source = flags.relay ?? project?.source;
  if (source === undefined) return null;
  const { device: path, relayUrl: url, hz, units, port, robotId, calibration } = flags;
  const { robot_id, ...said } = project?.source === source ? project : {};
  const typed = withoutHoles({ path, url, hz, units, port, robotId, calibration });
  return { robotId: robot_id, ...said, ...typed, source };
}

/** What was typed, without what was not. */
function withoutHoles<T extends object>(flags: T): Partial<T> {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)) as Partial<T>;
}
