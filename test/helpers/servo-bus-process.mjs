/** A simulated servo bus as a process of its own: `node servo-bus-process.mjs TTY`; answers "count" over IPC. */
import { radToTicks } from "../../dist/robot/units.js";
import { createSimulatedArm } from "../../dist/sim/arm.js";
import { createServoBus } from "../../dist/sim/servo-bus.js";
import { DEFAULT_LIMITS } from "../../dist/sim/servo-memory.js";
import { serveServoBus } from "../../dist/sim/servo-port.js";
import { FAST_WAVE } from "./fast-wave.mjs";

const ranges = DEFAULT_LIMITS.map(([minTicks, maxTicks]) => ({ minTicks, maxTicks }));
const arm = createSimulatedArm(FAST_WAVE);
const bus = createServoBus({ ticksAt: (timeS) => radToTicks(arm.anglesAt(timeS), ranges) });
await serveServoBus(bus, process.argv[2]);
process.on("message", () => process.send(bus.answeredCount));
process.on("disconnect", () => process.exit());
process.send("ready");
