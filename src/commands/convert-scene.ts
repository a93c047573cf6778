/** What `splatctl convert` does: read, leave out what was asked, write, and say what was lost. */
import { readFile, realpath } from "node:fs/promises";
import { messageOf, SplatError } from "../errors.ts";
import { decodeScene, lossesOf, type DecodedScene } from "../splat/formats.ts";
import type { ShDegree } from "../splat/gaussians.ts";
import { limitShDegree, selectGaussians } from "../splat/select.ts";
import type { ConvertFlags } from "./convert.ts";
import { bytes, count } from "../quantities.ts";
import { requireWritableScene, writeScene } from "./scene-output.ts";

/** What was converted, as `--json` prints it. */
export interface Conversion {
  readonly input: string;
  readonly output: string;
  readonly from: string;
  readonly to: string;
  readonly gaussians_read: number;
  readonly gaussians_written: number;
  readonly sh_degree: number;
  readonly bytes_read: number;
  readonly bytes_written: number;
  /** What of the input is not in the output, a phrase each. */
  readonly lost: readonly string[];
}

/** Convert `input` into `output`, by their content and name. Throws `usage` and `bad_input`; then `output` is as it was. */
export async function convertScene(input: string, output: string, flags: ConvertFlags): Promise<Conversion> {
  if (await sameFile(input, output)) {
    throw new SplatError("usage", `${output} is the file to be converted`, { hint: "Name another file." });
  }
  const file = await readFile(input).catch((cause: unknown) => {
    throw new SplatError("bad_input", `cannot read ${input}: ${messageOf(cause)}`, { cause });
  });
  const { gaussians: read, format: from, antialiased, lost } = await decode(file, input);
  const to = await requireWritableScene(output);
  const degree = Number(flags.shDegree ?? 3) as ShDegree;
  const selected = selectGaussians(read, flags.maxGaussians ?? read.count);
  const written = limitShDegree(selected, degree);
  const bytesWritten = await writeScene(output, written, { format: to, antialiased });
  return {
    input,
    output,
    from,
    to,
    gaussians_read: read.count,
    gaussians_written: written.count,
    sh_degree: to === "splat" ? 0 : written.shDegree,
    bytes_read: file.length,
    bytes_written: bytesWritten,
    lost: [
      ...lost,
      ...(written.count < read.count ? [`the ${read.count - written.count} least important Gaussians`] : []),
      ...(written.shDegree < read.shDegree ? [`view-dependent colour above degree ${written.shDegree}`] : []),
      ...lossesOf(written, to, antialiased),
    ],
  };
}

/** Which of two files it is about belongs into the message. */
async function decode(file: Uint8Array, input: string): Promise<DecodedScene> {
  try {
    return await decodeScene(file, input);
  } catch (thrown) {
    if (!(thrown instanceof SplatError) || thrown.message.includes(input)) throw thrown;
    const { code, message, hint, cause } = thrown;
    throw new SplatError(code, `${input}: ${message}`, { hint, cause });
  }
}

/** The conversion for people. */
export function describeConversion(result: Conversion): string {
  const line =
    `wrote ${result.output}: ${count(result.gaussians_written)} Gaussians, degree ${result.sh_degree}, ` +
    `${bytes(result.bytes_written)} (${result.input}: ${result.from}, ${bytes(result.bytes_read)})`;
  return [line, ...result.lost.map((each) => `  lost: ${each}`)].join("\n");
}

async function sameFile(a: string, b: string): Promise<boolean> {
  const [pathA, pathB] = await Promise.all([a, b].map((path) => realpath(path).catch(() => null)));
  return pathA !== null && pathA === pathB;
}
