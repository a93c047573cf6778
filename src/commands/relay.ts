/** `splatctl relay`: joint angles from the arm to the backend, for hours. */
import { Option, type Command } from "commander";
import type { RelaySettings } from "../daemon/joint-road.ts";
import { openClient, portNumber, positiveNumber, withBackend } from "./flags.ts";
import { withDaemon, type DaemonFlags } from "./run-as-daemon.ts";
import { openStartingNote } from "./starting-note.ts";
import { relaySettings, type RelayFlags } from "./up-plan.ts";

/** Add the command and what it reads from. */
export function registerRelay(program: Command): void {
  const relay = program
    .command("relay")
    .description("send the arm's joint angles to the backend while it moves, from one of:");
  add(
    relay,
    "serial",
    "port",
    "the arm's serial bus; it is only ever read (default: the port is searched for)",
  );
  add(relay, "http", "url", "an address that is polled; without one, joints are pushed to this program");
  add(relay, "lerobot", "url", "LeRobot's own display socket (default: ws://127.0.0.1:8765)");
}

function add(relay: Command, source: RelaySettings["source"], argument: string, about: string): void {
  const command = withJoints(withDaemon(withBackend(relay.command(source))))
    .description(about)
    .argument(`[${argument}]`)
    .option("--json", "print one JSON object at the end");
  command.action(async (where: string | undefined, _options: object, called: Command) => {
    const flags = called.optsWithGlobals<DaemonFlags & RelayFlags>();
    const starting = openStartingNote();
    const { client, config } = await openClient(flags, starting.onStarting);
    const told = source === "serial" ? { device: where } : { relayUrl: where };
    const settings = relaySettings({ ...flags, ...told, relay: source }, config.project.relay);
    const { runPlan } = await import("./run-plan.ts");
    await runPlan({ capture: null, relay: settings }, { flags, client, config, starting });
  });
}

/** Add the flags that say how joints are read. */
export function withJoints(command: Command): Command {
  return command
    .option("--hz <n>", "most joint updates a second (default: 30)", positiveNumber)
    .addOption(
      new Option(
        "--units <unit>",
        "what LeRobot's numbers are in: deg since v0.4.4, norm (−100…100) before",
      ).choices(["rad", "deg", "norm"]),
    )
    .option("--robot-id <id>", "read LeRobot's calibration of this robot")
    .option("--calibration <file>", "read this calibration file of LeRobot's")
    .option(
      "--port <n>",
      "port of this daemon's own server (default: any; 7861 where joints are pushed)",
      portNumber,
    );
}
