/**
 * A daemon whose work is to count: `trivial-daemon.mjs NAME RUN_DIR [LOG_DIR] [MODE]`. Prints a line at each step. With
 * a LOG_DIR and no log of its own yet it starts itself again, detached.
 * Modes: `slow` takes long to end, `broken` fails at once.
 */
import { detach } from "../../dist/daemon/detach.js";
import { runDaemon } from "../../dist/daemon/run-daemon.js";
import { explain, SplatError, toSplatError, EXIT_CODES } from "../../dist/errors.js";
import { createLog } from "../../dist/log.js";
import { sleep } from "../../dist/time.js";

const [name, runDir, logDir, mode] = process.argv.slice(2);
const logPath = process.env.TRIVIAL_LOG;

async function work({ signal, ready, expose }) {
  if (mode === "broken") throw new SplatError("not_configured", "no arm is there", { hint: "Plug it in." });
  let count = 0;
  expose({ status: () => ({ count, summary: `counted to ${count}` }) });
  while (!signal.aborted) {
    count++;
    if (count === 2) ready();
    process.stdout.write(`${count}\n`);
    await sleep(20, signal).catch(() => undefined);
  }
  process.stdout.write("draining\n");
  if (mode === "slow") await sleep(600_000);
  return count;
}

try {
  if (logDir !== undefined && logDir !== "" && logPath === undefined) {
    const daemon = await detach(
      {
        name,
        runDir,
        logDir,
        argv: process.argv.slice(1),
        environment: (path) => ({ ...process.env, TRIVIAL_LOG: path }),
      },
      new AbortController().signal,
    );
    process.stdout.write(`${JSON.stringify(daemon)}\n`);
  } else {
    const log = createLog("normal");
    const about = { name, runDir, what: "count", backend: "http://127.0.0.1:1", log, logPath };
    const result = await runDaemon({ ...about, work });
    process.stdout.write(`ended at ${result}\n`);
  }
} catch (thrown) {
  const error = toSplatError(thrown);
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = EXIT_CODES[error.code];
}
