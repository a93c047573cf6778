import { expect, it, onTestFinished } from "vitest";
import { startServer, type RunningServer, type ServerOptions } from "../../src/http/server.ts";

async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    fetch: () => new Response("here"),
    ...options,
  });
  onTestFinished(() => server.close());
  return server;
}

it("listens on a free port, lets what is under way end, and is gone when closed", async () => {
  let letIn: () => void = () => undefined;
  let letOut: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (letIn = resolve));
  const open = new Promise<void>((resolve) => (letOut = resolve));
  const server = await start({
    fetch: async () => {
      letIn();
      await open;
      return new Response("late");
    },
  });
  const answer = fetch(server.url);
  await asked;
  const closed = server.close();
  letOut();
  expect(await (await answer).text()).toBe("late");
  await closed;
  await expect(fetch(server.url)).rejects.toThrow();
});

it.each([
  ["as it is told", "Stop the other kettle.", "Stop the other kettle."],
  ["in general", undefined, "Give another port with --port (0 = any free one)."],
])("says which port is taken and what to do, %s", async (_name, portHint, hint) => {
  const { url } = await start();
  const port = Number(new URL(url).port);
  await expect(start({ port, portHint })).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining(String(port)) as string,
    hint,
  });
});
