/** What of the environment other programs get to see. What is read of it is handed in. */

/**
 * The environment for Modal's program: `env` without what is ours to know, and with `variables`,
 * and so set that it prints plain text, at once, and folds no line: it takes a pipe for a terminal of 80 columns.
 */
export function modalVariables(
  variables: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const ours =
    /^(?:SPLAT_.*|R2_.*|AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)|FORCE_COLOR|CLICOLOR_FORCE)$/;
  const inherited = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || ours.test(name) ? [] : [[name, value] as const],
  );
  const printing = {
    COLUMNS: "1000",
    NO_COLOR: "1",
    PYTHONUTF8: "1",
    PYTHONIOENCODING: "utf-8",
    PYTHONUNBUFFERED: "1",
  };
  return { ...Object.fromEntries(inherited), ...printing, ...variables };
}

/**
 * The environment for a command of the user's: `env` without the secrets that are ours to know, nor which bucket
 * is read, and with `variables`.
 */
export function commandVariables(
  variables: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const ours =
    /^(?:(?:AWS|R2)_.*|SPLAT_CHUNK_.*|(?:SPLAT|MODAL)_.*(?:TOKEN|KEY|SECRET).*|SPLAT_CAMERA_URL)$/i;
  const inherited = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || ours.test(name) ? [] : [[name, value] as const],
  );
  return { ...Object.fromEntries(inherited), ...variables };
}
