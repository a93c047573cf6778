/**
 * Stands in for Modal's program and for the Python that it runs in, as far as splatctl uses them. What it is to print is
 * in the JSON file FAKE_MODAL; each call is written to the file FAKE_MODAL_LOG, one line each.
 *
 *   node fake-modal.mjs modal|python|uvx ...args
 */
import { appendFileSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";

const [as, ...given] = process.argv.slice(2);
const script = JSON.parse(readFileSync(process.env["FAKE_MODAL"], "utf8"));

/** The arguments for Modal's program, however it was called; null where Python was asked something else. */
function modalArgs() {
  if (as === "modal") return given;
  if (given[0] === "-m" && given[1] === "modal") return given.slice(2);
  if (given[0].endsWith("/modal")) return given.slice(1);
  return null;
}

function record(args, more = {}) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(?:SPLAT_|R2_|AWS_|COLUMNS|NO_COLOR|FORCE_COLOR|PYTHON)/.test(name),
    ),
  );
  const call = { as, argv: process.argv.slice(2), args, env, cwd: process.cwd(), ...more };
  appendFileSync(process.env["FAKE_MODAL_LOG"], `${JSON.stringify(call)}\n`);
}

/** A secret's file as it is while the program reads it. */
function secretFile(args) {
  const path = args[args.indexOf("--from-json") + 1];
  const modeOf = (name) => statSync(name).mode & 0o777;
  return {
    path,
    mode: modeOf(path),
    folderMode: modeOf(dirname(path)),
    values: JSON.parse(readFileSync(path, "utf8")),
  };
}

function end({ stdout = "", stderr = "", code = 0 } = {}) {
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = code;
}

const args = modalArgs();
if (args === null) {
  record(null);
  const answer = given[0] === "-c" ? script.python : undefined;
  end(
    answer ?? {
      stderr: "Traceback (most recent call last):\nModuleNotFoundError: No module named 'modal'\n",
      code: 1,
    },
  );
} else if (args[0] === "--version") {
  record(args);
  end(
    script.version === undefined
      ? { stderr: "No module named modal\n", code: 1 }
      : { stdout: script.version },
  );
} else {
  const key = ["deploy"].includes(args[0])
    ? args[0]
    : args.slice(0, args[0] === "workspace" ? 3 : 2).join(" ");
  const more = {};
  if (key === "secret create") more.file = secretFile(args);
  if (key === "deploy")
    more.files = readdirSync(".", { recursive: true }).toSorted((a, b) => (a < b ? -1 : 1));
  record(args, more);
  const answer = script[key] ?? { stderr: `No such command '${key}'.\n`, code: 2 };
  // Goes on until Ctrl-C, as a build or a log that is followed does.
  if (answer.untilInterrupted) {
    const parent = process.ppid;
    const going = setInterval(() => {
      // A test that failed leaves none behind.
      if (process.ppid !== parent) process.exit(1);
      process.stdout.write(answer.again ?? "");
    }, 50);
    process.on("SIGINT", () => {
      appendFileSync(process.env["FAKE_MODAL_LOG"], `${JSON.stringify({ as, args, interrupted: true })}\n`);
      if (answer.deaf) return;
      clearInterval(going);
      process.exitCode = answer.codeAfter ?? 1;
    });
  }
  end(answer);
}
