/** The files of settings and the variables: whether they can be read, and whether they say what was meant. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { PROJECT_FILE, resolveBucketParts, resolveConfig, resolveProxyAuth } from "../config.ts";
import { SplatError } from "../errors.ts";
import { readProjectFile } from "../project-file.ts";
import { closeSecrets, readSecrets } from "../secrets-file.ts";
import { readUserConfig } from "../user-config.ts";
import type { Check, Finding } from "./check.ts";
import type { DoctorContext } from "./context.ts";
import { failure } from "./run-checks.ts";
import { strayVariables } from "./variables.ts";

/** The checks, in order. */
export const settingsChecks: readonly Check[] = [
  { id: "project-file", group: "settings", run: checkProject },
  { id: "user-settings", group: "settings", run: checkUser },
  { id: "secrets", group: "settings", run: checkSecrets },
  { id: "variables", group: "settings", run: checkVariables },
];

async function checkProject({ projectFile }: DoctorContext): Promise<Finding[]> {
  if (!existsSync(projectFile)) {
    return [
      { state: "absent", message: `no ${PROJECT_FILE} in this folder`, fix: "`splatctl init` writes one" },
    ];
  }
  const project = await readProjectFile(projectFile);
  const keys = Object.keys(project);
  const says = keys.length === 0 ? "and says nothing" : `and sets ${keys.join(", ")}`;
  return [{ state: "ok", message: `${PROJECT_FILE} can be read, ${says}`, facts: { keys } }];
}

async function checkUser({ places: { userFile } }: DoctorContext): Promise<Finding[]> {
  if (!existsSync(userFile)) {
    return [
      {
        state: "absent",
        message: "nothing is kept for this user (deploy and bucket init keep what they set up)",
      },
    ];
  }
  const keys = Object.keys(await readUserConfig(userFile));
  const message = `${userFile} can be read${keys.length === 0 ? "" : `, and keeps ${keys.join(", ")}`}`;
  return [{ state: "ok", message, facts: { keys } }];
}

async function checkSecrets({ places: { secretsFile }, asked, system }: DoctorContext): Promise<Finding[]> {
  if (!existsSync(secretsFile)) return [{ state: "absent", message: "no tokens and keys are kept" }];
  // Parses all of it, whatever it is asked for.
  await readSecrets(secretsFile, "");
  const mode = system.platform === "win32" ? null : (await stat(secretsFile)).mode & 0o777;
  const facts = { mode: mode === null ? null : mode.toString(8).padStart(4, "0") };
  if (mode === null || (mode & 0o077) === 0) {
    return [{ state: "ok", message: "tokens and keys are kept, and closed to others", facts }];
  }
  const renew = "Make new tokens and keys if somebody may have read them";
  if (asked.fix && (await closeSecrets(secretsFile))) {
    const message = `others on this machine could read ${secretsFile}: it is closed now (mode 0600)`;
    return [{ state: "warning", message, fix: renew, facts: { ...facts, fixed: true } }];
  }
  return [
    {
      state: "failed",
      message: `others on this machine can read ${secretsFile} (mode ${facts.mode})`,
      fix: `\`chmod 600 ${secretsFile}\`, or \`splatctl doctor settings --fix\`. ${renew}`,
      facts,
    },
  ];
}

async function checkVariables({ config, variables: given }: DoctorContext): Promise<Finding[]> {
  const found = [
    ...(await unusable(config === null)),
    ...halfPairs(),
    ...strayVariables(given).map(strayFinding),
  ];
  if (found.length > 0) return found;
  if (given.length === 0)
    return [{ state: "absent", message: "no variable of the environment sets anything" }];
  // Names alone: values may be secret.
  return [
    { state: "ok", message: `set in the environment: ${given.join(", ")}`, facts: { variables: given } },
  ];
}

/** What keeps the settings from being resolved, unless it is a file, of which the others speak. */
async function unusable(isBroken: boolean): Promise<Finding[]> {
  if (!isBroken) return [];
  try {
    await resolveConfig({});
  } catch (error) {
    if (error instanceof SplatError && error.code === "bad_input") return [];
    if (isHalfProxy()) return [];
    return [{ id: "values", ...failure(error) }];
  }
  return [];
}

function isHalfProxy(): boolean {
  try {
    resolveProxyAuth();
    return false;
  } catch {
    return true;
  }
}

/** Pairs of which one half is there. What is kept may be the other half of a bucket: `bucket` speaks of that. */
function halfPairs(): Finding[] {
  const { accessKeyId, secretAccessKey } = resolveBucketParts();
  const found: Finding[] = [];
  try {
    resolveProxyAuth();
  } catch (error) {
    found.push({ id: "proxy-token", ...failure(error) });
  }
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    const [there, missing] =
      accessKeyId === undefined
        ? ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"]
        : ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    const message = `half of the bucket's keys is missing: ${there} is set, ${missing} is not`;
    found.push({
      id: "aws-keys",
      state: "failed",
      message,
      fix: `Set ${missing} too, or \`unset ${there}\``,
    });
  }
  return found;
}

function strayFinding({ name, meant }: ReturnType<typeof strayVariables>[number]): Finding {
  const fix = meant === null ? `\`unset ${name}\`, or see the list in the README` : `Did you mean ${meant}?`;
  return { id: `variable:${name}`, state: "warning", message: `nothing reads the variable ${name}`, fix };
}
