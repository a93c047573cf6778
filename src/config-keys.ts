/** Every setting there is, in words and by the names that it goes by. Nothing is loaded for it: completion reads it too. */

/** How a value is written on a command line. */
export type SettingKind = "text" | "number" | "switch" | "list";

/** One setting. Keys are those of the project file with dots between them. */
export interface SettingRule {
  readonly key: string;
  /** What it does, one sentence without a full stop. */
  readonly about: string;
  readonly kind: SettingKind;
  /** The flag that gives it, such as `--url`; of commands where it is not on all that need it. */
  readonly flag?: string;
  readonly variable?: string;
  /** Whether the project file may hold it. */
  readonly inProject?: true;
  /** Its path in the user's settings, where they may hold it. */
  readonly inUser?: string;
  /** Kept in the file of secrets, asked for and never shown. */
  readonly isSecret?: true;
  /** What sets it, where `config set` does not. */
  readonly setBy?: string;
  /** As it may stand in a project file, JSON. */
  readonly example?: string;
}

const BUCKET_INIT = "splatctl bucket init";

const inProject = (rule: SettingRule): SettingRule => ({ ...rule, inProject: true });

const CAPTURE_RULES: readonly SettingRule[] = [
  { key: "capture.folder", kind: "text", about: "folder where the images appear", example: `"captures"` },
  { key: "capture.recursive", kind: "switch", about: "look into sub-folders too", example: "true" },
  {
    key: "capture.include",
    kind: "list",
    about: "send files that match, instead of *.jpg, *.jpeg, *.png",
    example: `["*.jpg"]`,
  },
  { key: "capture.exclude", kind: "list", about: "leave out files that match", example: `["*-thumb.jpg"]` },
  { key: "capture.fps", kind: "number", about: "start at most so many uploads a second", example: "10" },
  {
    key: "capture.webcam",
    kind: "text",
    about: "a camera instead of a folder: a device, or a network camera's address without its password",
    example: `"/dev/video0"`,
  },
  { key: "capture.size", kind: "text", about: "pixels of the camera's pictures", example: `"640x480"` },
  {
    key: "capture.camera_fps",
    kind: "number",
    about: "pictures that the camera is asked for a second",
    example: "30",
  },
  {
    key: "capture.every",
    kind: "number",
    about: "look at each n-th picture of the camera only",
    example: "2",
  },
  {
    key: "capture.max_fps",
    kind: "number",
    about: "at most so many pictures of the camera pass a second",
    example: "5",
  },
  {
    key: "capture.gate",
    kind: "switch",
    about: "false: blurred, dark and still pictures of the camera pass too",
    example: "false",
  },
];

const RELAY_RULES: readonly SettingRule[] = [
  {
    key: "relay.source",
    kind: "text",
    flag: "up --relay",
    about: "where the joints come from: serial, lerobot or http",
    example: `"serial"`,
  },
  {
    key: "relay.path",
    kind: "text",
    flag: "up --device",
    about: "serial port of the arm; it is searched for unless named",
    example: `"/dev/ttyACM0"`,
  },
  {
    key: "relay.url",
    kind: "text",
    flag: "up --relay-url",
    about:
      "LeRobot's display socket, or an address that is polled; for http without one, joints are pushed to splatctl",
    example: `"ws://127.0.0.1:8765"`,
  },
  { key: "relay.hz", kind: "number", flag: "up --hz", about: "most joint updates a second", example: "30" },
  {
    key: "relay.units",
    kind: "text",
    flag: "up --units",
    about: "what the angles are in: rad, deg or norm (LeRobot before v0.4.4)",
    example: `"deg"`,
  },
  {
    key: "relay.port",
    kind: "number",
    flag: "up --port",
    about: "port of splatctl's own server, for joints that are pushed to it",
    example: "7861",
  },
  {
    key: "relay.robot_id",
    kind: "text",
    flag: "up --robot-id",
    about: "whose calibration of LeRobot's is read",
    example: `"my_follower"`,
  },
  {
    key: "relay.calibration",
    kind: "text",
    flag: "up --calibration",
    about: "a calibration file of LeRobot's",
    example: `"calibration.json"`,
  },
];

