/**
 * How long a person waits before anything can happen: whole processes, from their start to their end, in turns, so that what
 * else the machine does falls on all of them alike.
 */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const about = "what a start takes: bare node, --version, --help, completion, status (about 20 s)";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const RUNS = 15;

/** Medians of some runs each. */
export async function run(say, choices) {
  const runs = Number(choices.runs ?? RUNS);
  const folder = await mkdtemp(join(tmpdir(), "splatctl-bench-"));
  const port = await freePort();
  const programs = {
    node: ["-e", "0"],
    version: [BIN, "--version"],
    help: [BIN, "--help"],
    help_of_command: [BIN, "chunks", "get", "--help"],
    complete_command: [BIN, "__complete", "--", "chu"],
    complete_daemon: [BIN, "__complete", "--", "logs", ""],
    status_dead_port: [BIN, "status", "--url", `http://127.0.0.1:${port}`],
  };
  const names = Object.keys(programs);
  const took = Object.fromEntries(names.map((name) => [name, []]));
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
  };
  try {
    say(`${runs} runs of each, node ${process.version} ...`);
    for (let round = -1; round < runs; round++) {
      for (const name of names) {
        const startMs = performance.now();
        const { error } = spawnSync(process.execPath, programs[name], { cwd: folder, env, stdio: "ignore" });
        if (error) throw error;
        // The first round reads files that no later one reads from the disk again.
        if (round >= 0) took[name].push(performance.now() - startMs);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const bareMs = median(took.node);
  return {
    node: process.version,
    runs,
    starts: names.map((name) => ({
      what: name,
      median_ms: median(took[name]),
      least_ms: Math.min(...took[name]),
      above_node_ms: median(took[name]) - bareMs,
    })),
  };
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Nobody listens there any more. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
