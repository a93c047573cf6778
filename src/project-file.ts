/** The project file: what is always the same in one folder's work, so that nobody types it twice. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { messageOf, SplatError } from "./errors.ts";

const text = z.string().min(1);

const captureSchema = z.strictObject({
  /** Where the images appear. */
  folder: text.optional(),
  recursive: z.boolean().optional(),
  include: z.array(text).optional(),
  exclude: z.array(text).optional(),
  /** At most so many uploads a second. */
  fps: z.number().positive().optional(),
});

const relaySchema = z.strictObject({
  /** Where the joints come from. */
  source: z.enum(["serial", "http", "lerobot"]),
  /** Serial port; else it is searched for. */
  path: text.optional(),
  /** Address to poll, or LeRobot's display socket. */
  url: text.optional(),
  /** Joint updates a second. */
  hz: z.number().positive().max(1000).optional(),
  /** What angles that are pushed or polled are in. */
  units: z.enum(["rad", "deg", "norm"]).optional(),
  /** Port of the daemon's own server, for joints that are pushed to it. */
  port: z.int().min(0).max(65_535).optional(),
  /** Whose calibration file is to be read. */
  robot_id: text.optional(),
  /** A calibration file of LeRobot's. */
  calibration: text.optional(),
});

const projectSchema = z.strictObject({
  /** The backend. */
  url: text.optional(),
  /** Which of its scenes. */
  scene: text.optional(),
  /** Folder of spools. */
  spool: text.optional(),
  capture: captureSchema.optional(),
  relay: relaySchema.optional(),
});

/** What a project file says. */
export type Project = z.infer<typeof projectSchema>;

/** Names of what must not lie in a file that is shared and committed. */
const SECRET = /token|secret|passw|credential|authorization|(?:api|access)_?key/i;

const MEND = "Mend it, or remove it: it is not needed.";

/** Read a project file. Throws `bad_input` naming what is wrong with it. */
export async function readProjectFile(path: string): Promise<Project> {
  const value = parseJson(
    path,
    await readFile(path, "utf8").catch((error: unknown) => {
      throw wrong(path, `cannot be read: ${messageOf(error)}`, MEND);
    }),
  );
  refuseSecrets(path, value);
  const parsed = projectSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, 3).map(describeIssue);
  throw wrong(path, `is not as it should be: ${faults.join("; ")}`, knownKeys(parsed.error.issues));
}

/** What JSON.parse says quotes the file, which may hold anything. */
function parseJson(path: string, content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw wrong(path, "is not JSON", MEND);
  }
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `no setting is called "${[...issue.path, key].join(".")}"`).join(", ");
  }
  return issue.path.length === 0 ? issue.message : `${issue.path.join(".")}: ${issue.message}`;
}

/** The names there are, where one was used that there is not. */
function knownKeys(issues: readonly z.core.$ZodIssue[]): string | undefined {
  const stray = issues.find(({ code }) => code === "unrecognized_keys");
  if (stray === undefined) return undefined;
  const shapes = { capture: captureSchema.shape, relay: relaySchema.shape };
  const shape = shapes[stray.path[0] as keyof typeof shapes] ?? projectSchema.shape;
  return `There are: ${Object.keys(shape).join(", ")}.`;
}

function refuseSecrets(path: string, value: unknown, name = ""): void {
  const isTelling = (address: string): boolean =>
    /^\w+:\/\/[^/@]*@/.test(address) || /[?&][^=&]*(?:token|secret|passw|key)[^=&]*=/i.test(address);
  if (typeof value === "string" && isTelling(value)) throw secret(path, `${name} holds one`);
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const inside = name === "" ? key : `${name}.${key}`;
    if (SECRET.test(key)) throw secret(path, `"${inside}"`);
    refuseSecrets(path, inner, inside);
  }
}

function secret(path: string, which: string): SplatError {
  return wrong(
    path,
    `must not hold secrets: ${which}`,
    "Secrets belong into the environment, a token into SPLAT_API_TOKEN: this file is shared and committed.",
  );
}

function wrong(path: string, what: string, hint: string | undefined): SplatError {
  return new SplatError("bad_input", `the project file ${path} ${what}`, { hint });
}
