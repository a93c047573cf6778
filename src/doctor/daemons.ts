/** Daemons that run or have died, and spools with what is not delivered. */
import { inspectSpools, type SpoolReport } from "../queue/inspect.ts";
import type { Check, Finding } from "./check.ts";
import type { DoctorContext } from "./context.ts";
import { seenDaemons, type SeenDaemon } from "./daemon-look.ts";

/** The checks, in order. */
export const daemonChecks: readonly Check[] = [
  { id: "daemons", group: "daemon", run: checkDaemons },
  { id: "spools", group: "daemon", run: checkSpools },
];

async function checkDaemons(context: DoctorContext): Promise<Finding[]> {
  const daemons = await seenDaemons(context);
  if (daemons.length > 0) return daemons.map(daemonFinding);
  return [{ state: "absent", message: "no daemon runs", fix: "`splatctl up --detach` starts one" }];
}

function daemonFinding({ name, pid, state, what, scene }: SeenDaemon): Finding {
  const id = `daemon:${name}`;
  const facts = { name, pid, daemon_state: state, what, scene };
  const who = `the daemon "${name}"`;
  if (state === "stale") {
    const message = `${who} died without a word: process ${pid} is gone`;
    return {
      id,
      state: "warning",
      message,
      fix: "`splatctl ps` takes its file away; start it again if you need it",
      facts,
    };
  }
  if (state === "silent") {
    const fix = `\`splatctl logs ${name}\` shows what it did last, \`splatctl down ${name}\` ends it`;
    return { id, state: "warning", message: `${who} (process ${pid}) does not answer`, fix, facts };
  }
  // Nothing is known of it here, and its host's name is nobody's business.
  if (state === "elsewhere")
    return { id, state: "ok", message: `${who} runs on another host: ${what}`, facts };
  return { id, state: "ok", message: `${who} is ${state}: ${what}`, facts };
}

async function checkSpools({ places: { spoolDir } }: DoctorContext): Promise<Finding[]> {
  const spools = await inspectSpools(spoolDir, null);
  const full = spools.filter(({ waiting, sent, failed }) => waiting + sent + failed.length > 0);
  if (full.length > 0) return full.map(spoolFinding);
  return [{ state: "ok", message: "no frame waits to be delivered" }];
}

function spoolFinding({
  spool,
  folder,
  scene,
  waiting,
  sent,
  durable,
  failed,
  sizeBytes,
  owner,
}: SpoolReport): Finding {
  const parts = [
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
    ...(sent > 0 ? [`${sent} sent and in no checkpoint yet`] : []),
    ...(failed.length > 0 ? [`${failed.length} refused by the backend`] : []),
  ];
  const message = `frames of ${folder}: ${parts.join(", ")}, ${(sizeBytes / 1e6).toFixed(1)} MB`;
  const facts = {
    spool,
    folder,
    scene,
    waiting,
    sent,
    durable,
    failed: failed.length,
    bytes: sizeBytes,
    held: owner !== null,
  };
  const id = `spool:${spool.split(/[/\\]/).at(-1)}`;
  if (failed.length > 0) {
    const fix = "`splatctl queue ls` says why, `splatctl queue retry` lets them be sent again";
    return { id, state: "warning", message, fix, facts };
  }
  if (owner !== null) return { id, state: "ok", message: `${message}; a capture is at it`, facts };
  const fix = `\`splatctl capture ${folder}\` sends them; \`splatctl queue ls\` lists them`;
  return { id, state: "warning", message, fix, facts };
}
