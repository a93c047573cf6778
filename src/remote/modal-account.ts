/** Whose account on Modal is in use. */
import { z } from "zod";
import { runModal, type Modal } from "./modal-run.ts";
import { plainText } from "./modal-text.ts";
import { troubleOf } from "./modal-trouble.ts";

/** Without a network it tries for a minute by itself. */
const TIMEOUT_MS = 120_000;

const profilesSchema = z.array(
  z.object({ name: z.string(), workspace: z.string(), active: z.boolean().optional() }),
);
const environmentsSchema = z.array(
  z.object({ name: z.string(), web_suffix: z.string().nullish(), active: z.boolean().optional() }),
);

/**
 * The workspace that the token of this machine belongs to, asked for over the network; null when it is not said.
 * Throws `not_configured` when there is no token or a refused one, `unreachable` without a network.
 */
export async function checkAccount(modal: Modal, signal?: AbortSignal): Promise<string | null> {
  const ran = await runModal(modal, ["token", "info"], { signal, timeoutMs: TIMEOUT_MS });
  if (ran.code === 0) return /^Workspace: *(\S+)/m.exec(ran.stdout)?.[1] ?? null;
  // 2: a version that has no such command.
  if (ran.code !== 2) throw troubleOf("asking Modal who you are", ran);
  return await activeWorkspace(modal, signal);
}

async function activeWorkspace(modal: Modal, signal: AbortSignal | undefined): Promise<string | null> {
  const ran = await runModal(modal, ["profile", "list", "--json"], { signal, timeoutMs: TIMEOUT_MS });
  if (ran.code !== 0) throw troubleOf("asking Modal who you are", ran);
  const profiles = profilesSchema.safeParse(jsonArray(ran.stdout)).data ?? [];
  // A token in the environment is no profile: then a sentence after the list says whose it is.
  const [, byEnvironment] = /Using (.+) workspace based on environment variables/.exec(ran.stdout) ?? [];
  const workspace = byEnvironment ?? profiles.find(({ active }) => active === true)?.workspace;
  if (workspace !== undefined && !workspace.startsWith("Unknown")) return workspace;
  const said = workspace === undefined ? "Token missing" : workspace;
  throw troubleOf("asking Modal who you are", { ...ran, stdout: "", stderr: said });
}

/**
 * The suffix of addresses in an environment (null = the default one); empty when it has none or is not known.
 * Throws what `runModal` does.
 */
export async function webSuffix(
  modal: Modal,
  environment: string | null,
  signal?: AbortSignal,
): Promise<string> {
  const ran = await runModal(modal, ["environment", "list", "--json"], { signal, timeoutMs: TIMEOUT_MS });
  const known = environmentsSchema.safeParse(jsonArray(ran.stdout)).data ?? [];
  const meant = known.find(({ name, active }) =>
    environment === null ? active === true : name === environment,
  );
  return meant?.web_suffix ?? "";
}

/** The JSON list in an output, whatever else is printed around it; null when there is none. */
export function jsonArray(output: string): unknown {
  const text = plainText(output);
  const start = text.indexOf("[");
  const end = text.lastIndexOf("]");
  if (start === -1 || end < start) return null;
  try {
    return JSON.parse(text.slice(start, end + 1));
  } catch {
    return null;
  }
}
