/** `splatctl up`: relay and capture in one daemon. */
import { Option, type Command } from "commander";
import { visibleSecretWarning, withCamera } from "./capture-choice.ts";
import { withExamples } from "./examples.ts";
import { openClient, positiveNumber, withBackend, withSpool } from "./flags.ts";
import { withJoints } from "./relay.ts";
import { withDaemon } from "./run-as-daemon.ts";
import { openStartingNote } from "./starting-note.ts";
import { planUp, type UpFlags } from "./up-plan.ts";

/** Add the command. */
export function registerUp(program: Command): void {
  withExamples(withCamera(withJoints(withDaemon(withSpool(withBackend(program.command("up")))))), [
    ["splatctl up --webcam --relay serial", "joints from the arm's USB port, pictures from its camera"],
    ["splatctl up ./photos --relay lerobot --units deg", "joints from LeRobot's display socket"],
    ["splatctl up --detach", "what splatctl.json says, in the background: see ps, logs and down"],
    ["splatctl up ./left --scene left --no-relay", "images alone, into another scene"],
  ])
    .description("relay joints and capture a folder or camera in one daemon, as flags and splatctl.json say")
    .argument("[folder]", "where the images appear (default: capture.folder of splatctl.json)")
    .optionsGroup("Capture:")
    .option("--recursive", "look into sub-folders too")
    .option("--include <glob...>", "send files that match, instead of *.jpg, *.jpeg, *.png")
    .option("--exclude <glob...>", "leave out files that match")
    .option("--fps <n>", "start at most so many uploads a second", positiveNumber)
    .optionsGroup("Joints:")
    .addOption(
      new Option("--relay <source>", "where joints come from").choices(["serial", "http", "lerobot"]),
    )
    .option("--no-relay", "relay no joints, whatever splatctl.json says")
    .option("--device <path>", "serial port of the arm (default: it is searched for)")
    .option("--relay-url <url>", "address to poll for joints, or LeRobot's display socket")
    .optionsGroup("Options:")
    .option("--json", "print one JSON object")
    .action(async (folder: string | undefined, _options: object, command: Command) => {
      const flags = command.optsWithGlobals<UpFlags>();
      const starting = openStartingNote();
      const { client, config, log } = await openClient(flags, starting.onStarting);
      const warning = await visibleSecretWarning(flags);
      if (warning !== null) log.warn(warning);
      const { runPlan } = await import("./run-plan.ts");
      await runPlan(planUp(folder, flags, config), { flags, client, config, starting });
    });
}
