/** `splatctl doctor`: whether this machine has what splatctl needs, and what mends what it lacks. */
import { Argument, type Command } from "commander";
import { GROUP_NAMES } from "../doctor/check.ts";
import { EXIT_CODES } from "../errors.ts";
import { withExamples } from "./examples.ts";
import { withBackend, type BackendFlags } from "./flags.ts";
import { interruptSignal } from "./terminal.ts";

export interface DoctorFlags extends BackendFlags {
  readonly offline?: boolean;
  readonly wake?: boolean;
  readonly try?: boolean;
  readonly fix?: boolean;
}

/** Add the command. */
export function registerDoctor(program: Command): void {
  const doctor = withBackend(
    program
      .command("doctor")
      .description("look whether everything is as it should be, and say what mends what is not")
      .addArgument(new Argument("[group...]", "look at these alone").choices(GROUP_NAMES)),
  )
    .option("--offline", "ask nothing over the network")
    .option("--wake", "start a backend in the cloud to ask it, which costs")
    .option("--try", "take a frame of each camera")
    .option("--fix", "close the file of secrets where others can read it")
    .option("--json", "print one JSON object")
    .action(async (groups: readonly string[], _options, command: Command) => {
      const { runDoctor } = await import("./run-doctor.ts");
      const isWell = await runDoctor(groups, command.optsWithGlobals<DoctorFlags>(), interruptSignal());
      if (!isWell) process.exitCode = EXIT_CODES.partial;
    });
  withExamples(doctor, [
    ["splatctl doctor", "everything"],
    ["splatctl doctor camera arm", "the cameras and the arm alone"],
    ["splatctl doctor --offline --json", "for scripts, and without a network"],
  ]);
}
