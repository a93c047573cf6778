/** The road that joints take to us: from what the user says of it to the source that reads them. */
import {
  findCalibration,
  readCalibration,
  type LerobotPlaces,
  type MotorCalibration,
} from "../robot/calibration-file.ts";
import { foxgloveSource } from "../robot/foxglove.ts";
import { httpPollSource } from "../robot/http-poll.ts";
import { parseJointBody, requireUnits, type JointUnits } from "../robot/joint-body.ts";
import type { JointReading } from "../robot/joint-history.ts";
import type { JointSource } from "../robot/joint-source.ts";
import { DEFAULT_SERIAL_HZ, serialSource } from "../robot/serial.ts";
import { preciseNowS } from "../time.ts";

/** Where joints come from and how they are read. */
export interface RelaySettings {
  readonly source: "serial" | "http" | "lerobot";
  /** Serial port; else it is searched for. */
  readonly path?: string | undefined;
  /** Address to poll, or LeRobot's display socket. `http` without it: joints are pushed to the daemon's own server. */
  readonly url?: string | undefined;
  /** Most joint updates to the backend a second; 30 unless told. */
  readonly hz?: number | undefined;
  /** What LeRobot's numbers are in; degrees since v0.4.4, norm (−100…100) before. */
  readonly units?: JointUnits | undefined;
  /** Port of the daemon's own server, for joints that are pushed to it. */
  readonly port?: number | undefined;
  /** Whose calibration file of LeRobot's is to be read. */
  readonly robotId?: string | undefined;
  /** A calibration file. */
  readonly calibration?: string | undefined;
}

/** A road that is open. */
export interface JointRoad {
  /** In words: `the serial port /dev/ttyACM0`. */
  readonly from: string;
  /** Null when they are pushed to the daemon's server. */
  readonly source: JointSource | null;
  /** Parses what is pushed; null when they come from elsewhere. Throws SplatError for what cannot be joints. */
  readonly parse: ((body: unknown) => JointReading) | null;
}

/** Where programs that push joints look for the daemon. */
export const PUSH_PORT = 7861;

/** What a backend gets unless told otherwise. */
export const DEFAULT_RELAY_HZ = 30;

/**
 * Open a road; nothing is read yet. Throws `bad_input` for a calibration that cannot be read, an address that cannot be
 * one, and units that are needed and not said.
 */
export async function openJointRoad(settings: RelaySettings, places: LerobotPlaces): Promise<JointRoad> {
  const ranges = await calibrationFor(settings, places);
  const { path, url, units } = settings;
  if (settings.source === "serial") {
    const hz = Math.max(DEFAULT_SERIAL_HZ, settings.hz ?? 0);
    const from = `the serial port${path === undefined ? "" : ` ${path}`}`;
    return { from, source: serialSource({ path, hz, calibration: ranges }), parse: null };
  }
  if (settings.source === "lerobot") {
    requireUnits(units, ranges);
    return { from: "LeRobot's display", source: foxgloveSource({ url, units, ranges }), parse: null };
  }
  if (url !== undefined) {
    const hz = settings.hz ?? DEFAULT_RELAY_HZ;
    const source = httpPollSource({ url, hz, units, ranges });
    return { from: withoutSecrets(url), source, parse: null };
  }
  if (units !== undefined) requireUnits(units, ranges);
  const parse = (body: unknown): JointReading =>
    parseJointBody(body, { units, ranges, receivedAtS: preciseNowS() });
  return { from: "programs that push them here", source: null, parse };
}

async function calibrationFor(
  { calibration, robotId, units, source }: RelaySettings,
  places: LerobotPlaces,
): Promise<readonly MotorCalibration[] | undefined> {
  if (calibration !== undefined) return await readCalibration(calibration);
  if (robotId === undefined && (source === "serial" || units !== "norm")) return undefined;
  return await readCalibration(await findCalibration(robotId, places));
}

/** Host and path: user, password and query may be nobody else's business. */
function withoutSecrets(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname === "/" ? "" : pathname}`;
}
