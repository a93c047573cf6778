/**
 * Stands for a backend: answers /health on the port that it is given, writes it to --port-file, ends when its input
 * does. `--fail CODE` ends at once; `--deaf` never becomes ready; `--child` starts a program that holds its output open.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    host: { type: "string" },
    port: { type: "string" },
    "port-file": { type: "string" },
    fail: { type: "string" },
    deaf: { type: "boolean" },
    child: { type: "boolean" },
  },
});
process.stdin.resume().on("end", () => {
  process.stderr.write("saved\n");
  process.exit(0);
});
if (values.fail !== undefined) {
  process.stderr.write("no room for the scene\n");
  process.exit(Number(values.fail));
}
const child = values.child === true ? spawn("sleep", ["600"], { stdio: "inherit" }) : undefined;
const server = createServer((_request, response) =>
  response.end(
    JSON.stringify({
      status: "ok",
      trainer_ready: values.deaf !== true,
      pid: process.pid,
      childPid: child?.pid,
    }),
  ),
);
server.listen(Number(values.port), values.host, () =>
  writeFileSync(values["port-file"], `${server.address().port}\n`),
);
