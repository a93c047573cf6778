/** How a deployment ends that is cut short or fails: what is left behind, and what is kept. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { sleep } from "../../src/time.ts";
import { modalDesk, type Desk, type ModalCall, type Script } from "../helpers/modal-desk.ts";
import { DEPLOYS, NO_ADDRESS, URL_1 } from "../remote/modal-recordings.ts";

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));
const DEPLOYED = DEPLOYS.find(([name]) => name === "1.6.4")?.[1] ?? "";

/** Run the program without waiting for its end. */
function start(desk: Desk, args: readonly string[]) {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { ...process.env, ...desk.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [printed, said] = ["", ""];
  child.stdout.on("data", (piece: Buffer) => (printed += piece.toString()));
  child.stderr.on("data", (piece: Buffer) => (said += piece.toString()));
  const ended = once(child, "close");
  const saying = async (text: string): Promise<void> => {
    while (!said.includes(text)) {
      if (child.exitCode !== null) expect.unreachable(said);
      await Promise.race([once(child.stderr, "data"), ended]);
    }
  };
  return { child, ended, saying, printed: () => printed };
}

async function until(desk: Desk, wanted: (call: ModalCall) => boolean): Promise<void> {
  while (!(await desk.calls()).some(wanted)) await sleep(20);
}

async function keptAt(desk: Desk, url: string): Promise<{ token: string }> {
  const { backends } = (await desk.json(desk.secretsFile)) as { backends: Record<string, { token: string }> };
  return backends[url];
}

describe("a deployment that is interrupted", () => {
  it.each(["modal", "uvx modal"] as const)(
    "passes Ctrl-C on once, and leaves nothing behind: %s",
    async (installed) => {
      const desk = await modalDesk(installed);
      await desk.script({ deploy: { stdout: "Building image\n", untilInterrupted: true } });
      const { child, ended, saying } = start(desk, ["deploy", "--template", desk.template, "--yes"]);
      await saying("Building image");
      child.kill("SIGINT");
      expect(await ended).toEqual([130, null]);
      const calls = await desk.calls();
      expect(calls.filter(({ interrupted }) => interrupted === true)).toHaveLength(1);
      expect(await desk.leftovers()).toEqual([]);
      await expect(readFile(desk.userFile)).rejects.toThrow("ENOENT");
    },
  );

  it("leaves no secret behind when a second Ctrl-C ends it at once", async () => {
    const desk = await modalDesk();
    await desk.script({ "secret create": { untilInterrupted: true, deaf: true } });
    const { child, ended } = start(desk, ["deploy", "--template", desk.template, "--yes"]);
    await until(desk, ({ file }) => file !== undefined);
    expect(await desk.leftovers()).toHaveLength(2);
    child.kill("SIGINT");
    await until(desk, ({ interrupted }) => interrupted === true);
    child.kill("SIGINT");
    expect(await ended).toEqual([null, "SIGINT"]);
    expect(await desk.leftovers()).toEqual([]);
  });

  it("ends in order when its terminal is closed", async () => {
    const desk = await modalDesk();
    await desk.script({ "secret create": { untilInterrupted: true } });
    const { child, ended } = start(desk, ["deploy", "--template", desk.template, "--yes"]);
    await until(desk, ({ file }) => file !== undefined);
    child.kill("SIGHUP");
    expect(await ended).toEqual([130, null]);
    expect(await desk.leftovers()).toEqual([]);
  });

  it("says where it stands when Ctrl-C ends the wait", async () => {
    const desk = await modalDesk();
    // Nobody answers under this address.
    await desk.script({ deploy: { stdout: DEPLOYED } });
    const args = ["deploy", "--template", desk.template, "--yes", "--json"];
    const { child, ended, saying, printed } = start(desk, args);
    await saying("stop it for good");
    child.kill("SIGINT");
    expect(await ended).toEqual([130, null]);
    expect(JSON.parse(printed())).toMatchObject({ success: false, error: { code: "interrupted" } });
    expect(printed()).toContain(URL_1);
    expect(await desk.leftovers()).toEqual([]);
  });

  it("keeps what was deployed just before Ctrl-C", async () => {
    const desk = await modalDesk();
    await desk.script({ deploy: { stdout: DEPLOYED, untilInterrupted: true, codeAfter: 0 } });
    const { child, ended, saying, printed } = start(desk, ["deploy", "--template", desk.template, "--yes"]);
    await saying("App deployed");
    child.kill("SIGINT");
    expect(await ended).toEqual([130, null]);
    expect(printed()).toBe(`${URL_1}\n`);
    expect(await desk.json(desk.userFile)).toMatchObject({ url: URL_1, deployment: { url: URL_1 } });
    const { file } = await desk.call("secret create");
    expect((await keptAt(desk, URL_1)).token).toBe(file?.values["SPLAT_API_TOKEN"]);
  });
});

describe("what a deployment that fails has changed on Modal", () => {
  const FAILS: Script = { deploy: { stderr: "ERROR: no such image\n", code: 1 } };

  async function tokensWritten(desk: Desk): Promise<readonly string[]> {
    return (await desk.calls()).flatMap(({ file }) => file?.values["SPLAT_API_TOKEN"] ?? []);
  }

  it("is the token that the next one uses", async () => {
    const desk = await modalDesk();
    await desk.script(FAILS);
    const args = ["deploy", "--template", desk.template, "--yes", "--no-wait"];
    expect((await desk.run(args)).code).toBe(4);
    await desk.script({ deploy: { stdout: DEPLOYED }, python: { code: 1 } });
    expect((await desk.run(args)).code).toBe(0);
    const [first, second] = await tokensWritten(desk);
    expect(second).toBe(first);
    expect(await desk.json(desk.secretsFile)).toMatchObject({ backends: { [URL_1]: { token: first } } });
  });

  it("is the token that commands use from then on", async () => {
    const desk = await modalDesk();
    await desk.script({ deploy: { stdout: DEPLOYED }, python: { code: 1 } });
    const args = ["deploy", "--template", desk.template, "--yes", "--no-wait"];
    expect((await desk.run(args)).code).toBe(0);
    await desk.script(FAILS);
    expect((await desk.run(args, { SPLAT_API_TOKEN: "another-token" })).code).toBe(4);
    expect((await keptAt(desk, URL_1)).token).toBe("another-token");
  });

  it("is kept where nobody can find out the address", async () => {
    const desk = await modalDesk();
    await desk.script({ deploy: { stdout: NO_ADDRESS }, "token info": { stdout: "" }, python: { code: 1 } });
    const ended = await desk.run(["deploy", "--template", desk.template, "--yes", "--no-wait"]);
    expect(ended, ended.stderr).toMatchObject({ code: 5 });
    expect(ended.stderr).toContain(`its token is in ${desk.secretsFile}`);
    const [token] = await tokensWritten(desk);
    expect(JSON.stringify(await desk.json(desk.secretsFile))).toContain(token);
  });
});
