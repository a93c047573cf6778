/** What a backend in the cloud prints. */
import { modalEnvironment, type Config } from "../config.ts";
import { SplatError } from "../errors.ts";
import { APP_NAME } from "../remote/deploy-settings.ts";
import { readAppLogs } from "../remote/modal-app.ts";
import { findModal } from "../remote/modal-find.ts";
import { withoutSecrets } from "../remote/modal-text.ts";
import { interruptSignal } from "./terminal.ts";

export interface CloudLogs {
  /** Environment on Modal; undefined = where it was deployed. */
  readonly environment: string | undefined;
  readonly follow: boolean;
  readonly since: string | undefined;
  /** Undefined = as many as Modal's program shows by itself. */
  readonly lines: number | undefined;
}

/** Print them on stdout, until Ctrl-C where they are followed. */
export async function showCloudLogs({ user }: Config, wanted: CloudLogs): Promise<void> {
  const { follow, since, lines: tail } = wanted;
  if (follow && (since !== undefined || tail !== undefined)) {
    throw new SplatError(
      "usage",
      "--follow shows what comes from now on: it goes with neither --since nor --lines",
      {
        hint: "Leave out one of them.",
      },
    );
  }
  const environment = wanted.environment ?? user.deployment?.environment ?? null;
  // Whoever reads us may stop reading.
  const unread = new AbortController();
  process.stdout.once("error", () => unread.abort());
  const interrupted = interruptSignal();
  const signal = AbortSignal.any([interrupted, unread.signal]);
  const modal = await findModal(modalEnvironment, signal);
  const onLine = (line: string): void => void process.stdout.write(`${withoutSecrets(line)}\n`);
  const reading = readAppLogs(modal, APP_NAME, { environment, follow, since, tail, signal, onLine });
  await reading.catch((error: unknown) => {
    // Nobody reads any more; or Ctrl-C, the way to end following.
    if (!unread.signal.aborted && !(follow && interrupted.aborted)) throw error;
  });
}
