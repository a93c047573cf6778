/** What kind of thing the value of an option or an argument is. */
import type { Argument, Command, Option } from "commander";

/** Values that this machine knows. */
export type ValueKind = "scene" | "daemon" | "port" | "camera" | "setting" | "session" | "mount" | "gpu";

/** A kind of value, folders, files that end so (none named = all), or nothing that could be known. */
export type Kind = ValueKind | "folders" | readonly string[] | null;

const SCENES = ["ply", "spz", "splat"];

/** By flag, or where commands differ by the command and the flag. */
export const OPTION_KINDS: Readonly<Record<string, Kind>> = {
  "--calibration": ["json"],
  "--device": "port",
  "--exec": [],
  "--gpu": "gpu",
  "--mount": "mount",
  "--python": [],
  "--relay": "daemon",
  "--scene": "scene",
  "--session": "session",
  "--webcam": "camera",
  "pull --output": SCENES,
  "train --output": SCENES,
};

/** By the command and the argument. */
export const ARGUMENT_KINDS: Readonly<Record<string, Kind>> = {
  "chunks push file": SCENES,
  "config get key": "setting",
  "config set key": "setting",
  "config unset key": "setting",
  "convert in": SCENES,
  "convert out": SCENES,
  "down name": "daemon",
  "logs name": "daemon",
  "relay serial port": "port",
};

/** What an option takes. */
export function kindOfOption(command: Command, { long, flags }: Option): Kind {
  const flag = long ?? "";
  const known = kindNamed(OPTION_KINDS, `${pathOf(command)} ${flag}`) ?? kindNamed(OPTION_KINDS, flag);
  return known ?? (/[<[]dir[>\]]/.test(flags) ? "folders" : /[<[](?:file|path)[>\]]/.test(flags) ? [] : null);
}

/** What an argument is. */
export function kindOfArgument(command: Command, argument: Argument): Kind {
  const name = argument.name();
  const known = kindNamed(ARGUMENT_KINDS, `${pathOf(command)} ${name}`);
  return known ?? (/^(?:folder|dir|dataset)$/.test(name) ? "folders" : null);
}

function kindNamed(kinds: Readonly<Record<string, Kind>>, name: string): Kind | undefined {
  return Object.hasOwn(kinds, name) ? kinds[name] : undefined;
}

/** `chunks get`. */
function pathOf(command: Command): string {
  const { parent } = command;
  return parent === null || parent.parent === null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}
