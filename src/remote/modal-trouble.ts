/** What Modal's program complains of, as errors that say what to do. Its exit code is 1 for nearly everything. */
import { SplatError } from "../errors.ts";
import type { Ran } from "./modal-run.ts";
import { withoutSecrets } from "./modal-text.ts";

/** A complaint, what it means, and what to do about it. Wordings of 1.4 to 1.6; the first that fits counts. */
const TROUBLES: readonly {
  readonly said: RegExp;
  readonly code: "not_configured" | "unreachable" | "refused";
  readonly message: string;
  readonly hint: string;
}[] = [
  {
    said: /token missing|could not authenticate client|token id and secret must both|no token found/i,
    code: "not_configured",
    message: "nobody is logged in to Modal on this machine",
    hint: "Run `modal setup` once, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET.",
  },
  {
    said: /token validation failed|invalid token|unauthenticated|authentication fail|token (?:id )?(?:is )?(?:malformed|not found|expired|revoked)|invalid credential/i,
    code: "not_configured",
    message: "Modal does not accept the token of this machine",
    hint: "Run `modal token new`, or check MODAL_TOKEN_ID, MODAL_TOKEN_SECRET and MODAL_PROFILE.",
  },
  {
    said: /could not connect to the modal server|cannot connect to host|name or service not known|network is unreachable|connection (?:refused|reset)|getaddrinfo/i,
    code: "unreachable",
    message: "Modal cannot be reached",
    hint: "Check the network, a proxy or firewall, and status.modal.com; then run it again.",
  },
  {
    said: /deadline exceeded|timed out/i,
    code: "unreachable",
    message: "Modal does not answer",
    hint: "Run it again in a moment; status.modal.com says whether it is down.",
  },
  {
    said: /environment\b[^\n]*(?:not found|does not exist|must be specified|multiple environments)|(?:no|multiple) environments?\b/i,
    code: "not_configured",
    message: "the environment on Modal is not clear",
    hint: "Name one with --env; `modal environment list` shows them.",
  },
  {
    said: /secret\b[^\n]*(?:missing|required) key|missing required key/i,
    code: "not_configured",
    message: "a secret on Modal lacks a setting",
    hint: "Set the R2_ and AWS_ variables of the bucket here and deploy again: that writes the secret anew.",
  },
  {
    said: /spend limit|billing|payment method|budget|plan limit|quota/i,
    code: "refused",
    message: "Modal refuses for reasons of billing or limits",
    hint: "See your workspace's usage and billing pages on modal.com.",
  },
];

const TAIL_LINES = 12;
/** A complaint is what is said last on stderr, in a box at most. What a build prints before may hold any words. */
const COMPLAINT_LINES = 6;

/** Whether the app in question is not there, or not running any more. */
export function isNotDeployed({ stdout, stderr }: Ran): boolean {
  return /no app with name|could not find .*app|is not deployed|app .*not found/i.test(
    `${stdout}\n${stderr}`,
  );
}

/** Whether the app was stopped before. */
export function isAlreadyStopped({ stdout, stderr }: Ran): boolean {
  return /already stopped/i.test(`${stdout}\n${stderr}`);
}

/**
 * The error for a run that did not end well.
 * @param what what was being done, as in "deploying"
 */
export function troubleOf(what: string, ran: Ran, secrets: readonly string[] = []): SplatError {
  const said = withoutSecrets(`${ran.stdout}\n${ran.stderr}`.trim(), secrets);
  const complaint = lastLines(ran.stderr, COMPLAINT_LINES).join("\n");
  const known = TROUBLES.find((trouble) => trouble.said.test(complaint));
  const tail = lastLines(said, TAIL_LINES);
  const cause = tail.length === 0 ? undefined : new Error(tail.join("\n  "));
  if (known !== undefined) {
    return new SplatError(known.code, `${what} failed: ${known.message}`, { hint: known.hint, cause });
  }
  const how = ran.code === null ? "was ended" : `ended with ${ran.code}`;
  return new SplatError("refused", `${what} failed: Modal's program ${how}`, {
    cause,
    hint: "What it said is above. Mend that and run it again.",
  });
}

function lastLines(text: string, count: number): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count);
}
