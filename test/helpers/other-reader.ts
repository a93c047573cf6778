/** Scenes read and written by @playcanvas/splat-transform, which shares no code with ours. */
import {
  getInputFormat,
  getOutputFormat,
  MemoryFileSystem,
  MemoryReadFileSystem,
  readFile,
  writeFile,
  type DataTable,
} from "@playcanvas/splat-transform";
import { allocateGaussians, shCount, type Gaussians } from "../../src/splat/gaussians.ts";
import { encodePly } from "../../src/splat/ply.ts";

/** The scene that the other reader finds in a file. */
export async function readByOther(name: string, bytes: Uint8Array): Promise<Gaussians> {
  return toGaussians(await tableOf(name, bytes));
}

/** A scene as the other writer's file, by the name's extension; it makes SPZ of the version given. */
export async function writtenByOther(
  scene: Gaussians,
  name: string,
  spzVersion: 2 | 3 | 4 = 4,
): Promise<Uint8Array> {
  const fileSystem = new MemoryFileSystem();
  const options = { iterations: 1, spzVersion } as never;
  const dataTable = await tableOf("scene.ply", Buffer.concat([...encodePly(scene)]));
  const outputFormat = getOutputFormat(name, options);
  await writeFile({ filename: name, outputFormat, dataTable, options }, fileSystem);
  return fileSystem.results.get(name) as Uint8Array;
}

async function tableOf(name: string, bytes: Uint8Array): Promise<DataTable> {
  const fileSystem = new MemoryReadFileSystem();
  fileSystem.set(name, bytes);
  const [table] = await readFile({
    filename: name,
    inputFormat: getInputFormat(name),
    options: { iterations: 1 } as never,
    params: [],
    fileSystem,
  });
  return table;
}

function toGaussians(table: DataTable): Gaussians {
  const degree = ([3, 2, 1] as const).find((d) => table.hasColumn(`f_rest_${3 * (shCount(d) - 1) - 1}`)) ?? 0;
  const scene = allocateGaussians(table.numRows, degree);
  const k = shCount(scene.shDegree);
  const copy = (name: string, target: Float32Array, offset: number, stride: number): void => {
    const values = table.getColumnByName(name)?.data ?? [];
    for (let i = 0; i < values.length; i++) target[offset + i * stride] = values[i];
  };
  ["x", "y", "z"].forEach((name, c) => copy(name, scene.means, c, 3));
  for (let c = 0; c < 3; c++) copy(`scale_${c}`, scene.logScales, c, 3);
  for (let c = 0; c < 4; c++) copy(`rot_${c}`, scene.quats, c, 4);
  copy("opacity", scene.opacities, 0, 1);
  for (let c = 0; c < 3; c++) {
    copy(`f_dc_${c}`, scene.sh, c * k, 3 * k);
    for (let j = 1; j < k; j++) copy(`f_rest_${c * (k - 1) + j - 1}`, scene.sh, c * k + j, 3 * k);
  }
  return scene;
}
