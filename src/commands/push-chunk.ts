/** What `splatctl chunks push` does: look at the file, store it, and say where. */
import { pushScene, type Pushed } from "../chunks/push.ts";
import { checkNames, sessionIdOf } from "../chunks/push-target.ts";
import { readSceneFile } from "../chunks/scene-file.ts";
import { printable } from "../printable.ts";
import { hiddenProgressLine, openProgressLine } from "../tui/progress-line.ts";
import { bytes, count } from "../quantities.ts";
import type { BackendFlags } from "./flags.ts";
import { openReader } from "./open-reader.ts";
import { openWriter, requireWritable } from "./open-writer.ts";

export interface PushFlags extends BackendFlags {
  readonly session?: string;
  readonly name?: string;
}

/** What came of it, and in which bucket. */
export interface PushedTo extends Pushed {
  readonly bucket: string;
  /** With `--name`; the chunk has another where the session has the same content under that. */
  readonly wantedName?: string | undefined;
}

/** Push the file at `path`. Throws what `readSceneFile` and `pushScene` throw. */
export async function pushChunk(path: string, flags: PushFlags, signal: AbortSignal): Promise<PushedTo> {
  checkNames({ sessionId: flags.session, name: flags.name });
  const open = await openReader(flags, { hasPublic: false });
  const progress = flags.quiet === true ? hiddenProgressLine() : await openProgressLine();
  const { scene, log } = open;
  try {
    requireWritable(open);
    const file = await readSceneFile(path, signal, (read, size) =>
      progress.update(`reading ${path}: ${bytes(read)} of ${bytes(size)}`),
    );
    const sessionId = flags.session ?? sessionIdOf(file.sha256);
    if (flags.quiet !== true) progress.say(`session ${sessionId}`);
    const writer = await openWriter(open, progress, signal);
    const pushed = await pushScene(writer, file, {
      scene,
      sessionId,
      name: flags.name,
      onProgress: (sent) => progress.update(`pushing ${path}: ${bytes(sent)} of ${bytes(file.sizeBytes)}`),
    }).finally(() => writer.bucket.close());
    if (!pushed.isNewest) {
      log.warn(
        `scene ${scene} still shows the session that is live now; --session ${pushed.sessionId} finds this one`,
      );
    }
    return { ...pushed, bucket: open.bucket, wantedName: flags.name?.normalize("NFC") };
  } finally {
    progress.end();
    await open.reader.close();
  }
}

/** For scripts. */
export function pushedJson({ outcome, bucket, scene, sessionId, chunk, isNewest }: PushedTo): object {
  return { success: true, outcome, bucket, scene, session_id: sessionId, is_newest: isNewest, ...chunk };
}

/** For people: what it was, then where it lies. */
export function describePushed({ outcome, sessionId, chunk, wantedName = chunk.name }: PushedTo): string {
  const what = `${count(chunk.gaussian_count)} Gaussians, ${bytes(chunk.bytes)}`;
  const done = outcome === "already" ? "already there" : "pushed";
  const named = wantedName === chunk.name ? `${done}: ${chunk.name}` : `${done} as ${chunk.name}`;
  const line = `${named}, ${what}, session ${sessionId}`;
  return [line, chunk.key, ...(chunk.url === null ? [] : [chunk.url])].map(printable).join("\n");
}
