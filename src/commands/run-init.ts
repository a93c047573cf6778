/** Setting up a folder's work: ask, try, show, write, and say what comes next. */
import { mkdir } from "node:fs/promises";
import { PROJECT_FILE, resolveConfig, resolveSettings } from "../config.ts";
import { EXIT_CODES, explainShort, SplatError } from "../errors.ts";
import { printable } from "../printable.ts";
import { parseProject } from "../project-file.ts";
import { readProjectText, saveProjectText } from "../project-file-save.ts";
import { readSecrets, saveSecrets } from "../secrets-file.ts";
import { logFor, sceneOf } from "./flags.ts";
import { askBackend, type BackendAnswer } from "./init-backend.ts";
import { settle, tell, type InitDesk } from "./init-desk.ts";
import { describeChanges, withChanges, type FileChanges } from "./init-file.ts";
import { askJoints, type JointsAnswer } from "./init-joints.ts";
import { askLens, sendLens } from "./init-lens.ts";
import { askPictures, type PicturesAnswer } from "./init-pictures.ts";
import type { InitFlags } from "./init.ts";
import { mendSecrets } from "./open-bucket.ts";
import { folded, openQuestions } from "./questions.ts";
import { prepareBucket, type PreparedBucket } from "./run-bucket-init.ts";
import { interruptSignal, printResult } from "./terminal.ts";

interface Answers {
  readonly backend: BackendAnswer;
  readonly pictures: PicturesAnswer;
  readonly joints: JointsAnswer;
  readonly scene: string;
  readonly bucket: PreparedBucket | null;
}

const SERVE = "splatctl serve";
const UNCHANGED = "nothing was written";

/** Set it up. Throws what stands in the way; nothing is written then. */
export async function runInit(flags: InitFlags): Promise<void> {
  const signal = interruptSignal();
  const log = logFor(flags);
  // Not of the flags: what is asked for is what files and the environment should say.
  const config = await resolveConfig({});
  const before = await readProjectText(PROJECT_FILE);
  await mendSecrets(config.secretsFile, log);
  const questions = flags.yes === true ? null : openQuestions(signal, UNCHANGED);
  const desk: InitDesk = { flags, config, questions, signal: questions?.signal ?? signal, log, checks: [] };
  try {
    if (questions !== null) process.stderr.write(folded(greeting(before !== ""), ""));
    await run(desk, before);
  } finally {
    questions?.close();
  }
}

function greeting(isThere: boolean): string {
  const what = isThere
    ? `${PROJECT_FILE} is here already: answers change it, and leave the rest of it alone.`
    : `This writes ${PROJECT_FILE} into this folder.`;
  return `${what} Enter takes what is in brackets; Ctrl-C ends, and nothing is written.`;
}

async function run(desk: InitDesk, before: string): Promise<void> {
  const backend = await askBackend(desk);
  const pictures = await askPictures(desk);
  const joints = await askJoints(desk);
  const scene = await askScene(desk);
  const lens = pictures.folder === null && pictures.webcam === null ? null : await askLens(desk);
  const bucket = await askForBucket(desk);
  const answers: Answers = { backend, pictures, joints, scene, bucket };
  const text = withChanges(before, changesOf(answers, desk));
  // Before anything is shown and written: an address may hold a token.
  parseProject(PROJECT_FILE, text);
  await agree(desk, before, text, answers, lens !== null);
  const wrote = await write(desk, before, text, answers);
  const isLensTold =
    lens !== null &&
    (await sendLens(desk, lens, await clientFor(desk, answers), backend.url ?? desk.config.url, scene));
  await tellShadows(desk);
  const next = nextOf(answers, desk);
  printResult(
    desk.flags,
    { success: true, project_file: PROJECT_FILE, wrote, lens_told: isLensTold, checks: desk.checks, next },
    [
      wrote.length === 0 ? "nothing had to be changed" : `wrote ${wrote.map(printable).join(", ")}`,
      nextText(next),
    ].join("\n"),
  );
  // Who is asked has seen it, and has said what to do.
  if (desk.questions === null && desk.checks.some(({ state }) => state === "no"))
    process.exitCode = EXIT_CODES.partial;
}

async function askScene(desk: InitDesk): Promise<string> {
  const { flags, config } = desk;
  const usual = config.project.scene ?? "main";
  return await settle(
    desk,
    flags.scene,
    usual,
    (questions) => questions.ask("scene", usual),
    (scene) => sceneOf({ scene }),
  );
}

/** Null when none is wanted. One that is known already is not asked for again. */
async function askForBucket(desk: InitDesk): Promise<PreparedBucket | null> {
  const { flags, questions, config, log, signal } = desk;
  const { bucket: kept } = config.user;
  if (kept !== undefined && flags.bucket !== true) {
    tell(desk, {
      name: "bucket",
      state: "ok",
      says: `chunks go to bucket "${kept.name}", which is kept`,
      hint: "splatctl bucket init changes that",
    });
    return null;
  }
  for (;;) {
    const question = "Keep chunks of the scene in a bucket too (Cloudflare R2, or another S3)?";
    const isWanted = flags.bucket ?? (await questions?.askYes(question, false)) ?? false;
    if (!isWanted) return null;
    try {
      const own = { save: true, yes: flags.yes === true };
      return await prepareBucket(own, { log, signal, questions });
    } catch (error) {
      signal.throwIfAborted();
      if (questions === null || !(error instanceof SplatError) || error.code === "internal") throw error;
      tell(desk, { name: "bucket", state: "no", says: explainShort(error) });
      if (flags.bucket === true) throw error;
    }
  }
}

