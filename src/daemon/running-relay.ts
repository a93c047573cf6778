/** The relay that runs on this machine, whoever started it. */
import type { JointLookup } from "./joint-lookup.ts";
import { relayClient, type RelayClientOptions } from "./relay-client.ts";
import { DEFAULT_DAEMON } from "./daemon-name.ts";
import { listDaemons } from "./run-file.ts";

/** Which relay is meant. */
export interface RelayChoice {
  /** This one and no other. */
  readonly name?: string | undefined;
  /** The scene that the joints are for. */
  readonly scene?: string | undefined;
}

/**
 * Joints from the running daemon that has some: of several the one that works for the same scene, else the one called
 * "main", else the first by name.
 */
export function runningRelay(
  runDir: string,
  listener: Pick<RelayClientOptions, "onNote" | "onWarning">,
  { name, scene = DEFAULT_DAEMON }: RelayChoice = {},
): Pick<JointLookup, "around"> {
  return relayClient({
    ...listener,
    find: async () => {
      const running = (await listDaemons(runDir)).filter(
        ({ state, relays, pid }) => state === "running" && relays && pid !== process.pid,
      );
      const called = (wanted: string) => running.find((daemon) => daemon.name === wanted);
      if (name !== undefined) return called(name)?.url ?? null;
      const near = running.filter((daemon) => daemon.scene === scene);
      const found = near.find((daemon) => daemon.name === scene) ?? near[0] ?? called(DEFAULT_DAEMON);
      return (found ?? running[0])?.url ?? null;
    },
  });
}
