import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ffmpegChecks } from "../../src/doctor/ffmpeg.ts";
import { machineChecks } from "../../src/doctor/machine.ts";
import type { DoctorSystem } from "../../src/doctor/context.ts";
import { runProgram } from "../../src/doctor/system.ts";
import { tryWasm } from "../../src/doctor/try-wasm.ts";
import { doctorDesk, findingsOf, linesOf, NEVER } from "./doctor-desk.ts";

it("finds a machine in order", async () => {
  const found = await findingsOf(machineChecks, (await doctorDesk()).context);
  expect(found.map(({ id, state }) => `${id} ${state}`)).toEqual([
    "splatctl ok",
    "node ok",
    expect.stringMatching(/^system (ok|warning)$/),
    "disk:data+spools+temporary-files ok",
    "webassembly ok",
    "clock ok",
  ]);
});

it.each<[string, Partial<DoctorSystem>, RegExp]>([
  [
    "an old Node",
    { nodeVersion: "v18.20.4" },
    /✗ Node 18\.20\.4 is too old: 20\.19 or newer.*\n.*nvm install/,
  ],
  ["a Node that is just old enough", { nodeVersion: "20.19.0" }, /✓ Node 20\.19\.0/],
  [
    "little room",
    {
      freeSpace: () => Promise.resolve({ device: "1", freeBytes: 1.2e9, freeFiles: null, isWritable: true }),
    },
    /! only 1\.2 GB free for data, spools and temporary files\n.*Make room where .*SPLAT_DATA_DIR/,
  ],
  [
    "no room",
    { freeSpace: () => Promise.resolve({ device: "1", freeBytes: 1e6, freeFiles: null, isWritable: true }) },
    /✗ the disk is full: 1 MB free/,
  ],
  [
    "no room for more files",
    { freeSpace: () => Promise.resolve({ device: "1", freeBytes: 9e9, freeFiles: 3, isWritable: true }) },
    /✗ the disk takes 3 more files only/,
  ],
  [
    "a closed folder",
    {
      freeSpace: (folder) =>
        Promise.resolve({
          device: folder,
          freeBytes: 9e9,
          freeFiles: null,
          isWritable: !folder.endsWith("data"),
        }),
    },
    /✗ nothing can be written to .*data, the folder for data\n.*SPLAT_DATA_DIR.*chown/,
  ],
  [
    "no SIMD",
    { tryWasm: () => Promise.reject(new Error("invalid opcode 0xfd")) },
    /✗ WebAssembly .* does not work.*invalid opcode 0xfd\n.*splatctl deploy/,
  ],
  [
    "a clock that was never set",
    { nowS: () => 1000 },
    /✗ the clock is wrong: it says 1970-01-01 00:16:40 UTC\n.*timedatectl set-ntp/,
  ],
  [
    "a clock that nobody keeps",
    { run: () => Promise.resolve({ code: 0, output: "no\n\n" }) },
    /! the clock says .* UTC, and nothing keeps it right\n.*timedatectl/,
  ],
  [
    "a clock that is kept",
    { run: () => Promise.resolve({ code: 0, output: "yes\n\n" }) },
    /✓ the clock says .* and is kept right/,
  ],
])("tells of %s", async (_, system, text) => {
  expect((await linesOf(machineChecks, await doctorDesk({ system }))).join("\n")).toMatch(text);
});

it("runs the kernels of this very machine", async () => {
  expect(["plain", "relaxed"]).toContain(await tryWasm(NEVER));
});

/** What Debian's ffmpeg prints, and what a small build does. */
const LISTS = {
  devices:
    "Devices:\n D. = Demuxing supported\n --\n DE fbdev           Linux framebuffer\n D  v4l2            Video4Linux2 capture\n",
  decoders: "Decoders:\n V..... = Video\n ------\n VFS..D mjpeg                MJPEG (Motion JPEG)\n",
  encoders: "Encoders:\n ------\n VFS... mjpeg                MJPEG (Motion JPEG)\n",
};

/** An ffmpeg that is a script. */
async function fakeFfmpeg(
  folder: string,
  lists = LISTS,
  version = "ffmpeg version 5.1.9-0+deb12u1 Copyright",
): Promise<DoctorSystem["run"]> {
  const path = join(folder, "ffmpeg");
  const cases = Object.entries(lists).map(([name, text]) => `-${name}) cat <<'X'\n${text}X\n;;`);
  await writeFile(
    path,
    `#!/bin/sh\ncase "$2" in\n-version) echo "${version}" ;;\n${cases.join("\n")}\nesac\n`,
  );
  await chmod(path, 0o755);
  return ([program, ...args], signal) =>
    program === "ffmpeg" ? runProgram([path, ...args], signal) : Promise.resolve(null);
}

it("finds ffmpeg with what it needs, and says what it lacks", async () => {
  const desk = await doctorDesk();
  const withRun = async (lists = LISTS, version?: string) => ({
    ...desk,
    context: {
      ...desk.context,
      system: { ...desk.context.system, run: await fakeFfmpeg(desk.folder, lists, version) },
    },
  });
  expect(await linesOf(ffmpegChecks, await withRun())).toEqual([
    "  ✓ ffmpeg 5.1.9-0+deb12u1, with v4l2 and mjpeg",
  ]);
  expect(await linesOf(ffmpegChecks, await withRun({ ...LISTS, devices: "", encoders: "" }))).toEqual([
    "  ✗ ffmpeg 5.1.9-0+deb12u1 was built without its way to cameras (v4l2) and the encoder of JPEG pictures (mjpeg)",
    expect.stringContaining("Install a full one"),
  ]);
  expect(await linesOf(ffmpegChecks, await withRun(LISTS, "Segmentation fault"))).toEqual([
    "  ✗ the program ffmpeg does not run: Segmentation fault",
    expect.stringContaining("Install it anew"),
  ]);
});

it.each([
  [{ ID: "debian" }, "linux", "`sudo apt install ffmpeg`"],
  [{ ID: "linuxmint", ID_LIKE: "ubuntu debian" }, "linux", "`sudo apt install ffmpeg`"],
  [{ ID: "fedora" }, "linux", "`sudo dnf install ffmpeg-free`"],
  [{ ID: "manjaro", ID_LIKE: "arch" }, "linux", "`sudo pacman -S ffmpeg`"],
  [{}, "linux", "your system's packages"],
  [{}, "darwin", "`brew install ffmpeg`"],
  [{}, "win32", "`winget install Gyan.FFmpeg`"],
] as const)("says how %o %s gets ffmpeg", async (release, platform, command) => {
  const desk = await doctorDesk({ system: { platform, osRelease: () => Promise.resolve(release) } });
  const [first, fix] = await linesOf(ffmpegChecks, desk);
  expect(first).toBe("  – ffmpeg is not installed: cameras are read with it");
  expect(fix).toContain(command);
});

it("fails without ffmpeg where the project has a camera", async () => {
  const desk = await doctorDesk({ project: { capture: { webcam: "0" } } });
  expect((await linesOf(ffmpegChecks, desk))[0]).toMatch(/^ {2}✗ ffmpeg is not installed/);
});

it("kills a program that hangs when its time is over", async () => {
  const stop = new AbortController();
  const ran = runProgram(["sleep", "600"], stop.signal);
  stop.abort(new Error("enough"));
  await expect(ran).rejects.toThrow("enough");
  expect(await runProgram(["no-such-program-here"], NEVER)).toBeNull();
});