/** What the answers come to in the project file. What it says of another source is taken away. */
function changesOf(
  { backend, pictures, joints, scene }: Answers,
  { config: { project } }: InitDesk,
): FileChanges {
  const isOther = project.relay?.source !== undefined && project.relay.source !== joints?.source;
  return {
    url: backend.url ?? undefined,
    scene: scene === "main" && project.scene === undefined ? undefined : scene,
    "capture.folder": pictures.folder ?? undefined,
    "capture.webcam": pictures.webcam ?? undefined,
    ...(isOther ? { relay: undefined } : {}),
    ...(joints === null
      ? {}
      : {
          "relay.source": joints.source,
          "relay.path": joints.path,
          "relay.url": joints.url,
          "relay.units": joints.units,
          "relay.robot_id": joints.robot_id,
        }),
  };
}

/** Show what is about to be done, and wait for a yes. */
async function agree(
  { questions, flags, config, log }: InitDesk,
  before: string,
  text: string,
  { backend, pictures, bucket }: Answers,
  hasLens: boolean,
): Promise<void> {
  const changes = describeChanges(before, text);
  const title =
    before === "" ? `${PROJECT_FILE} will say, beside comments on every key:` : `in ${PROJECT_FILE}:`;
  const lines = [
    ...(changes.length === 0 ? [] : [title, ...changes.map((line) => `  ${line}`)]),
    ...(pictures.isNew ? [`the folder ${printable(pictures.folder ?? "")} will be made`] : []),
    ...(hasLens && backend.client !== null ? [`the lens will be told to ${backend.client.url}`] : []),
    ...(backend.token === null ? [] : [`the token will be kept in ${config.secretsFile}, for you alone`]),
    ...(bucket === null
      ? []
      : [
          `the keys of bucket "${bucket.address.bucket}" will be kept in ${config.secretsFile}, for you alone`,
        ]),
  ];
  for (const line of lines) log.info(line);
  if (questions === null || lines.length === 0 || flags.yes === true) return;
  if (!(await questions.askYes(before === "" ? "Write it?" : "Change it?", true)))
    throw new SplatError("interrupted", UNCHANGED);
}

/** Secrets first, the project file last: where it is there, all of it is. */
async function write(
  { config, signal }: InitDesk,
  before: string,
  text: string,
  { backend, pictures, bucket }: Answers,
): Promise<string[]> {
  signal.throwIfAborted();
  const wrote: string[] = [];
  if (pictures.isNew && pictures.folder !== null) {
    await mkdir(pictures.folder, { recursive: true });
    wrote.push(`${pictures.folder}/`);
  }
  if (backend.token !== null && backend.url !== null) {
    const kept = await readSecrets(config.secretsFile, backend.url);
    await saveSecrets(config.secretsFile, backend.url, { ...kept, token: backend.token });
    wrote.push(config.secretsFile);
  }
  if (bucket !== null && (await bucket.keep())) wrote.push(config.userFile);
  if (text !== before) {
    await saveProjectText(PROJECT_FILE, before, text);
    wrote.push(PROJECT_FILE);
  }
  return wrote;
}

/** For the scene that was asked for. */
async function clientFor(
  { signal }: InitDesk,
  { backend, scene }: Answers,
): Promise<BackendAnswer["client"]> {
  if (backend.client === null || backend.url === null) return null;
  signal.throwIfAborted();
  const { createClient } = await import("../api/client.ts");
  const { backendOf } = await import("./flags.ts");
  return createClient({ ...backendOf(await resolveConfig({ url: backend.url })), scene });
}

/** What is set elsewhere wins, and whoever has set it may not know any more. */
async function tellShadows(desk: InitDesk): Promise<void> {
  for (const { rule, found } of await resolveSettings({})) {
    if (rule.inProject !== true || found?.origin !== "environment") continue;
    desk.log.warn(`${found.source} is set, and wins over ${rule.key} of ${PROJECT_FILE}`);
  }
}

/** What to type next, in order. */
function nextOf({ backend, pictures, joints }: Answers, { config }: InitDesk): string[] {
  const isDeployed = config.user.deployment !== undefined;
  const start =
    backend.way === "local" && backend.client === null
      ? [SERVE]
      : backend.way === "modal" && !isDeployed
        ? ["splatctl deploy"]
        : [];
  const hasWork = pictures.folder !== null || pictures.webcam !== null || joints !== null;
  return [...start, hasWork ? "splatctl up" : "splatctl capture FOLDER"];
}

function nextText([first, ...later]: readonly string[]): string {
  const isKept = first === SERVE ? "   (leave it running; the rest goes into another terminal)" : "";
  return [`next: ${first}${isKept}`, ...later.map((each) => `then: ${each}`)].join("\n");
}
