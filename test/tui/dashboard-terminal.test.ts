import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi, type TestContext } from "vitest";
import { noise } from "../helpers/noise-picture.ts";
import { poseAt } from "../helpers/backend-fixture.ts";
import { nobody } from "../helpers/loopback.ts";
import { tempFolder } from "../helpers/pictures.ts";
import { startCli } from "../helpers/start-cli.ts";
import { uploadBackend } from "../helpers/upload-backend.ts";
import {
  openTerminal,
  whyNoTerminal,
  type Terminal,
  type TerminalOptions,
} from "../helpers/pseudo-terminal.ts";
import { splatctlInTerminal } from "../helpers/terminal.ts";

// Backends, daemons and terminals on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

const BIN = fileURLToPath(new URL("../../bin/splatctl.js", import.meta.url));

/** Clears the whole terminal, or what was scrolled out of it. */
// oxlint-disable-next-line no-control-regex
const FULL_CLEAR = /\u001b\[[23]J/;

interface Place {
  readonly url: string;
  readonly folder: string;
  readonly photos: string;
  readonly options: TerminalOptions;
}

/** A real backend. */
async function newBackend(): Promise<string> {
  const data = join(await tempFolder(), "data");
  const serve = startCli(["serve", "--port", "0", "--data", data, "--no-bucket", "--threads", "1"]);
  return (await serve.saying(/listening on (http\S+)/))[1];
}

/** Folders of a user of their own. */
async function placeAt(url: string): Promise<Place> {
  const [folder, photos] = [await tempFolder(), await tempFolder()];
  const env = Object.fromEntries(
    ["RUN", "LOG", "SPOOL", "CONFIG"].map((name) => [`SPLAT_${name}_DIR`, join(folder, name)]),
  );
  return { url, folder, photos, options: { cwd: folder, env } };
}

let taken = 0;

/** A picture with its pose appears in the folder. */
async function take(photos: string): Promise<void> {
  const name = join(photos, String(++taken).padStart(4, "0"));
  await writeFile(`${name}.json`, JSON.stringify({ camera_to_world: poseAt(taken / 50) }));
  await writeFile(`${name}.jpg`, await noise(taken));
}

function start(
  context: TestContext,
  { url, options }: Place,
  args: readonly string[],
  more: TerminalOptions = {},
): Promise<Terminal> {
  const env = { ...options.env, ...more.env };
  return splatctlInTerminal(context, [...args, "--url", url], { ...options, ...more, env });
}

/** The terminal is as it was before. */
function expectGivenBack(terminal: Terminal): void {
  expect(terminal.isAlternate()).toBe(false);
  expect(terminal.isCursorShown()).toBe(true);
  expect(terminal.hasWrapped()).toBe(false);
  expect(terminal.raw()).not.toMatch(FULL_CLEAR);
}

test("up: pause, resume, pull, help, resize, stop with y, end", async (context) => {
  const place = await placeAt(await newBackend());
  const { photos, folder } = place;
  const terminal = await start(context, place, ["up", photos]);
  await terminal.until("waiting for the first answer");
  expect(terminal.isAlternate()).toBe(true);
  expect(terminal.isCursorShown()).toBe(false);
  for (let i = 0; i < 3; i++) await take(photos);
  await terminal.until(/3 accepted +0 queued/);
  await terminal.until(/▶ training/);

  terminal.press("p");
  await terminal.until("PAUSED");
  await take(photos);
  terminal.press("?");
  await terminal.until("pull the scene as it is now");
  terminal.press("x");
  expect(await terminal.until(/3 accepted/)).toContain("p resume");
  terminal.press("p");
  await terminal.until((screen) => /4 accepted/.test(screen) && !screen.includes("PAUSED"));

  await terminal.until(/Gaussians +[1-9]/);
  terminal.press("g");
  // In two rows where the path is long.
  await terminal.until(/written .*scene\.ply:[\s\d]+Gaussians/);
  expect((await readFile(join(folder, "scene.ply"))).toString("latin1", 0, 4)).toBe("ply\n");

  terminal.resize(50, 15);
  await terminal.until((screen) => screen.split("\n").length === 15 && screen.includes("q end"));
  terminal.resize(20, 3);
  await terminal.until(/^training \d+%/);
  terminal.resize(120, 40);
  await terminal.until((screen) => screen.split("\n").length === 40 && screen.includes("engine"));

  terminal.press("s");
  await terminal.until("y / n");
  terminal.press("n");
  await terminal.until("nothing was stopped");
  terminal.press("s");
  await terminal.until("y / n");
  terminal.press("y");
  await terminal.until(/✓ complete/);
  terminal.press("q");
  expect(await terminal.ended).toBe(0);
  expectGivenBack(terminal);
  const after = terminal.screen();
  expect(after).toContain("stopping: what is under way is seen through");
  expect(after).toContain("4 sent");
});

test("status --watch: a daemon is paused from another terminal; only what changed is written; q ends", async (context) => {
  const place = await placeAt(await newBackend());
  const { photos } = place;
  const up = await start(context, place, ["up", photos]);
  await up.until("live");
  const terminal = await start(context, place, ["status", "--watch", "--interval", "0.2"]);
  await take(photos);
  await terminal.until(/1 accepted +0 queued/);
  terminal.press("p");
  await terminal.until("PAUSED");
  await up.until("PAUSED");
  terminal.press("p");
  await up.until((screen) => !screen.includes("PAUSED"));
  await terminal.until((screen) => !screen.includes("PAUSED"));

  // Of a screen of 80×24 most stays as it is: so do its bytes.
  const before = terminal.pieces.length;
  for (let count = 2; terminal.pieces.length < before + 8; count++) {
    await take(photos);
    await terminal.until(new RegExp(`${count} accepted`));
  }
  const sizes = terminal.pieces.slice(before).map(({ text }) => text.length);
  expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeLessThan(600);

  terminal.press("q");
  expect(await terminal.ended).toBe(0);
  expectGivenBack(terminal);
  up.press("\u0003");
  expect(await up.ended).toBe(0);
  expectGivenBack(up);
});

test.for(["SIGTERM", "SIGHUP"] as const)("%s gives the terminal back", async (signal, context) => {
  const place = await placeAt((await uploadBackend()).url);
  const terminal = await start(context, place, ["status", "--watch"]);
  await terminal.until("live");
  terminal.signal(signal);
  expect(await terminal.ended).toBe(0);
  expectGivenBack(terminal);
});

test("while the backend is away it goes on asking, and keeps what is taken", async (context) => {
  const place = await placeAt(await nobody());
  const terminal = await start(context, place, ["up", place.photos]);
  await terminal.until("asking again until");
  await take(place.photos);
  await terminal.until(/frames +1 queued/);
  terminal.press("\u0003");
  expect(await terminal.ended).toBe(130);
  expectGivenBack(terminal);
  expect(terminal.screen()).toContain("trying again until it answers");
});

test("the end waits for what is under way, and a second Ctrl-C for nothing", async (context) => {
  const mute = await uploadBackend(() => true);
  const place = await placeAt(mute.url);
  const terminal = await start(context, place, ["up", place.photos]);
  await take(place.photos);
  await terminal.until(/1 queued/);
  terminal.press("q");
  await terminal.until(/ending: what is under way is sent first[^]*Ctrl-C ends at once/);
  terminal.press("\u0003");
  expect(await terminal.ended).toBe("SIGINT");
  expectGivenBack(terminal);
});

test("a terminal that shows ASCII alone gets nothing else; one without colours no colours", async (context) => {
  const place = await placeAt((await uploadBackend()).url);
  const terminal = await start(context, place, ["status", "--watch"], {
    env: { LANG: "C", NO_COLOR: "1" },
  });
  await terminal.until(/> training +#+/);
  terminal.press("q");
  expect(await terminal.ended).toBe(0);
  // oxlint-disable-next-line no-control-regex
  expect(terminal.raw()).toMatch(/^[\x00-\x7e]*$/);
  // oxlint-disable-next-line no-control-regex
  expect(terminal.raw()).not.toMatch(/\u001b\[3[0-9]m/);
});

test("a terminal that can only print gets lines", async (context) => {
  const place = await placeAt((await uploadBackend()).url);
  const terminal = await start(context, place, ["status", "--watch"], { env: { TERM: "dumb" } });
  await terminal.until("training 99%: 1 234 frames");
  expect(terminal.isAlternate()).toBe(false);
  terminal.press("\u0003");
  expect(await terminal.ended).toBe(0);
  expect(terminal.raw()).not.toContain("\u001b");
});

test.for(["status --watch", "up photos"])(
  "behind a shell's prompt `%s` gets lines",
  async (command, context) => {
    const reason = await whyNoTerminal();
    if (reason !== null || process.platform !== "linux") context.skip(reason ?? "known on Linux alone");
    const place = await placeAt((await uploadBackend()).url);
    await mkdir(join(place.folder, "photos"));
    // timeout(1) takes a process group of its own, which is not the terminal's.
    const line = `timeout 60 "$0" "$1" ${command} --url ${place.url} < /dev/tty & read end; kill $!; wait`;
    const terminal = openTerminal(["sh", "-c", line, process.execPath, BIN], place.options);
    context.onTestFinished(() => terminal.close());
    await terminal.until(/training 99%|sent/);
    terminal.press("\r");
    await terminal.ended;
    expect(terminal.raw()).not.toContain("\u001b[?1049h");
  },
);

test("up without a keyboard, or with --json, gets lines; up with its results in a file keeps its colours", async (context) => {
  const reason = await whyNoTerminal();
  if (reason !== null) context.skip(reason);
  const place = await placeAt((await uploadBackend()).url);
  await mkdir(join(place.folder, "photos"));
  const run = (rest: string): Terminal => {
    const line = `exec "$0" "$1" up photos --url ${place.url} ${rest}`;
    const terminal = openTerminal(["sh", "-c", line, process.execPath, BIN], place.options);
    context.onTestFinished(() => terminal.close());
    return terminal;
  };
  for (const rest of ["< /dev/null", "--json"]) {
    const terminal = run(rest);
    await terminal.until("sent");
    expect(terminal.isAlternate()).toBe(false);
    terminal.press("\u0003");
    await terminal.ended;
  }
  const terminal = run("> result.txt");
  await terminal.until("live");
  // oxlint-disable-next-line no-control-regex
  expect(terminal.raw()).toMatch(/\u001b\[3[0-9]m/);
  terminal.press("q");
  await terminal.ended;
});

test("a crash gives the terminal back, and says why on it", async (context) => {
  const reason = await whyNoTerminal();
  if (reason !== null) context.skip(reason);
  const built = new URL("../../dist/tui/dashboard.js", import.meta.url).href;
  const crashing = `
    import { openScreen } from ${JSON.stringify(built)};
    const screen = openScreen({
      terminal: process.stdout, keyboard: process.stdin, isColored: true, onResize() {},
      onKey() { throw new Error("boom"); },
    });
    screen.draw([[{ text: "press a key", style: "bold" }]]);
  `;
  const terminal = openTerminal([process.execPath, "--input-type=module", "-e", crashing]);
  context.onTestFinished(() => terminal.close());
  await terminal.until("press a key");
  terminal.press("x");
  expect(await terminal.ended).toBe(1);
  expectGivenBack(terminal);
  expect(terminal.screen()).toContain("Error: boom");
});
