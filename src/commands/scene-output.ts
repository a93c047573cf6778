/** Scenes as files that a command was told to write: checked first, whole or not there afterwards. */
import { constants } from "node:fs";
import { access, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { writeDurably } from "../backend/durable.ts";
import { messageOf, SplatError } from "../errors.ts";
import { encodeScene, formatOfName, SCENE_FORMATS, type SceneFormat } from "../splat/formats.ts";
import type { Gaussians } from "../splat/gaussians.ts";

/**
 * The format that `path` asks for by its extension; its folder is made, so that whether the file can be written shows
 * before any work is done. Throws `usage` for a name of no format, `bad_input` for a place that cannot be written.
 */
export async function requireWritableScene(path: string): Promise<SceneFormat> {
  const format = formatOfName(path);
  if (format === undefined) {
    throw new SplatError("usage", `${path}: the name says no format that is written`, {
      hint: /\.compressed\.ply$/i.test(path)
        ? "Compressed PLY is only read. Leave out .compressed, or write .spz, which is smaller."
        : `Let it end in ${SCENE_FORMATS.map((each) => `.${each}`).join(" or ")}.`,
    });
  }
  await makeFolder(dirname(path));
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) throw new SplatError("bad_input", `${path} is a folder`, { hint: "Name a file in it." });
  return format;
}

/** Make a folder that can be written to. Throws `bad_input`. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new SplatError("bad_input", `cannot write into ${folder}: ${messageOf(cause)}`, {
      cause,
      hint: "Name another place, or mend its permissions.",
    });
  }
}

/** Write a scene whose every value is finite; answers its size, bytes. Throws `bad_input`. */
export async function writeScene(
  path: string,
  gaussians: Gaussians,
  { format, antialiased = false }: { readonly format: SceneFormat; readonly antialiased?: boolean },
): Promise<number> {
  if (gaussians.count === 0 && format === "splat") {
    throw new SplatError("bad_input", `${path}: a .splat cannot hold a scene without Gaussians`);
  }
  const file = encodeScene(gaussians, format, antialiased);
  const { sizeBytes } = await writeDurably(path, file).catch((thrown: unknown) => {
    // That file is the backend's, and so are its words; here nobody keeps frames.
    const cause = thrown instanceof SplatError ? (thrown.cause ?? thrown) : thrown;
    throw new SplatError("bad_input", `the scene was not written to ${path}: ${messageOf(cause)}`, {
      cause,
      hint: "Make room or mend permissions there, or name another place, and try again.",
    });
  });
  return sizeBytes;
}
