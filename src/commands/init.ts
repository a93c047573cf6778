/** `splatctl init`: set up this folder's work once. */
import { Option, type Command } from "commander";
import { SplatError } from "../errors.ts";
import { withExamples } from "./examples.ts";
import type { BackendFlags } from "./flags.ts";

/** Flags of the command: each answers a question. */
export interface InitFlags extends BackendFlags {
  readonly backend?: "local" | "modal" | "other";
  readonly folder?: string;
  /** True: the only camera of this machine. */
  readonly webcam?: string | true;
  /** False with --no-pictures. */
  readonly pictures: boolean;
  readonly relay?: "serial" | "http" | "lerobot" | "none";
  readonly device?: string;
  readonly relayUrl?: string;
  readonly units?: "rad" | "deg" | "norm";
  readonly robotId?: string;
  readonly lens?: string;
  readonly bucket?: boolean;
  readonly yes?: boolean;
}

/** Add the command. */
export function registerInit(program: Command): void {
  const command = program
    .command("init")
    .description("set up this folder's work: asks, tries each answer at once, and writes splatctl.json")
    .optionsGroup("Backend:")
    .addOption(new Option("--backend <way>", "where scenes are trained").choices(["local", "modal", "other"]))
    .option("--url <url>", "a backend that there is already")
    .option("--scene <name>", "which of its scenes")
    .optionsGroup("Pictures:")
    .option("--folder <dir>", "take pictures from this folder")
    .addOption(new Option("--webcam [device]", "take pictures from a camera").conflicts("folder"))
    .option("--no-pictures", "take none")
    .optionsGroup("Joints:")
    .addOption(
      new Option("--relay <source>", "where joints come from").choices(["serial", "http", "lerobot", "none"]),
    )
    .option("--device <path>", "serial port of the arm (default: it is searched for)")
    .option("--relay-url <url>", "address to poll for joints, or LeRobot's display socket")
    .addOption(
      new Option("--units <unit>", "what the joints' numbers are in").choices(["rad", "deg", "norm"]),
    )
    .option("--robot-id <id>", "read LeRobot's calibration of this robot")
    .optionsGroup("Pictures:")
    .option("--lens <lens>", "what is known of the camera, such as '640x480 530px' or '640x480 62deg'")
    .optionsGroup("Bucket:")
    .option("--bucket", "set a bucket up too; its settings come from the environment")
    .option("--no-bucket", "set none up")
    .optionsGroup("Options:")
    .option("--yes", "ask nothing: take the flags, the environment, and what is usual")
    .option("--json", "print one JSON object (with --yes)")
    .action(async (_options, called: Command) => {
      const flags = called.optsWithGlobals<InitFlags>();
      if (flags.yes !== true && (flags.json === true || !process.stdin.isTTY)) {
        throw new SplatError("usage", "nobody is there to ask", {
          hint: "Add --yes; flags answer the questions.",
        });
      }
      await (await import("./run-init.ts")).runInit(flags);
    });
  withExamples(command, [
    ["splatctl init", "a few questions; Enter takes what is usual"],
    ["splatctl init --yes --folder photos --relay serial", "no question: for scripts"],
  ]);
}
