/** `splatctl fk`: where the arm's gripper and camera are at given joint angles. */
import type { Command } from "commander";
import { withExamples } from "./examples.ts";
import { logFor, type BackendFlags } from "./flags.ts";
import { printResult } from "./terminal.ts";

export interface FkFlags extends BackendFlags {
  /** Angles and zeros are in degrees. */
  readonly degrees?: boolean;
  readonly mount: string;
  readonly zeros?: string;
}

/** Add the command. */
export function registerFk(program: Command): void {
  withExamples(program.command("fk"), [
    ["splatctl fk 0,-0.4,0.5,0.3,0,0", "where gripper and camera are, and where on the table it looks"],
    ["splatctl fk --degrees 0,-23,29,17,0", "in degrees, without the gripper"],
    ["splatctl fk 0,-0.4,0.5,0.3,0,0 --mount leisaac --json", "another camera mount; matrices and Jacobians"],
  ])
    .description("print where the arm's gripper and its camera are at joint angles")
    .argument(
      "<angles...>",
      "pan, lift, elbow, wrist flex, wrist roll and, if you like, gripper, comma-separated, rad",
    )
    .option("--degrees", "the angles, and --zeros, are in degrees")
    .option(
      "--mount <name>",
      "where the camera sits on the gripper: a known mount, or none",
      "integrated-32x32",
    )
    .option("--zeros <a,b,c,d,e>", "joint-zero offsets added to the five arm joints, rad")
    .option("--json", "print one JSON object with 4×4 matrices and Jacobians")
    // A first angle below zero looks like an option; readAngles refuses what really is one.
    .allowUnknownOption()
    .action(async (angles: string[], _options, command: Command) => {
      const flags = command.optsWithGlobals<FkFlags>();
      const { describeArmPose } = await import("./describe-arm-pose.ts");
      const { armPose } = await import("./arm-pose.ts");
      const pose = armPose(angles, flags);
      const log = logFor(flags);
      for (const warning of pose.warnings) log.warn(warning);
      printResult(flags, pose, describeArmPose(pose));
    });
}
