/** `splatctl train`: train a posed data set here and now, without a backend. */
import { Option, type Command } from "commander";
import { withExamples } from "./examples.ts";
import { EXIT_CODES } from "../errors.ts";
import { logFor, nonNegativeNumber, wholeNumber, MOST, type BackendFlags } from "./flags.ts";
import { printResult } from "./terminal.ts";

export interface TrainFlags extends BackendFlags {
  readonly output: string;
  readonly steps?: number;
  readonly seconds?: number;
  readonly eval?: boolean;
  readonly evalImages?: string;
  readonly maxGaussians: number;
  readonly shDegree: string;
  readonly background?: "black" | "white" | "random";
  readonly exposure?: boolean;
  readonly antialiased?: boolean;
  readonly threads?: number;
  readonly maxPixels: number;
  readonly frameMemory?: number;
  readonly seed: number;
}

/** Add the command. */
export function registerTrain(program: Command): void {
  withExamples(program.command("train"), [
    ["splatctl train ./my-dataset", "a good scene, into scene.ply"],
    ["splatctl train ./my-dataset -o scene.spz --seconds 180", "three minutes, in a small format"],
    ["splatctl train ./my-dataset --eval --json", "hold every eighth image back and score it"],
  ])
    .description("train a posed data set (transforms.json) on this machine and write its scene")
    .argument("<dataset>", "folder with transforms.json and its images")
    .option("-o, --output <file>", "scene to write: .ply, .spz or .splat", "scene.ply")
    .optionsGroup("How long:")
    .option("--steps <n>", "optimisation steps (default: 100 a frame, at least 3000)", wholeNumber(1))
    .option("--seconds <s>", "end the last step so long after the start, loading included", nonNegativeNumber)
    .optionsGroup("Scores:")
    .option("--eval", "hold the test split back and score it at the end")
    .option("--eval-images <dir>", "write each held-out image beside its render (implies --eval)")
    .optionsGroup("Scene:")
    .option("--max-gaussians <n>", "cap on the number of Gaussians", wholeNumber(100, MOST.gaussians), 40_000)
    .addOption(
      new Option("--sh-degree <d>", "degree of view-dependent colour")
        .choices(["0", "1", "2", "3"])
        .default("3"),
    )
    .addOption(
      new Option(
        "--background <colour>",
        "behind the scene (default: white for images with alpha, else black)",
      ).choices(["black", "white", "random"]),
    )
    .option("--exposure", "learn each frame's own gain and bias, for a camera whose exposure swings")
    .option("--no-exposure", "take every frame's colours as they are (default)")
    .option("--antialiased", "train for viewers with the mip filter (SplatRenderMode: mip)")
    .optionsGroup("Machine:")
    .option("--threads <n>", "threads (default: all cores)", wholeNumber(1, MOST.threads))
    .option(
      "--max-pixels <n>",
      "train on images of at most so many pixels",
      wholeNumber(1, MOST.pixels),
      131_072,
    )
    .option(
      "--frame-memory <MiB>",
      "decoded images take at most this; beyond it they are read again and again (default: a share of free memory)",
      wholeNumber(1, MOST.frameMemoryMib),
    )
    .option("--seed <n>", "seed of everything random", wholeNumber(0, 0xffffffff), 1)
    .optionsGroup("Options:")
    .option("--json", "print one JSON object at the end")
    .action(async (dataset: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<TrainFlags>();
      const { trainDataset, describeTraining } = await import("./train-dataset.ts");
      const summary = await trainDataset(dataset, flags, logFor(flags));
      printResult(flags, summary, describeTraining(summary));
      if (!summary.complete) process.exitCode = EXIT_CODES.partial;
    });
}
