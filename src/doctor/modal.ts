/** Modal: its program, whose account this is, and what splatctl has deployed there. Nothing is started by any of it. */
import { modalEnvironment } from "../config.ts";
import { SplatError } from "../errors.ts";
import { checkAccount } from "../remote/modal-account.ts";
import { findModal } from "../remote/modal-find.ts";
import type { Modal } from "../remote/modal-run.ts";
import type { Deployment } from "../user-config.ts";
import type { Check, Finding } from "./check.ts";
import type { DoctorContext } from "./context.ts";
import { failure } from "./run-checks.ts";

/** The checks, in order. Python takes a second or two to start, and much longer on a small board. */
export const modalChecks: readonly Check[] = [
  { id: "modal", group: "modal", limitMs: 20_000, run: checkModal },
  { id: "deployment", group: "modal", run: checkDeployment },
];

async function checkModal({ config, asked }: DoctorContext, signal: AbortSignal): Promise<Finding[]> {
  const isNeeded = config?.user.deployment !== undefined;
  // uvx would fetch what is not there; whoever looks fetches nothing.
  const environment: typeof modalEnvironment = (more) => modalEnvironment({ UV_OFFLINE: "1", ...more });
  let modal: Modal;
  try {
    modal = await findModal(environment, signal, END_MS);
  } catch (error) {
    signal.throwIfAborted();
    return [unlessNeeded(error, isNeeded)];
  }
  const found: Finding = {
    state: "ok",
    message: `Modal's program ${modal.version}`,
    facts: { version: modal.version, command: modal.command.join(" ") },
  };
  if (asked.offline) {
    return [
      found,
      { id: "modal-account", state: "skipped", message: "whose account it is, is not asked with --offline" },
    ];
  }
  try {
    const workspace = await checkAccount(modal, signal);
    const message = `logged in to Modal${workspace === null ? "" : `, workspace ${workspace}`}`;
    return [found, { id: "modal-account", state: "ok", message, facts: { workspace } }];
  } catch (error) {
    signal.throwIfAborted();
    return [found, { id: "modal-account", ...unlessNeeded(error, isNeeded) }];
  }
}

/** A program that does not end when it is asked to is not waited for as a deployment would be. */
const END_MS = 500;

/** What is missing is a failure only where something was deployed, or something is there and does not work. */
function unlessNeeded(error: unknown, isNeeded: boolean): Finding {
  const finding = failure(error);
  const isMissing =
    error instanceof SplatError &&
    error.code === "not_configured" &&
    /is not installed|nobody is logged in/.test(error.message);
  const message = finding.message.replace(/^asking Modal who you are failed: /, "");
  return { ...finding, message, state: isMissing && !isNeeded ? "absent" : "failed" };
}

async function checkDeployment({ config }: DoctorContext): Promise<Finding[]> {
  if (config === null) return await Promise.resolve([]);
  const { deployment } = config.user;
  if (deployment === undefined) {
    return [
      {
        state: "absent",
        message: "nothing is deployed from here",
        fix: "`splatctl deploy` puts a backend on a GPU",
      },
    ];
  }
  const { app, gpu, deployedAt, url, scenes, withBucket } = deployment;
  const message = `deployed: ${app} on ${gpu.join(" or ")}, ${deployedAt.slice(0, 10)}${trimmings(deployment)}`;
  const facts = { app, gpu, url, scenes, with_bucket: withBucket, deployed_at: deployedAt };
  return [{ state: "ok", message, facts }];
}

function trimmings({ withBucket, idleStopMin, proxyAuth }: Deployment): string {
  const parts = [
    withBucket ? "with the bucket" : "without a bucket",
    idleStopMin === 0 ? "never finishing by itself" : `finishing after ${idleStopMin} idle minutes`,
    ...(proxyAuth ? ["behind Modal's proxy"] : []),
  ];
  return `, ${parts.join(", ")}`;
}
