/** Answers a shell that asks what may go on a line: quick, without a network, and silent whatever goes wrong. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { MAIN_SCENE } from "../api/limits.ts";
import type { ValueKind } from "../completion/kinds.ts";
import { offersFor, type Offer, type Offers } from "../completion/offers.ts";
import { resolveConfig } from "../config.ts";
import { printable } from "../printable.ts";

/**
 * Print what may stand where the last of `words` is typed: a line that says which files may (`:none`, `:folders`, or
 * `:files` and endings), then a value a line with what it is behind a tab.
 */
export async function printOffers(program: Command, words: readonly string[]): Promise<void> {
  const current = words.at(-1) ?? "";
  try {
    const found = await offersFor(program, words.slice(0, -1), current, (kind) =>
      VALUES[kind]().catch(() => []),
    );
    process.stdout.write(textOf(found));
  } catch {
    process.stdout.write(":none\n");
  }
}

function textOf({ offers, files }: Offers): string {
  const directive =
    files === null ? ":none" : files === "folders" ? ":folders" : [":files", ...files].join(" ");
  const lines = offers.map(({ value, about }) => `${printable(value)}\t${printable(about)}`);
  return `${[directive, ...lines].join("\n")}\n`;
}

const VALUES: Readonly<Record<ValueKind, () => Promise<readonly Offer[]>>> = {
  scene: scenes,
  daemon: daemons,
  camera: cameras,
  async port() {
    const { listArmPorts } = await import("../robot/serial-ports.ts");
    const ports = await listArmPorts();
    return ports.map(({ path, isLikely }) => ({ value: path, about: isLikely ? "likely an arm" : "" }));
  },
  async setting() {
    const { SETTING_RULES } = await import("../config-keys.ts");
    return SETTING_RULES.map(({ key, about }) => ({ value: key, about }));
  },
  async session() {
    return await Promise.resolve([
      { value: "latest", about: "the newest of the scene" },
      { value: "all", about: "all of them" },
    ]);
  },
  async mount() {
    const { CAMERA_MOUNTS } = await import("../robot/camera-mounts.ts");
    return [...CAMERA_MOUNTS.map(({ name }) => name), "none"].map((value) => ({ value, about: "" }));
  },
  async gpu() {
    const { DEFAULT_GPUS } = await import("../remote/gpus.ts");
    return DEFAULT_GPUS.map((value) => ({ value, about: "" }));
  },
};

/** Those that settings and daemons speak of. */
async function scenes(): Promise<readonly Offer[]> {
  const { user, project, scene, runDir } = await resolveConfig({});
  const running = (await runFiles(runDir)).map((file) => file.scene);
  const names = [MAIN_SCENE, scene, project.scene, ...(user.deployment?.scenes ?? []), ...running];
  const known = names.filter((name) => typeof name === "string");
  return [...new Set(known)].map((value) => ({ value, about: "" }));
}

async function daemons(): Promise<readonly Offer[]> {
  const { runDir } = await resolveConfig({});
  const files = await runFiles(runDir);
  return files.flatMap(({ name, what }) =>
    typeof name === "string" ? [{ value: name, about: typeof what === "string" ? what : "" }] : [],
  );
}

/** What files say of daemons, whether they still run or not: to ask them would take longer than a key may. */
async function runFiles(runDir: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const names = (await readdir(runDir)).filter((name) => name.endsWith(".json"));
  const texts = await Promise.all(names.map((name) => readFile(join(runDir, name), "utf8").catch(() => "")));
  return texts.flatMap((text) => {
    try {
      const value = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
      return typeof value === "object" && value !== null ? [value] : [];
    } catch {
      return [];
    }
  });
}

/** Devices of Linux; elsewhere only ffmpeg knows, and takes seconds. */
async function cameras(): Promise<readonly Offer[]> {
  const names = (await readdir("/dev")).filter((name) => /^video\d+$/.test(name));
  const sorted = names.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return await Promise.all(
    sorted.map(async (name) => {
      const about = await readFile(`/sys/class/video4linux/${name}/name`, "utf8").catch(() => "");
      return { value: `/dev/${name}`, about: about.trim() };
    }),
  );
}
