/** What checks are given: the settings, what was asked for, and the machine. */
import type { Config } from "../config.ts";
import type { Places } from "../config-surroundings.ts";
import type { PortSystem } from "../robot/serial-connect.ts";
import type { CameraSystem } from "./camera-system.ts";
import type { GroupName } from "./check.ts";

/** What the flags say. */
export interface Asked {
  /** Nothing goes over the network but to this machine itself. */
  readonly offline: boolean;
  /** A backend in the cloud may be started. */
  readonly wake: boolean;
  /** A frame of each camera is grabbed. */
  readonly tryCameras: boolean;
  /** What can be mended without a question is mended. */
  readonly fix: boolean;
}

/** How a program ended and what it printed; null when there is none of that name. */
export type ProgramRun = { readonly code: number | null; readonly output: string } | null;

/** Whether this user may read and write a device. */
export interface DeviceAccess {
  readonly mayOpen: boolean;
  /** The group that may, where a group may; null where that is not how it works. */
  readonly group: string | null;
  /** The user is in that group by the system's books, but this session began before. */
  readonly isListed: boolean;
}

/** How much room there is where a folder lies, or will. */
export interface FreeSpace {
  /** The same for folders of one file system. */
  readonly device: string;
  readonly freeBytes: number;
  /** Files that can still be made; null where the file system sets no limit. */
  readonly freeFiles: number | null;
  readonly isWritable: boolean;
}

/** The machine, so that tests can bring their own. */
export interface DoctorSystem {
  readonly platform: NodeJS.Platform;
  readonly nodeVersion: string;
  readonly ports: PortSystem;
  readonly cameras: CameraSystem;
  readonly nowS: () => number;
  readonly freeSpace: (folder: string) => Promise<FreeSpace>;
  /** Null when nothing is there. */
  readonly deviceAccess: (path: string) => Promise<DeviceAccess | null>;
  readonly run: (command: readonly string[], signal: AbortSignal) => Promise<ProgramRun>;
  /** Throws what is wrong with it. */
  readonly tryWasm: (signal: AbortSignal) => Promise<"relaxed" | "plain">;
  /** What `/etc/os-release` says; empty where there is none. */
  readonly osRelease: () => Promise<Readonly<Record<string, string>>>;
}

/** What a check is given. */
export interface DoctorContext {
  /** Null when they cannot be read; `settings` says why. */
  readonly config: Config | null;
  readonly places: Places;
  /** The project file, whether it is there or not. */
  readonly projectFile: string;
  /** Names of variables that are set and look like ours. */
  readonly variables: readonly string[];
  readonly asked: Asked;
  /** Those that are looked at. */
  readonly groups: ReadonlySet<GroupName>;
  readonly system: DoctorSystem;
}
