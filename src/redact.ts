/**
 * Takes secrets out of whatever is written for people: log lines, errors, causes, stacks. Two nets: the very secrets that
 * this process has been given, and the shapes that secrets of the programs around us have. Results on stdout do not pass
 * here: `chunks url --expires` exists to print a URL that is signed.
 */

/** What is shown in place of a secret. */
export const HIDDEN = "[hidden]";

/** Shorter ones are no secrets, and would take ordinary words out of every sentence. */
const LEAST_LENGTH = 4;

/** Shorter ones may be a part of an ordinary word or of a host's name: they count as whole words only. */
const SURE_LENGTH = 8;

const known = new Set<string>();
let pattern: RegExp | null = null;

/** From now on `text` is never printed, whatever it looks like; undefined and what is too short to be secret is let be. */
export function keepSecret(...texts: readonly (string | undefined)[]): void {
  for (const text of texts) {
    if (text === undefined || text.length < LEAST_LENGTH) continue;
    // As a URL, a JSON text and an HTTP Basic header would carry it.
    for (const form of [text, asInUrl(text), JSON.stringify(text).slice(1, -1)]) {
      if (known.has(form)) continue;
      known.add(form);
      pattern = null;
    }
  }
}

/** The password in a URL, as it is written and as it is meant; empty where there is none. */
export function loginOf(url: string | undefined): readonly string[] {
  if (url === undefined || !URL.canParse(url)) return [];
  const { password } = new URL(url);
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}

/**
 * `text` without known secrets and without what looks like one. Every pattern is linear in the length of the text: none
 * has a repetition that another one could share characters with, or else it starts where no match could have begun before.
 */
export function redact(text: string): string {
  let clean = text;
  if (known.size > 0) {
    pattern ??= new RegExp(
      [...known]
        .toSorted((a, b) => b.length - a.length)
        .map(knownShape)
        .join("|"),
      "g",
    );
    clean = clean.replace(pattern, HIDDEN);
  }
  for (const [shape, instead] of SHAPES) clean = clean.replace(shape, instead);
  return clean;
}

/** Every text in a JSON value goes through `redact`; to be given to JSON.stringify. */
export function redactValue(_key: string, value: unknown): unknown {
  return typeof value === "string" ? redact(value) : value;
}

/** A letter of a value: what ends one in a sentence, a URL, a header or a JSON text is none. What is hidden stays so. */
const VALUE = String.raw`(?!\[hidden\])[^\s&"'<>\\,;)\]}#\`]`;

/** After a colon a sentence may follow: "…_KEY: they are those of". A value has a digit, or is long. */
const WORD_OF_VALUE = String.raw`(?:(?<==["']?)|(?=[^\s"']{0,200}\d)|(?=[^\s"']{12}))`;

/** Parameters of presigned URLs (AWS Signature 4 and 2) and what others call theirs. */
const PARAMETERS = [
  "X-Amz-Signature",
  "X-Amz-Credential",
  "X-Amz-Security-Token",
  "AWSAccessKeyId",
  "Signature",
  "[a-z]{0,12}[_-]?token",
  "api[_-]?key",
  "client[_-]?secret",
  "secret",
  "password",
  "passwd",
  "pwd",
].join("|");

/** Names of settings and JSON keys whose values are secret. */
const SETTINGS = [
  "AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)",
  "SPLAT_(?:API_TOKEN|PROXY_KEY|PROXY_SECRET)",
  "MODAL_TOKEN_(?:ID|SECRET)",
  "HF_TOKEN|HUGGING_FACE_HUB_TOKEN",
].join("|");
const KEYS = [
  "(?:aws_?)?secret_?access_?key",
  "(?:aws_?)?access_?key_?id",
  "(?:api_?|access_?|session_?|auth_?)?token",
  "proxy_?(?:key|secret)",
  "client_?secret",
  "secret",
  "password",
  "authorization",
].join("|");

const SHAPES: readonly (readonly [RegExp, string])[] = [
  // user:password@ of any URL, cameras' included; the password may hold an @.
  [/(:\/\/)[^\s/"'<>@:]{0,512}:[^\s"'<>,;]{0,512}@/g, `$1${HIDDEN}@`],
  [/(:\/\/)[^\s/"'<>@:?#]{16,}@/g, `$1${HIDDEN}@`],
  [new RegExp(`([?&;](?:${PARAMETERS})=)${VALUE}+`, "gi"), `$1${HIDDEN}`],
  [
    /((?:proxy-)?authorization["']?[:=][ \t]{0,3}["']?)(?:(?:bearer|basic|digest|aws4-hmac-sha256)[ \t]{1,3})?[^\r\n"'<>]+/gi,
    `$1${HIDDEN}`,
  ],
  [
    /((?:modal-key|modal-secret|x-api-key|x-amz-security-token)["']?[:=][ \t]{0,3}["']?)[^\s"'<>]+/gi,
    `$1${HIDDEN}`,
  ],
  // A cookie has several parts, with blanks between.
  [/(cookie["']?[:=][ \t]{0,3}["']?)[^\r\n"'<>]+/gi, `$1${HIDDEN}`],
  // As one writes a flag, or a tool prints the command that it ran.
  [new RegExp(`(--(?:${PARAMETERS})[ \\t]{1,3}["']?)(?!-)${VALUE}{4,}`, "gi"), `$1${HIDDEN}`],
  // Sentences speak of bearer tokens too.
  [
    /\b(bearer[ \t]{1,3})(?!(?:tokens?|auth(?:entication|orization)?|scheme|header)\b)[\w.~+/=-]{6,}/gi,
    `$1${HIDDEN}`,
  ],
  [/\b([Bb]asic[ \t]{1,3})(?=[\w+/=-]{0,400}(?:[\d+/=]|[a-z][A-Z]))[\w+/=-]{8,}/g, `$1${HIDDEN}`],
  [
    new RegExp(`\\b((?:${SETTINGS})["']?(?:=|:[ \\t]{0,3})["']?)${WORD_OF_VALUE}${VALUE}+`, "g"),
    `$1${HIDDEN}`,
  ],
  [new RegExp(`(["'](?:${KEYS})["']\\s{0,2}:\\s{0,2}["'])[^"'\\\\]+`, "gi"), `$1${HIDDEN}`],
  // Modal's tokens and proxy tokens, Hugging Face, AWS, GitHub, OpenAI's and others' sk-, JSON web tokens.
  [/(?<![\w-])(?:ak|as|wk|ws)-[A-Za-z0-9]{16,}/g, HIDDEN],
  [/(?<![\w-])hf_[A-Za-z0-9]{16,}/g, HIDDEN],
  [/(?<![\w-])(?:AKIA|ASIA)[A-Z0-9]{16}(?![\w-])/g, HIDDEN],
  [/(?<![\w-])gh[opsur]_[A-Za-z0-9]{20,}/g, HIDDEN],
  [/(?<![\w-])sk-[\w-]{20,}/g, HIDDEN],
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, HIDDEN],
  [/(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)[^-]*/g, `$1${HIDDEN}`],
];

function knownShape(text: string): string {
  if (text.length >= SURE_LENGTH) return escape(text);
  // Neither inside a word nor a part of a host's name.
  return `(?<![\\w.-])${escape(text)}(?![\\w-]|\\.\\w)`;
}

function asInUrl(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // Half a character: no URL can carry it.
    return text;
  }
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
