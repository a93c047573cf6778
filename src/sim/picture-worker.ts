/** A thread that traces the simulated camera's pictures and packs them. */
import { parentPort, workerData } from "node:worker_threads";
import { packPicture, type PictureRequest, type PictureSetup } from "./picture-threads.ts";
import { createWristView } from "./wrist-view.ts";

const { view, format } = workerData as PictureSetup;
const take = createWristView(view);

parentPort?.on("message", ({ jointsRad, timeS, frame }: PictureRequest) => {
  void packPicture(take(jointsRad, timeS, frame), view.intrinsics, format).then((bytes) =>
    parentPort?.postMessage(bytes, []),
  );
});

parentPort?.postMessage("ready", []);
