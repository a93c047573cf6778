/** A watched folder as the source of a capture: images, sidecars, or a data set. */
import { isDataset, readDataset, type DatasetFrame } from "../capture/dataset.ts";
import { requireFolder } from "../capture/folder-watch.ts";
import { readAgain, watchFolder, type FolderOptions } from "../capture/folder.ts";
import { frameNameFilter } from "../capture/frame-names.ts";
import type { Frame, Sample } from "../capture/sample.ts";
import { folderHasSidecars } from "../capture/sidecar.ts";
import { realFolder } from "../queue/open-spool.ts";
import type { FolderCapture } from "./capture-options.ts";
import type { CaptureSource, PassParts } from "./capture-source.ts";
import { pastPauses } from "./past-pauses.ts";
import { noPoseWarning, posedBy, sendableFrames } from "./posing.ts";

/** Throws `bad_input` when the folder or its transforms.json cannot be used. */
export async function folderSource(options: FolderCapture): Promise<CaptureSource> {
  const { folder, once = false, recursive = false, pause, joints } = options;
  await requireFolder(folder);
  const isPosed = options.ignoreDataset !== true && (await isDataset(folder));
  const dataset = isPosed ? await readDataset(folder, { allowMissing: !once }) : null;

  /** With a data set, only the frames that it names. */
  async function* frames(
    { listener, spool, tally }: PassParts,
    signal: AbortSignal,
  ): AsyncGenerator<Sample<Frame>> {
    const posed = dataset && sendableFrames(dataset, (name, reason) => tally.reject(name, reason));
    const isFrame = frameNameFilter(options);
    const watched: FolderOptions = {
      recursive: recursive || posed !== null,
      once,
      accepts: (name) => {
        if (!isFrame(name)) return false;
        if (posed === null || posed.has(name)) return true;
        tally.skip(name);
        return false;
      },
      onRejected: (name, reason) => tally.reject(name, reason),
      onWarning: (line) => listener.onWarning(line),
      takenBefore: (name) => spool.takenBefore(name),
      onTakenBefore: () => tally.takenBefore(),
    };
    const found = posedFrames(watchFolder(folder, watched, signal), posed);
    const onWarning = (line: string): void => listener.onWarning(line);
    const again = (sample: Sample<Frame>): ReturnType<typeof readAgain> => readAgain(folder, sample);
    if (pause === undefined) yield* found;
    else yield* pastPauses(found, { pause, joints, onWarning, readAgain: again }, signal);
  }

  return {
    identity: await realFolder(folder),
    dataset,
    noPoseWarning: async () => ((await folderHasSidecars(folder, recursive)) ? null : noPoseWarning(folder)),
    frames,
  };
}

async function* posedFrames(
  samples: AsyncIterable<Sample<Frame>>,
  posed: ReadonlyMap<string, DatasetFrame> | null,
): AsyncGenerator<Sample<Frame>> {
  for await (const sample of samples) yield posedBy(sample, posed?.get(sample.value.name));
}
