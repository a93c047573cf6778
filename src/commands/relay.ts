/** `splatctl relay`: joint angles from the arm to the backend, for hours. */
import { Option, type Command } from "commander";
import { withExamples, type Example } from "./examples.ts";
import type { RelaySettings } from "../daemon/joint-road.ts";
import { openClient, portNumber, positiveNumber, withBackend } from "./flags.ts";
import { withDaemon, type DaemonFlags } from "./run-as-daemon.ts";
import { openStartingNote } from "./starting-note.ts";
import { relaySettings, type RelayFlags } from "./up-plan.ts";

/** Add the command and what it reads from. */
export function registerRelay(program: Command): void {
  const relay = withExamples(program.command("relay"), [
    ["splatctl relay serial", "from the arm's USB port"],
    ["splatctl relay lerobot --units deg", "from LeRobot while it moves the arm"],
    ["splatctl relay http", "from whoever pushes them here"],
  ]).description("send the arm's joint angles to the backend while it moves");
  add(
    relay,
    "serial",
    ["port", "serial port of the arm (default: it is searched for)"],
    "read the arm's serial bus; nothing is ever written to it",
    [
      ["splatctl relay serial", "the only likely adapter is found"],
      ["splatctl relay serial /dev/ttyACM0 --detach", "this port, in the background"],
    ],
  );
  add(
    relay,
    "http",
    ["url", "address that is polled (default: none, joints are pushed to this program)"],
    "poll an address, or take joints that others push",
    [
      ["splatctl relay http --units deg", "take what is pushed to http://127.0.0.1:7861/update-joint-angles"],
      ["splatctl relay http http://127.0.0.1:8020/joints/read --hz 15", "ask a program such as phosphobot"],
    ],
  );
  add(
    relay,
    "lerobot",
    ["url", "LeRobot's display socket (default: ws://127.0.0.1:8765)"],
    "listen to LeRobot while it moves the arm",
    [
      ["splatctl relay lerobot --units deg", "LeRobot 0.6 or newer, started with --display_mode=foxglove"],
      [
        "splatctl relay lerobot --units norm --robot-id my_arm",
        "numbers from −100 to 100, by this arm's calibration",
      ],
    ],
  );
}

function add(
  relay: Command,
  source: RelaySettings["source"],
  [argument, meaning]: readonly [name: string, meaning: string],
  about: string,
  examples: readonly Example[],
): void {
  const command = withJoints(withDaemon(withBackend(withExamples(relay.command(source), examples))))
    .description(about)
    .argument(`[${argument}]`, meaning)
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
    .optionsGroup("Joints:")
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
    )
    .optionsGroup("Options:");
}
