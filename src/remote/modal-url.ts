/** Where a deployment answers: asked for, else read, else worked out. */
import { createHash } from "node:crypto";
import { webSuffix } from "./modal-account.ts";
import { run, type Modal } from "./modal-run.ts";
import { urlInDeployOutput } from "./modal-text.ts";

/** Prints the address as JSON. `get_web_url` is Modal's documented way to it. */
const ASK = `
import json, sys, modal
app, cls, method, environment = sys.argv[1:]
found = modal.Cls.from_name(app, cls, environment_name=environment or None)
print(json.dumps(getattr(found(), method).get_web_url()))`;

const ASK_MS = 90_000;
/** Longest label of a host name; a longer one is cut and told apart by a hash. */
const MAX_LABEL = 63;
const CUT_LABEL = 56;
const HASH_DIGITS = 6;

/** What serves, and where. */
export interface Served {
  readonly app: string;
  readonly className: string;
  readonly method: string;
  /** The label that the app asks for. */
  readonly label: string;
  readonly environment: string | null;
  /** Workspace of the account; null when it is not known. */
  readonly workspace: string | null;
}

/**
 * The address of what `modal deploy` has just deployed, without a slash at its end; null when there is no telling.
 * Ctrl-C cuts the asking short, but what is known without it is still told.
 */
export async function findDeployedUrl(
  modal: Modal,
  served: Served,
  deployOutput: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const { className, method, workspace, label, environment } = served;
  const url =
    (await askPython(modal, served, signal)) ?? urlInDeployOutput(deployOutput, `${className}.${method}`);
  if (url !== null) return url;
  if (workspace === null) return null;
  const suffix = await webSuffix(modal, environment, signal).catch(() => null);
  return suffix === null ? null : urlOf(workspace, suffix, label);
}

/** The address that Modal gives: `https://WORKSPACE[-SUFFIX]--LABEL.modal.run`. */
export function urlOf(workspace: string, suffix: string, label: string): string {
  const name = `${workspace}${suffix === "" ? "" : `-${suffix}`}--${label}`;
  if (name.length <= MAX_LABEL) return `https://${name}.modal.run`;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH_DIGITS);
  return `https://${name.slice(0, CUT_LABEL)}-${hash}.modal.run`;
}

async function askPython(
  { python, environment: childEnvironment }: Modal,
  { app, className, method, environment }: Served,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  if (python === null) return null;
  const command = [...python, "-c", ASK, app, className, method, environment ?? ""];
  try {
    const { code, stdout } = await run(command, childEnvironment, { signal, timeoutMs: ASK_MS });
    if (code !== 0) return null;
    const answer: unknown = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    return typeof answer === "string" && URL.canParse(answer) ? answer.replace(/\/+$/, "") : null;
  } catch {
    return null; // the other ways remain
  }
}
