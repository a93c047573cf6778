/** What is done to an app on Modal once it is deployed. */
import { environmentArgs, type Place } from "./modal-secrets.ts";
import { runModal, type Modal } from "./modal-run.ts";
import { isAlreadyStopped, isNotDeployed, troubleOf } from "./modal-trouble.ts";
import { SplatError } from "../errors.ts";

/** Stop an app. @returns false when it did not run. Throws when Modal will not. */
export async function stopApp(modal: Modal, app: string, { environment, signal }: Place): Promise<boolean> {
  const ran = await runModal(modal, ["app", "stop", app, "-y", ...environmentArgs(environment)], { signal });
  if (ran.code === 0) return true;
  if (isAlreadyStopped(ran) || isNotDeployed(ran)) return false;
  throw troubleOf(`stopping ${app}`, ran);
}

export interface Rollback extends Place {
  /** Such as `v3`; null = the one before. */
  readonly version: string | null;
  readonly strategy: "rolling" | "recreate";
}

/**
 * Go back to an earlier version of an app.
 * @returns what is to be told about it: old containers that did not end in time.
 */
export async function rollBackApp(modal: Modal, app: string, how: Rollback): Promise<string | null> {
  const { environment, signal, version, strategy } = how;
  const which = version === null ? [] : [version];
  const ran = await runModal(
    modal,
    ["app", "rollback", app, ...which, "--strategy", strategy, ...environmentArgs(environment)],
    { signal },
  );
  if (ran.code === 0) return null;
  if (/rollback executed successfully/i.test(`${ran.stdout}\n${ran.stderr}`)) {
    return "the rollback is done, but old containers have not all ended yet";
  }
  if (isNotDeployed(ran)) throw notDeployed(app);
  throw troubleOf(`rolling ${app} back`, ran);
}

export interface AppLogs extends Place {
  readonly follow: boolean;
  /** Such as `2h`, or a date; not while following. */
  readonly since?: string | undefined;
  /** At most so many entries; not while following. */
  readonly tail?: number | undefined;
  readonly onLine: (line: string) => void;
}

/** Hand on what an app's containers print. Throws when Modal will not, and the signal's reason. */
export async function readAppLogs(modal: Modal, app: string, wanted: AppLogs): Promise<void> {
  const { environment, signal, follow, since, tail, onLine } = wanted;
  const args = [
    ...(follow ? ["--follow"] : []),
    ...(since === undefined ? [] : ["--since", since]),
    ...(tail === undefined ? [] : ["--tail", String(tail)]),
    ...environmentArgs(environment),
  ];
  const ran = await runModal(modal, ["app", "logs", app, ...args], {
    signal,
    // What went wrong is told once, at the end.
    onLine: (line, stream) => stream === "stdout" && onLine(line),
  });
  if (ran.code === 0) return;
  if (isNotDeployed(ran)) throw notDeployed(app);
  // What the containers printed is no part of what went wrong.
  throw troubleOf("reading the logs", { ...ran, stdout: "" });
}

function notDeployed(app: string): SplatError {
  return new SplatError("not_configured", `${app} is not deployed`, {
    hint: "`splatctl deploy` deploys it; with --env if it is in another environment.",
  });
}
