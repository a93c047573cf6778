/**
 * What Modal's program prints. 1.6.4: made by its own printer, and by itself without a token and without a network; the
 * versions before: from their sources. The account is nobody's.
 */

export const URL_1 = "https://somebody--so100-live-splat.modal.run";
/** Long enough to be folded on 80 columns. */
export const LONG_URL =
  "https://my-long-workspace-name-staging--so100-live-splat-livesplatserver-web.modal.run";

const VIEW =
  "\nView Deployment: \nhttps://modal.com/apps/my-long-workspace-name/main/deployed/so100-live-splat\n";

/** What `modal deploy` prints: name, text, the address in it. */
export const DEPLOYS: readonly (readonly [string, string, string])[] = [
  [
    "1.4.2, a method of a class",
    `✓ Created objects.
├── 🔨 Created mount PythonPackage:live_splat
├── 🔨 Created function LiveSplat.*.
└── 🔨 Created web endpoint for LiveSplat.web => ${URL_1}
✓ App deployed in 2.345s! 🎉
${VIEW}`,
    URL_1,
  ],
  [
    "1.4.3, with proxy authentication",
    `✓ Created objects.
├── 🔨 Created function LiveSplat.*.
└── 🔨 Created Web Function URL for LiveSplat.web => ${URL_1} 🔑
✓ App deployed in 2.345s! 🎉
${VIEW}`,
    URL_1,
  ],
  [
    "1.5, folded within the address",
    `✓ Created objects.
├── 🔨 Created mount PythonPackage:live_splat
├── 🔨 Created Web Function URL for LiveSplat.web =>
│   https://my-long-workspace-name-staging--so100-live-splat-livesplatserver-web.m
│   odal.run
└── 🔨 Created function LiveSplat.*.
✓ App deployed in 2.345s! 🎉
${VIEW}`,
    LONG_URL,
  ],
  [
    "1.5, folded before the dot, cut label",
    `✓ Created objects.
└── 🔨 Created Web Function URL for
    LiveSplat.web =>
    https://my-long-workspace-name-staging--so100-live-splat-livesplatserver-web
    .modal.run (label truncated)
✓ App deployed in 2.345s! 🎉
${VIEW}`,
    LONG_URL,
  ],
  [
    "1.5, with a domain of its own and another address",
    `✓ Created objects.
├── 🔨 Created Web Function URL for Other.page => https://somebody--other.modal.run
├── 🔨 Created Web Function URL for LiveSplat.web => ${URL_1} (label stolen)
└── 🔨 Custom domain for LiveSplat.web => https://splats.example.com
✓ App deployed in 2.345s! 🎉
${VIEW}`,
    URL_1,
  ],
  [
    "1.5, nothing changed",
    `✓ Created objects.
└── 🔨 Created Web Function URL for LiveSplat.web => ${URL_1}
Deployment skipped: no changes detected! ⏭️
${VIEW}`,
    URL_1,
  ],
  [
    "1.6.4",
    `✓ Created objects.
├── ✓ Created mount PythonPackage:live_splat
└── ✓ Created function LiveSplat.*.
    └── LiveSplat.web -> ${URL_1} (unauthenticated)
✓ App deployed in 2.345s! 🎉
${VIEW}`,
    URL_1,
  ],
  [
    "1.6.4, folded, with proxy authentication",
    `✓ Created objects.
├── ✓ Created mount PythonPackage:live_splat
└── ✓ Created function LiveSplat.*.
    └── LiveSplat.web ->${" "}
        https://my-long-workspace-name-staging--so100-live-splat-livesplatserver
        -web.modal.run 🔑
✓ App deployed in 2.345s! 🎉
${VIEW}`,
    LONG_URL,
  ],
  [
    "1.6.4, coloured, linked and redrawn",
    [
      "\u001b[?25l\u001b[34m⠋\u001b[0m Creating objects...\r\u001b[2K\u001b[34m⠋\u001b[0m Creating objects...",
      "\u001b[37m└── \u001b[0m\u001b[32m✓\u001b[0m Created function \u001b[32mLiveSplat.*\u001b[0m.",
      "\u001b[37m    \u001b[0m\u001b[37m└── \u001b[0mLiveSplat.web -> ",
      `\u001b[37m    \u001b[0m\u001b[37m    \u001b[0m\u001b]8;id=4975365;${URL_1}\u001b\\\u001b[2;4m${URL_1}\u001b[0m\u001b]8;;\u001b\\ 🔑`,
      "\u001b[?25h\r\u001b[1A\u001b[2K\u001b[1A\u001b[2K\u001b[32m✓\u001b[0m Created objects.",
      "\u001b[32m✓\u001b[0m App deployed in \u001b[1;36m2.\u001b[0m345s! 🎉",
      "",
    ].join("\n"),
    URL_1,
  ],
];

/** Without an address: an app of another making. */
export const NO_ADDRESS = "✓ Created objects.\n└── ✓ Created function train.\n✓ App deployed in 1.000s! 🎉\n";

export const TOKEN_INFO =
  "Token: ak-0123456789\nWorkspace: somebody (ac-0123456789)\nUser: somebody (us-0123456789)\n";

/** 1.6.4 without `~/.modal.toml`. */
export const NO_TOKEN =
  "Error: Token missing. Could not authenticate client. If you have token credentials, see modal.com/docs/sdk/py/latest/config for setup help. If you are a new user, register an account at modal.com, then run `modal token new`.\n";

/** In a panel, as before 1.6. */
export const REFUSED_TOKEN = `╭─ Error ──────────────────────────────────────────╮
│ Token validation failed: Unauthenticated          │
╰───────────────────────────────────────────────────╯
`;

/** 1.6.4 without a network, after 58 s. */
export const NO_NETWORK = "Error: Could not connect to the Modal server.\n";

export const NOT_FOUND = "Error: No App with name 'so100-live-splat' found in the 'main' environment.\n";
export const ALREADY_STOPPED =
  "App is already stopped. (Stopped at 2026-01-02 03:04:05+00:00 by 'somebody').\n";
export const ABORTED = {
  stdout:
    "Are you sure you want to stop App 'so100-live-splat'? No containers are currently running. [y/N]: \n",
  stderr: "Aborted: no interactive terminal detected. Rerun with --yes (-y) to skip confirmation.\n",
  code: 1,
};
/** Without `--force`. */
export const SECRET_EXISTS = "Error: Secret 'splat-api' already exists in environment 'main'.\n";
/** 1.4, a token in the environment: the sentence is there with --json too. */
export const PROFILES_WITH_SENTENCE =
  '[\n  {\n    "name": "default",\n    "workspace": "other",\n    "active": false\n  }\n]\n\u001b[33mUsing \u001b[1msomebody\u001b[0m\u001b[33m workspace based on environment variables\u001b[0m\n';
