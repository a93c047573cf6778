/** A scene on its way into a file: checked as it passes, and never left torn. */
import { open, rename, rm } from "node:fs/promises";
import { messageOf, SplatError } from "../errors.ts";
import type { SplatScene } from "./client.ts";
import { sceneCheck, type SplatFormat } from "./scene-check.ts";

/**
 * The scene's bytes, passed on as they arrive. Throws `unreachable` when fewer or more come than were announced, and
 * `internal` when what they hold is not the count in `X-Splat-Count`: at the end at the latest.
 */
export async function* checked(
  scene: SplatScene,
  format: SplatFormat,
): AsyncGenerator<Uint8Array, void, undefined> {
  const check = sceneCheck(format, scene.gaussianCount);
  let receivedBytes = 0;
  for await (const piece of scene.body) {
    receivedBytes += piece.length;
    await check.take(piece);
    yield piece;
  }
  if (scene.sizeBytes !== null && receivedBytes !== scene.sizeBytes) {
    throw new SplatError(
      "unreachable",
      `the scene arrived torn: ${receivedBytes} of ${scene.sizeBytes} bytes`,
      {
        hint: "Try again.",
      },
    );
  }
  await check.end();
}

/**
 * Write the scene to `path`: into a temporary file beside it, flushed to the disk, then renamed, so that whoever opens
 * `path` finds the whole scene or what was there before. Answers the size. Throws as `checked`, and `bad_input` when
 * the file cannot be written.
 */
export async function saveSplat(
  scene: SplatScene,
  path: string,
  options: {
    readonly format: SplatFormat;
    readonly onProgress?: (receivedBytes: number) => void;
  },
): Promise<number> {
  const temporary = `${path}.${process.pid}.part`;
  const file = await open(temporary, "w").catch(async (thrown: unknown) => {
    await scene.discard();
    return cannotWrite(path, thrown);
  });
  try {
    let receivedBytes = 0;
    try {
      for await (const piece of checked(scene, options.format)) {
        await file.writeFile(piece).catch((thrown: unknown) => cannotWrite(path, thrown));
        receivedBytes += piece.length;
        options.onProgress?.(receivedBytes);
      }
      await file.sync().catch((thrown: unknown) => cannotWrite(path, thrown));
    } finally {
      await file.close();
    }
    await rename(temporary, path).catch((thrown: unknown) => cannotWrite(path, thrown));
    return receivedBytes;
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
}

function cannotWrite(path: string, thrown: unknown): never {
  throw new SplatError("bad_input", `cannot write ${path}: ${messageOf(thrown)}`, {
    cause: thrown,
    hint: "Name a file in a folder that exists and can be written, with -o.",
  });
}
