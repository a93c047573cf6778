/** What the demo's camera saw, kept as a data set that every other command can be tried with. */
import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FrameRecord } from "../api/schema.ts";
import { messageOf, SplatError } from "../errors.ts";
import { DEMO_SCENE } from "./demo-rig.ts";

/** Make the folder. Throws `bad_input` when it cannot be made or something lies in it. */
export async function makeDatasetFolder(folder: string): Promise<void> {
  const entries = await mkdir(folder, { recursive: true })
    .then(() => readdir(folder))
    .catch((error: unknown) => {
      throw new SplatError("bad_input", `cannot keep pictures in ${folder}: ${messageOf(error)}`, {
        hint: "Name a folder that is empty or not there yet.",
        cause: error,
      });
    });
  if (entries.length === 0) return;
  throw new SplatError("bad_input", `something lies in ${folder} already`, {
    hint: "Name a folder that is empty or not there yet.",
  });
}

/** Copy the pictures of `shot` and write where each was taken, as nerfstudio does (transforms.json). */
export async function keepDataset(
  shot: string,
  records: readonly FrameRecord[],
  folder: string,
): Promise<void> {
  const names = (await readdir(shot)).filter((name) => name.endsWith(".png")).sort();
  const frames = names.flatMap((name) => {
    const record = records.find(({ frame_id }) => frame_id.endsWith(`-${name}`));
    return record === undefined || record.camera_to_world === null
      ? []
      : [{ file_path: name, transform_matrix: record.camera_to_world }];
  });
  for (const { file_path: name } of frames) await copyFile(join(shot, name), join(folder, name));
  const { model: camera_model, ...lens } = DEMO_SCENE.camera ?? {};
  await writeFile(
    join(folder, "transforms.json"),
    `${JSON.stringify({ camera_model, ...lens, frames }, null, 2)}\n`,
  );
}
