/** The list of commands, in the order help shows them. Each file declares its flags and loads its work lazily. */
import type { Command } from "commander";
import { registerBucket } from "./bucket.ts";
import { registerCapture } from "./capture.ts";
import { registerChunks } from "./chunks.ts";
import { registerConvert } from "./convert.ts";
import { registerDemo } from "./demo.ts";
import { registerDeploy } from "./deploy.ts";
import { registerDown } from "./down.ts";
import { registerFk } from "./fk.ts";
import { registerLogs } from "./logs.ts";
import { registerPs } from "./ps.ts";
import { registerPull } from "./pull.ts";
import { registerQueue } from "./queue.ts";
import { registerRedeploy } from "./redeploy.ts";
import { registerRelay } from "./relay.ts";
import { registerReset } from "./reset.ts";
import { registerServe } from "./serve.ts";
import { registerStatus } from "./status.ts";
import { registerStop } from "./stop.ts";
import { registerTrain } from "./train.ts";
import { registerUndeploy } from "./undeploy.ts";
import { registerUp } from "./up.ts";

/** Add every command to the program. */
export function registerCommands(program: Command): void {
  registerServe(program);
  registerDeploy(program);
  registerRedeploy(program);
  registerUndeploy(program);
  registerCapture(program);
  registerQueue(program);
  registerRelay(program);
  registerUp(program);
  registerPs(program);
  registerLogs(program);
  registerDown(program);
  registerStatus(program);
  registerPull(program);
  registerChunks(program);
  registerBucket(program);
  registerStop(program);
  registerReset(program);
  registerTrain(program);
  registerConvert(program);
  registerFk(program);
  registerDemo(program);
}
