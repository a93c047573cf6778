/** The relay that runs on this machine, whoever started it. */
import type { JointLookup } from "./joint-lookup.ts";
import { relayClient, type RelayClientOptions } from "./relay-client.ts";
import { listDaemons } from "./run-file.ts";
import { relays } from "./up.ts";

/**
 * Joints from the running daemon that has some: of several the one called "main", else the first by name. Another one can
 * be asked for by `name`.
 */
export function runningRelay(
  runDir: string,
  listener: Pick<RelayClientOptions, "onNote" | "onWarning">,
  name?: string,
): Pick<JointLookup, "around"> {
  return relayClient({
    ...listener,
    find: async () => {
      const running = (await listDaemons(runDir)).filter(
        ({ state, what, pid }) => state === "running" && relays(what) && pid !== process.pid,
      );
      const wanted = running.find((daemon) => daemon.name === (name ?? "main"));
      return (wanted ?? (name === undefined ? running[0] : undefined))?.url ?? null;
    },
  });
}
