import { expect, it } from "vitest";
import type { DownloadResult } from "../../src/chunks/download.ts";
import { CommandQueue, type CommandEnd } from "../../src/commands/run-after.ts";

const RESULT: DownloadResult = {
  entry: {
    key: "scenes/main/s1/a.ply",
    scene: "main",
    sessionId: "s1",
    name: "a.ply",
    sizeBytes: 1,
    sha256: null,
    etag: null,
    index: 1,
    firstFrame: null,
    lastFrame: null,
    gaussianCount: null,
    createdAtS: null,
  },
  path: "out/main/s1/a.ply",
  outcome: "downloaded",
  sizeBytes: 1,
  sha256: null,
  resumedBytes: 0,
  error: null,
};

it.each(["", "true \0"])("tells of a command that cannot be started, %j, and goes on", async (command) => {
  const ends: CommandEnd[] = [];
  const queue = new CommandQueue(command, (end) => ends.push(end), new AbortController().signal);
  queue.add(RESULT);
  queue.add(RESULT);
  await queue.ended();
  expect(queue.failures).toBe(2);
  expect(ends.map(({ code, signal }) => [code, signal])).toEqual([
    [null, null],
    [null, null],
  ]);
  for (const { error } of ends) expect(error).toContain("The argument");
});