/** All of them, in the order that they are shown. */
export const SETTING_RULES: readonly SettingRule[] = [
  {
    key: "url",
    kind: "text",
    flag: "--url",
    variable: "SPLAT_API_URL",
    inProject: true,
    inUser: "url",
    about: "the backend",
    example: `"http://127.0.0.1:7860"`,
  },
  {
    key: "scene",
    kind: "text",
    flag: "--scene",
    variable: "SPLAT_SCENE",
    inProject: true,
    inUser: "scene",
    about: "which of its scenes",
    example: `"main"`,
  },
  {
    key: "token",
    kind: "text",
    variable: "SPLAT_API_TOKEN",
    isSecret: true,
    about: "what the backend asks for; kept for its URL alone",
  },
  {
    key: "proxy.key",
    kind: "text",
    variable: "SPLAT_PROXY_KEY",
    isSecret: true,
    about: "the key that Modal's proxy before the backend asks for",
  },
  {
    key: "proxy.secret",
    kind: "text",
    variable: "SPLAT_PROXY_SECRET",
    isSecret: true,
    about: "the secret that goes with it",
  },
  ...CAPTURE_RULES.map(inProject),
  {
    key: "camera_url",
    kind: "text",
    variable: "SPLAT_CAMERA_URL",
    isSecret: true,
    setBy: "SPLAT_CAMERA_URL",
    about: "address of a network camera that holds its password",
  },
  ...RELAY_RULES.map(inProject),
  {
    key: "spool",
    kind: "text",
    flag: "--spool",
    variable: "SPLAT_SPOOL_DIR",
    inProject: true,
    about: "folder where captures keep frames until they are safe",
    example: `"spool"`,
  },
  {
    key: "data",
    kind: "text",
    flag: "serve --data",
    variable: "SPLAT_DATA_DIR",
    about: "folder of a backend on this machine: frames, state and chunks",
  },
  {
    key: "run_dir",
    kind: "text",
    variable: "SPLAT_RUN_DIR",
    about: "folder where running daemons say that they run",
  },
  { key: "log_dir", kind: "text", variable: "SPLAT_LOG_DIR", about: "folder of what detached daemons print" },
  {
    key: "python",
    kind: "text",
    flag: "serve --python",
    variable: "SPLAT_PYTHON",
    about: "Python that runs serve --engine gsplat",
  },
  {
    key: "cors_origins",
    kind: "list",
    variable: "SPLAT_CORS_ORIGINS",
    about: "web pages that a backend started here answers",
  },
  {
    key: "bucket.endpoint",
    kind: "text",
    variable: "R2_ENDPOINT_URL",
    inUser: "bucket.endpoint",
    setBy: BUCKET_INIT,
    about: "S3 endpoint of the account",
  },
  {
    key: "bucket.name",
    kind: "text",
    variable: "R2_BUCKET_NAME",
    inUser: "bucket.name",
    setBy: BUCKET_INIT,
    about: "the bucket that chunks go to",
  },
  {
    key: "bucket.public_url",
    kind: "text",
    variable: "R2_PUBLIC_URL",
    inUser: "bucket.publicUrl",
    setBy: BUCKET_INIT,
    about: "where anybody reads it",
  },
  {
    key: "bucket.access_key_id",
    kind: "text",
    variable: "AWS_ACCESS_KEY_ID",
    isSecret: true,
    setBy: BUCKET_INIT,
    about: "the key that opens it",
  },
  {
    key: "bucket.secret_access_key",
    kind: "text",
    variable: "AWS_SECRET_ACCESS_KEY",
    isSecret: true,
    setBy: BUCKET_INIT,
    about: "the secret that goes with it",
  },
  {
    key: "bucket.session_token",
    kind: "text",
    variable: "AWS_SESSION_TOKEN",
    isSecret: true,
    setBy: "AWS_SESSION_TOKEN",
    about: "goes with keys that hold for some hours",
  },
  ...(["app", "environment", "url", "gpu", "strategy", "scenes"] as const).map((name): SettingRule => ({
    key: `deployment.${name}`,
    kind: name === "gpu" || name === "scenes" ? "list" : "text",
    inUser: `deployment.${name}`,
    setBy: "splatctl deploy",
    about: `the backend on Modal: ${name}`,
  })),
];

const BY_KEY: ReadonlyMap<string, SettingRule> = new Map(SETTING_RULES.map((rule) => [rule.key, rule]));

/** The setting of that key; undefined when there is none. */
export function ruleOf(key: string): SettingRule | undefined {
  return BY_KEY.get(key);
}

/** Variables of ours that are no settings: told to daemons, to backends in a container, to commands after a chunk, to tests. */
const OTHER_VARIABLES = [
  "SPLAT_CONFIG_DIR",
  "SPLAT_DETACHED_LOG",
  "SPLAT_SCENES",
  "SPLAT_IDLE_STOP_S",
  "SPLAT_SCALEDOWN_S",
  "SPLAT_WITH_BUCKET",
  "SPLAT_PROXY_AUTH",
  "SPLAT_MAX_GAUSSIANS",
  "SPLAT_MAX_PIXELS",
  "SPLAT_FRAME_MEMORY_MIB",
  "SPLAT_GPU",
  "SPLAT_SESSION_ID",
  "SPLAT_CONTRACT_URL",
  "SPLAT_BACKEND_PYTHON",
  "SPLAT_RENDERS",
];

/** Names of the variables that mean something to splatctl and begin as ours do. */
export const KNOWN_VARIABLES: readonly string[] = [
  ...SETTING_RULES.flatMap(({ variable }) => (variable?.startsWith("SPLAT_") === true ? [variable] : [])),
  ...OTHER_VARIABLES,
];

/** Those among these names of variables that begin as ours do and mean nothing. Chunks have variables of their own. */
export function strayAmong(names: readonly string[]): string[] {
  return names.filter((name) => /^SPLAT_(?!CHUNK_)/.test(name) && !KNOWN_VARIABLES.includes(name));
}
