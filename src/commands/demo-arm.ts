/**
 * The demo's arm: a simulated servo bus on a serial line, read, relayed and paired as a real arm is, and a camera with its
 * gripper in view. Where the system has no pseudo-terminals the joints come over HTTP instead.
 */
import { openJointStream } from "../api/joint-stream.ts";
import { startRelay } from "../daemon/run-relay.ts";
import type { Log } from "../log.ts";
import { httpPollSource } from "../robot/http-poll.ts";
import type { JointSource } from "../robot/joint-source.ts";
import { serialSource } from "../robot/serial.ts";
import { DEFAULT_CAMERA_MOUNT } from "../robot/so101.ts";
import { radToTicks } from "../robot/units.ts";
import { createSimulatedArm, type SimulatedArm } from "../sim/arm.ts";
import { runSimulatedCamera } from "../sim/camera.ts";
import { fingerMask } from "../sim/finger-mask.ts";
import { serveJoints } from "../sim/joint-server.ts";
import { openPtyPair } from "../sim/pty-pair.ts";
import { createServoBus } from "../sim/servo-bus.ts";
import { DEFAULT_LIMITS } from "../sim/servo-memory.ts";
import { serveServoBus } from "../sim/servo-port.ts";
import { createWristView, trueView } from "../sim/wrist-view.ts";
import { preciseNowS } from "../time.ts";
import { DEMO_INTRINSICS, type DemoRig } from "./demo-rig.ts";

export interface ArmRigOptions {
  /** The backend that joints are relayed to. */
  readonly backendUrl: string;
  /** How long the arm takes to look at everything, seconds. */
  readonly scanSeconds: number;
  readonly log: Log;
}

const VIEW = { intrinsics: DEMO_INTRINSICS, mount: DEFAULT_CAMERA_MOUNT } as const;
/** The mask reaches this much further than the gripper: its edges are blurred. */
const MASK_MARGIN_PX = 3;
const RELAY_HZ = 30;
/** The arm stands still until reader and camera are ready. */
const START_AFTER_S = 1.5;

/** Set the arm up, its joints on their way to the backend. `close` takes everything down again. */
export async function armRig({ backendUrl, scanSeconds, log }: ArmRigOptions): Promise<DemoRig> {
  const startS = preciseNowS() + START_AFTER_S;
  const arm = createSimulatedArm({ startS, durationS: scanSeconds, mount: VIEW.mount });
  const line = await openLine(arm, log);
  const client = openJointStream({ url: backendUrl });
  const stop = new AbortController();
  const listener = { onNote: (text: string) => log.info(text), onWarning: (text: string) => log.warn(text) };
  const { relay, ended } = startRelay({ ...line, client, hz: RELAY_HZ }, listener, stop.signal);
  ended.catch((error: unknown) => log.warn(`the relay ended: ${String(error)}`));
  const picture = createWristView(trueView(VIEW));
  return {
    mask: await fingerMask(VIEW.intrinsics, VIEW.mount, arm.anglesAt(startS)[5], MASK_MARGIN_PX),
    joints: relay,
    shoot: async (folder, { frames, everyMs, signal, onFrame }) => {
      const shots = { arm, view: VIEW, everyMs, shutters: frames, signal, onFrame };
      const { written, dropped } = await runSimulatedCamera(folder, shots);
      signal.throwIfAborted();
      if (dropped > 0) log.info(`the camera was too slow for ${dropped} of ${frames} pictures`);
      return written;
    },
    seen: ({ captured_at }) => picture(arm.trueAnglesAt(captured_at), captured_at, 0),
    close: async () => {
      stop.abort();
      await ended.catch(() => undefined);
      await client.close();
      await line.close();
    },
  };
}

/** Where the arm can be read. */
interface Line {
  readonly from: string;
  readonly source: JointSource;
  readonly close: () => Promise<void>;
}

async function openLine(arm: SimulatedArm, log: Log): Promise<Line> {
  const pair = await openPtyPair();
  if ("reason" in pair) {
    log.info(`${pair.reason}; joints come over HTTP instead`);
    const server = await serveJoints(arm.anglesAt);
    const source = httpPollSource({ url: server.url, hz: 100 });
    return { from: server.url, source, close: () => server.close() };
  }
  const ranges = DEFAULT_LIMITS.map(([minTicks, maxTicks]) => ({ minTicks, maxTicks }));
  const bus = createServoBus({ ticksAt: (timeS) => radToTicks(arm.anglesAt(timeS), ranges) });
  const served = await serveServoBus(bus, pair.a);
  return {
    from: `the simulated arm's serial port ${pair.b}`,
    source: serialSource({ path: pair.b }),
    close: async () => {
      await served.close();
      await pair.close();
    },
  };
}
