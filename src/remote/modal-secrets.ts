/** Named secrets on Modal, which containers are given as environment variables; and proxy tokens. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { SplatError } from "../errors.ts";
import { jsonArray } from "./modal-account.ts";
import { isAtLeast } from "./modal-find.ts";
import { runModal, type Modal } from "./modal-run.ts";
import { troubleOf } from "./modal-trouble.ts";
import { makeTemporaryFolder } from "./temporary-folder.ts";

/** The secret of the bucket, by the name that many have it under already. */
export const BUCKET_SECRET = "r2-credentials";
/** The secret of the API's own token. */
export const TOKEN_SECRET = "splat-api";

/** Proxy tokens can be made by the program from here on. */
const PROXY_TOKENS_SINCE = "1.5.1";

/** Which environment of the workspace; null = its default. */
export interface Place {
  readonly environment: string | null;
  readonly signal?: AbortSignal | undefined;
}

/** `--env NAME`, or nothing. */
export function environmentArgs(environment: string | null): readonly string[] {
  return environment === null ? [] : ["--env", environment];
}

/** How a secret is written, as people are shown it. */
export function secretCommand(name: string, file: string, environment: string | null): readonly string[] {
  return ["secret", "create", name, "--force", "--from-json", file, ...environmentArgs(environment)];
}

/** How secrets are listed. */
export function secretsCommand(environment: string | null): readonly string[] {
  return ["secret", "list", "--json", ...environmentArgs(environment)];
}

/**
 * Write a secret, over one of that name. The values travel in a file that only this user can read and that is gone
 * afterwards: arguments are there for everybody to list, and the program takes neither standard input nor a pipe.
 */
export async function writeSecret(
  modal: Modal,
  name: string,
  values: Readonly<Record<string, string>>,
  { environment, signal }: Place,
): Promise<void> {
  const folder = makeTemporaryFolder("splatctl-secret-");
  try {
    const file = join(folder.path, "values.json");
    await writeFile(file, JSON.stringify(values), { mode: 0o600, flag: "wx" });
    const ran = await runModal(modal, secretCommand(name, file, environment), { signal });
    if (ran.code !== 0) throw troubleOf(`writing the secret ${name}`, ran, hiddenValues(values));
  } finally {
    await folder.remove();
  }
}

/** Which of a secret's values nobody may see. A bucket's name and address say where to look, and may be parts of words. */
export function hiddenValues(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => (name.startsWith("R2_") ? [] : [value]));
}

const secretsSchema = z.array(z.union([z.object({ name: z.string() }), z.object({ Name: z.string() })]));

/** Whether a secret of that name is there. Throws when Modal does not say. */
export async function hasSecret(
  modal: Modal,
  name: string,
  { environment, signal }: Place,
): Promise<boolean> {
  const ran = await runModal(modal, secretsCommand(environment), { signal });
  if (ran.code !== 0) throw troubleOf("asking for the secrets on Modal", ran);
  const listed = secretsSchema.safeParse(jsonArray(ran.stdout)).data ?? [];
  // Titles of columns before 1.5.0.
  return listed.some((secret) => ("name" in secret ? secret.name : secret.Name) === name);
}

/** Remove a secret; one that is not there is none to remove. */
export async function deleteSecret(
  modal: Modal,
  name: string,
  { environment, signal }: Place,
): Promise<void> {
  const args = ["secret", "delete", name, "-y", "--allow-missing", ...environmentArgs(environment)];
  const ran = await runModal(modal, args, { signal });
  if (ran.code !== 0) throw troubleOf(`removing the secret ${name}`, ran);
}

const proxyTokenSchema = z.object({ "Modal-Key": z.string().min(1), "Modal-Secret": z.string().min(1) });

/** Throws `not_configured` where this version of the program cannot make proxy tokens. */
export function checkProxyTokens({ version }: Modal): void {
  if (isAtLeast(version, PROXY_TOKENS_SINCE)) return;
  throw new SplatError("not_configured", `Modal's program ${version} cannot make a proxy token`, {
    hint: `Make one on modal.com (settings, proxy tokens) and set SPLAT_PROXY_KEY and SPLAT_PROXY_SECRET, or update to ${PROXY_TOKENS_SINCE} or newer.`,
  });
}

/** Make a proxy token; its secret is told this once. Throws when Modal will not. */
export async function createProxyToken(
  modal: Modal,
  signal?: AbortSignal,
): Promise<{ readonly key: string; readonly secret: string }> {
  const args = ["workspace", "proxy-tokens", "create", "--json"];
  const ran = await runModal(modal, args, { signal });
  if (ran.code !== 0) throw troubleOf("making a proxy token", ran);
  const text = ran.stdout.slice(ran.stdout.indexOf("{"), ran.stdout.lastIndexOf("}") + 1);
  try {
    const { "Modal-Key": key, "Modal-Secret": secret } = proxyTokenSchema.parse(JSON.parse(text));
    return { key, secret };
  } catch {
    // What was printed holds the secret.
    throw new SplatError("refused", "Modal made a proxy token but did not say it in a known way", {
      hint: "Make one on modal.com and set SPLAT_PROXY_KEY and SPLAT_PROXY_SECRET.",
    });
  }
}
