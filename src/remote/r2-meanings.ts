/** What the codes of S3 and R2 mean to whoever asked. Codes: R2's S3 API documentation, "Error codes". */

export interface Meaning {
  /** Goes on after the host's name. */
  readonly says: string;
  readonly hint?: string | undefined;
  /** Only the user can mend it. */
  readonly forUser?: boolean | undefined;
  /** The hint is which permission the token lacks. */
  readonly wantsToken?: boolean | undefined;
}

/** Permissions of R2's tokens, by what they are wanted for. */
export const WANTS = {
  read: "Object Read only",
  write: "Object Read & Write",
  admin: "Admin Read & Write",
} as const;

const KEYS =
  "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: they are those of an R2 API token for this account.";
const UNKNOWN_KEY: Meaning = { says: "does not know the access key", hint: KEYS, forUser: true };
const WRONG_SECRET: Meaning = {
  says: "refused the signature: the secret key is wrong",
  hint: `${KEYS} If they are right, check this machine's clock.`,
  forUser: true,
};
const EXPIRED: Meaning = {
  says: "refused the keys: they have expired",
  hint: `Make new ones; temporary ones need their AWS_SESSION_TOKEN too. ${KEYS}`,
  forUser: true,
};
/** R2 answers so to a session token of a wrong shape, without saying which argument it means. */
export const WRONG_TOKEN: Meaning = {
  says: "refused the keys or what goes with them",
  hint: "Check AWS_SESSION_TOKEN: it belongs to temporary keys, and to these alone; unset it if yours are not temporary.",
  forUser: true,
};
const CLOCK: Meaning = {
  says: "refused the time of the request: this machine's clock is wrong",
  hint: "Set the clock (turn on time synchronisation).",
  forUser: true,
};
const DENIED: Meaning = { says: "denied access", wantsToken: true, forUser: true };
const NO_BUCKET: Meaning = {
  says: "has no such bucket",
  hint: "Create it, or check R2_BUCKET_NAME.",
  forUser: true,
};
const WRONG_PLACE: Meaning = {
  says: "says the bucket lies elsewhere",
  hint: "Check R2_ENDPOINT_URL: it is the S3 endpoint that the bucket's settings show.",
  forUser: true,
};
const BUSY: Meaning = {
  says: "wants fewer requests",
  hint: "R2 takes one write a second of a key. Try again in a moment, or do less at a time.",
};
/** For a server that has trouble of its own. */
export const ILL: Meaning = {
  says: "could not do it now",
  hint: "Try again in a moment; www.cloudflarestatus.com tells of larger trouble at R2.",
};
/** For an answer that says yes and lists nothing, not even that there is nothing. */
export const NOT_S3: Meaning = {
  says: "is not S3: it answered a listing with something else",
  hint: "Check R2_ENDPOINT_URL: it is the S3 endpoint that the bucket's settings show, with its path if it has one.",
  forUser: true,
};
/** For an HTML page where S3 answers XML. */
export const PAGE: Meaning = {
  says: "answered with a web page, not as S3 would",
  hint: "Check R2_ENDPOINT_URL, and whether a proxy or a sign-in page stands before this network.",
};
const TOO_LARGE: Meaning = {
  says: "takes no object so large",
  hint: "R2 takes 5 GiB in one piece, and 5 TiB in parts.",
};
const NOT_DONE: Meaning = {
  says: "does not do what was asked",
  hint: "R2 leaves out parts of S3, and so do other servers.",
};

/** Buckets in a jurisdiction have a host of their own, and neither host knows the other's (R2, "Data location"). */
export function noBucketHint(host: string): string {
  const [, jurisdiction] = /^[^.]+\.(?:(\w+)\.)?r2\.cloudflarestorage\.com$/.exec(host) ?? [];
  const where =
    jurisdiction === undefined
      ? "a bucket in a jurisdiction has its own R2_ENDPOINT_URL (https://ACCOUNT.eu.r2.cloudflarestorage.com, or .fedramp)"
      : `this R2_ENDPOINT_URL knows buckets of the jurisdiction "${jurisdiction}" only; others are there without it`;
  return `Create it, or check R2_BUCKET_NAME; ${where}.`;
}

/** By S3's code. */
export const CODE_MEANINGS: Readonly<Record<string, Meaning | undefined>> = {
  Unauthorized: UNKNOWN_KEY,
  InvalidAccessKeyId: UNKNOWN_KEY,
  SignatureDoesNotMatch: WRONG_SECRET,
  ExpiredToken: EXPIRED,
  InvalidToken: EXPIRED,
  TokenRefreshRequired: EXPIRED,
  RequestTimeTooSkewed: CLOCK,
  ExpiredRequest: CLOCK,
  AccessDenied: DENIED,
  NoSuchBucket: NO_BUCKET,
  NotEntitled: {
    says: "has R2 not turned on",
    hint: "Turn R2 on for the account in Cloudflare's dashboard.",
    forUser: true,
  },
  PermanentRedirect: WRONG_PLACE,
  AuthorizationHeaderMalformed: WRONG_PLACE,
  TooManyRequests: BUSY,
  SlowDown: BUSY,
  InternalError: ILL,
  ServiceUnavailable: ILL,
  NoSuchKey: { says: "has no such object" },
  InvalidRange: {
    says: "has no such part of the object: it ends before",
    hint: "It was replaced; begin anew.",
  },
  PreconditionFailed: { says: "has another object there by now" },
  NotImplemented: NOT_DONE,
  MethodNotAllowed: NOT_DONE,
  MissingContentLength: { says: "wants the length of what is sent beforehand" },
  EntityTooLarge: TOO_LARGE,
  KeyTooLongError: { says: "takes no key so long", hint: "R2 takes 1024 bytes." },
  BadDigest: { says: "got other bytes than were sent", hint: "They were changed on their way; try again." },
};

/** Where an answer has no body (HEAD) or another server's. */
export const STATUS_MEANINGS: Readonly<Record<number, Meaning | undefined>> = {
  301: WRONG_PLACE,
  401: UNKNOWN_KEY,
  403: DENIED,
  411: CODE_MEANINGS["MissingContentLength"],
  413: TOO_LARGE,
  429: BUSY,
  501: NOT_DONE,
};
