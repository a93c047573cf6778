/** `splatctl cameras`: what `--webcam` can name on this machine. */
import type { Command } from "commander";
import type { BackendFlags } from "./flags.ts";
import { withExamples } from "./examples.ts";
import { printResult } from "./terminal.ts";

/** Add the command. */
export function registerCameras(program: Command): void {
  withExamples(program.command("cameras"), [
    ["splatctl cameras", "name, path and picture sizes of each"],
    ["splatctl cameras --json", "for scripts: the lasting name and all sizes too"],
  ])
    .description("list the cameras of this machine")
    .option("--json", "print one JSON object")
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<BackendFlags>();
      const { listCameras } = await import("../capture/camera-list.ts");
      const { describeCameras, cameraJson } = await import("./describe-cameras.ts");
      const cameras = await listCameras();
      printResult(flags, { success: true, cameras: cameras.map(cameraJson) }, describeCameras(cameras));
    });
}
