import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { createClient } from "../../src/api/client.ts";
import { jpeg, temporaryFolder } from "../helpers/backend-fixture.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

/** The process and what it said so far on stderr. */
interface Served {
  readonly process: ChildProcessWithoutNullStreams;
  readonly said: () => string;
}

function serve(...flags: string[]): Served {
  const child = spawn(process.execPath, [BIN, "serve", "--port", "0", ...flags]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let text = "";
  child.stderr.on("data", (piece: Buffer) => {
    text += piece.toString();
  });
  return { process: child, said: () => text };
}

async function urlOf({ process: child, said }: Served): Promise<string> {
  for (;;) {
    const [, url] = /listening on (http:\S+)[^]*\n/.exec(said()) ?? [];
    if (url !== undefined) return url;
    if (child.exitCode !== null) expect.unreachable(said());
    await once(child.stderr, "data");
  }
}

it("keeps what it took from Ctrl-C to the next start", async () => {
  const data = await temporaryFolder();
  const first = serve("--data", data, "--threads", "1", "--max-gaussians", "500", "--max-pixels", "400");
  const client = createClient({ url: await urlOf(first) });
  expect((await client.scene()).max_gaussians).toBe(500);
  await client.uploadFrame(
    { bytes: await jpeg(1), mediaType: "image/jpeg", name: "a.jpg" },
    { frame_id: "a" },
  );
  const { session_id } = await client.status();
  first.process.kill("SIGINT");
  expect(await once(first.process, "exit")).toEqual([0, null]);
  expect(first.said()).toContain(data);

  const second = serve("--data", data, "--threads", "1");
  const status = await createClient({ url: await urlOf(second) }).status();
  expect(status).toMatchObject({ session_id, frame_count: 1, durable_through: 1, engine: { threads: 1 } });

  const third = serve("--data", data);
  expect(await once(third.process, "exit")).toEqual([2, null]);
  expect(third.said()).toMatch(/in use by process \d+[^]*remove .*lock/);
  second.process.kill("SIGTERM");
  expect(await once(second.process, "exit")).toEqual([0, null]);
});

it("refuses to listen for others without a token", async () => {
  const served = serve("--host", "0.0.0.0", "--data", await temporaryFolder());
  expect(await once(served.process, "exit")).toEqual([3, null]);
  expect(served.said()).toContain("SPLAT_API_TOKEN");
});
