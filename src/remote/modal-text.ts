/** What Modal's program prints, as plain text; and the address of a deployment in it. */

/** Colours, cursor movements and hyperlinks (ECMA-48; OSC 8). */
// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001b(?:\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\[[0-?]*[ -/]*[@-~]|[@-Z\\^_])/g;

/** Without colours, links and other escape sequences. */
export function plainText(text: string): string {
  return text.replace(ESCAPES, "").replaceAll("\r", "");
}

/** What secrets of Modal's look like, API tokens and proxy tokens: no words such as "as-requested". */
const SECRET = /\b(?:ak|as|wk|ws)-(?=[A-Za-z0-9]*\d|[A-Za-z0-9]{16})[A-Za-z0-9_-]{4,}/g;

/** Without anything that looks like a token of Modal's, and without the secrets given. */
export function withoutSecrets(text: string, secrets: readonly string[] = []): string {
  const known = secrets.filter((secret) => secret.length > 0);
  return known
    .reduce((shown, secret) => shown.replaceAll(secret, "[secret]"), text)
    .replace(SECRET, "[secret]");
}

/**
 * The address of a deployment from what `modal deploy` printed; null when there is none in it. Known wordings:
 * `Created web endpoint for C.m => URL` (≤ 1.4.2), `Created Web Function URL for C.m => URL`
 * (≥ 1.4.3), a line of its own `C.m -> URL` (1.6). Lines may be folded anywhere, within the address too: Modal's printer
 * takes a pipe for a terminal of 80 columns.
 *
 * @param method the method that serves, such as `LiveSplat.web`; the address of anything else is not ours.
 */
export function urlInDeployOutput(output: string, method: string): string | null {
  // Of each fold the end of the line stays: it parts words, and is no part of an address.
  const text = plainText(output).replace(/[ \t]*\n[\s│├└─]*/g, "\n");
  const name = method.replaceAll(".", "\\.");
  const [, folded] = new RegExp(`(?<!\\S)${name}\\s*[=-]>\\s*(https://[a-z0-9.\\n-]+)`).exec(text) ?? [];
  return /^https:\/\/[a-z0-9.-]+?\.modal\.run/.exec(folded?.replaceAll("\n", "") ?? "")?.[0] ?? null;
}
