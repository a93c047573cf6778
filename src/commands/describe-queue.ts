/** Spools in words, for a terminal and for scripts. */
import type { SpoolReport } from "../queue/inspect.ts";
import { bytes } from "../quantities.ts";
import { describeBackend } from "./flags.ts";

/** Failed frames named for each spool; the rest is counted. */
const NAMED = 10;

/** A paragraph for each spool. */
export function describeSpools(spools: readonly SpoolReport[]): string {
  return spools.length === 0 ? "nothing is kept" : spools.map(describeSpool).join("\n\n");
}

function describeSpool({
  folder,
  backend,
  scene,
  spool,
  waiting,
  sent,
  durable,
  failed,
  ...more
}: SpoolReport): string {
  const { sizeBytes, owner } = more;
  const named = failed.slice(0, NAMED).map(({ name, reason }) => `    ${name}: ${reason}`);
  const rest = failed.length > NAMED ? [`    and ${failed.length - NAMED} more`] : [];
  return [
    `${folder} → ${describeBackend(backend, scene)}`,
    `  ${waiting} waiting, ${sent} sent and not in a checkpoint, ${durable} safe, ${failed.length} failed, ${bytes(sizeBytes)}`,
    ...named,
    ...rest,
    `  ${spool}${owner === null ? "" : `, held by process ${owner.pid} on ${owner.host}`}`,
  ].join("\n");
}

/** A spool as `--json` prints it. */
export function spoolJson(report: SpoolReport): object {
  const { folder, backend, scene, spool, waiting, sent, durable, failed, sizeBytes, owner } = report;
  return {
    folder,
    backend,
    scene,
    spool,
    waiting,
    sent_not_durable: sent,
    durable,
    failed: failed.map(({ name, reason }) => ({ name, reason })),
    bytes: sizeBytes,
    owner: owner === null ? null : { pid: owner.pid, host: owner.host },
  };
}

/** What is asked before frames are lost. */
export function clearQuestion(spools: readonly SpoolReport[], onlyFailed: boolean): string {
  const sum = (of: (spool: SpoolReport) => number): number =>
    spools.reduce((total, spool) => total + of(spool), 0);
  const failed = sum((spool) => spool.failed.length);
  if (onlyFailed) return `Remove ${failed} frames that the backend refused?`;
  const unsent = sum(({ waiting }) => waiting);
  return `Remove ${spools.length} spools with ${unsent} frames not sent yet and ${failed} refused ones?`;
}
