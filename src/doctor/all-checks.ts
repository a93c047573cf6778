/** Every check there is, in the order of the report. */
import { armChecks } from "./arm.ts";
import { backendChecks, wakingBackendChecks } from "./backend.ts";
import { bucketChecks } from "./bucket.ts";
import { cameraChecks } from "./cameras.ts";
import type { Check } from "./check.ts";
import type { DoctorContext } from "./context.ts";
import { daemonChecks } from "./daemons.ts";
import { ffmpegChecks } from "./ffmpeg.ts";
import { machineChecks } from "./machine.ts";
import { modalChecks } from "./modal.ts";
import { settingsChecks } from "./settings.ts";

/** The checks of the groups that are asked for. */
export function checksFor({ groups, asked }: Pick<DoctorContext, "groups" | "asked">): readonly Check[] {
  const all = [
    ...machineChecks,
    ...ffmpegChecks,
    ...cameraChecks,
    ...armChecks,
    ...settingsChecks,
    ...(asked.wake ? wakingBackendChecks : backendChecks),
    ...modalChecks,
    ...bucketChecks,
    ...daemonChecks,
  ];
  return all.filter(({ group }) => groups.has(group));
}
