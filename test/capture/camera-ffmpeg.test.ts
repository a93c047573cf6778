import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { openCamera } from "../../src/capture/camera.ts";
import type { Frame, Sample } from "../../src/capture/sample.ts";
import { preciseNowS } from "../../src/time.ts";
import { noFfmpeg, useFfmpeg } from "../helpers/mjpeg.ts";
import { jpeg, tempFolder } from "../helpers/pictures.ts";
import { rtspCamera, shownTime } from "../helpers/rtsp-camera.ts";
import { writeFile } from "node:fs/promises";

const missing = noFfmpeg();

function watcher() {
  const [notes, warnings]: [string[], string[]] = [[], []];
  return {
    notes,
    warnings,
    onNote: (line: string) => notes.push(line),
    onWarning: (line: string) => warnings.push(line),
  };
}

function abortAfterwards(): AbortController {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  return controller;
}

/** Processes of this machine whose command line says something, but for the shells around them. */
function running(words: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return argv[0] === "ffmpeg" && argv.join(" ").includes(words);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(10);
}

test("a source that ends is read to its end, at its own pace, every picture of it", async (context) => {
  if (missing !== null) context.skip(missing);
  const { signal } = abortAfterwards();
  const camera = await openCamera({ device: "lavfi:testsrc2=size=160x120:rate=25:duration=1" }, signal);
  expect(camera.hasEnd).toBe(true);
  const times: number[] = [];
  for await (const { capturedAtS, value } of camera.frames(watcher(), signal)) {
    times.push(capturedAtS);
    expect([value.bytes[0], value.bytes[1]]).toEqual([0xff, 0xd8]);
    // Who is slow holds it up, and loses nothing.
    if (times.length === 5) await pause(300);
  }
  expect(times).toHaveLength(25);
  // By its own clock, whoever was slow: another machine's load moves the first picture alone.
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(times[24] - times[0]).toBeLessThan(3);
});

test("a video file is another source of the kind; --size scales it", async (context) => {
  if (missing !== null) context.skip(missing);
  const path = join(await tempFolder(), "clip.avi");
  execFileSync("ffmpeg", [
    "-v",
    "error",
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=160x120:rate=20:duration=0.5",
    "-c:v",
    "mjpeg",
    path,
  ]);
  const { signal } = abortAfterwards();
  const camera = await openCamera({ device: path, size: "80x60" }, signal);
  expect(camera.identity).toBe(path);
  const frames: Sample<Frame>[] = [];
  for await (const sample of camera.frames(watcher(), signal)) frames.push(sample);
  expect(frames).toHaveLength(10);
});

test("what cannot be read says so, with ffmpeg's own words as the reason", async (context) => {
  if (missing !== null) context.skip(missing);
  const { signal } = abortAfterwards();
  const path = join(await tempFolder(), "no-video.mp4");
  await writeFile(path, "text");
  const camera = await openCamera({ device: path }, signal);
  await expect(camera.frames(watcher(), signal).next()).rejects.toMatchObject({
    code: "bad_input",
    message: expect.stringContaining("cannot be read as pictures") as string,
    cause: expect.objectContaining({ message: expect.stringContaining("Invalid data") as string }) as Error,
  });
  await expect(openCamera({ device: "gone.mp4" }, signal)).rejects.toThrow(/no video gone\.mp4/);
});

test("without ffmpeg the way to get it is told", async () => {
  const before = process.env["PATH"];
  onTestFinished(() => void (process.env["PATH"] = before));
  process.env["PATH"] = await tempFolder();
  const { signal } = abortAfterwards();
  await expect(openCamera({ device: "lavfi:testsrc2" }, signal)).rejects.toMatchObject({
    code: "not_configured",
    hint: expect.stringMatching(/apt install ffmpeg|brew install ffmpeg|winget/) as string,
  });
});

test("an RTSP camera with a login: dated when its pictures came, the password in no command line", async (context) => {
  if (missing !== null) context.skip(missing);
  const source = await rtspCamera({ login: "ann:hunter2", fps: 20 });
  onTestFinished(() => source.close());
  const controller = abortAfterwards();
  const { signal } = controller;
  const camera = await openCamera({ device: source.url.replace("//", "//ann:hunter2@") }, signal);
  expect(camera.identity).toMatch(/ #[0-9a-f]{8}$/);
  expect(camera.identity.slice(0, -10)).toBe(source.url);
  const said = watcher();
  const errorsMs: number[] = [];
  for await (const { capturedAtS, value } of camera.frames(said, signal)) {
    errorsMs.push((capturedAtS - (await shownTime(value.bytes))) * 1000);
    if (errorsMs.length === 20) {
      if (process.platform === "linux") {
        expect(running("splatctl-camera")).toHaveLength(1);
        expect(running("hunter2")).toHaveLength(0);
      }
      source.cut();
    }
    if (errorsMs.length === 40) break;
  }
  expect(said.warnings).toHaveLength(1);
  expect(said.warnings[0]).not.toContain("hunter2");
  expect(said.notes).toEqual([`the camera ${source.url} is back`]);
  expect(source.asked.every((line) => line.includes(source.url) || line.startsWith("OPTIONS"))).toBe(true);
  // Drawn, encoded, sent: what lies between is the camera's own time.
  const median = errorsMs.toSorted((a, b) => a - b)[20];
  expect(Math.abs(median)).toBeLessThan(2000);
  const wrong = await openCamera({ device: source.url.replace("//", "//ann:other@") }, signal);
  await expect(wrong.frames(watcher(), signal).next()).rejects.toThrow(/asks for a login/);
  controller.abort();
  if (process.platform === "linux") await until(() => running("splatctl-camera").length === 0);
});

/** A program that is called as ffmpeg for a webcam, and gives pictures stamped by the kernel's clock 100 ms before. */
async function webcamScript(): Promise<string> {
  const picture = join(await tempFolder(), "picture.jpg");
  const bytes = await jpeg(5);
  await writeFile(picture, bytes);
  return `
case "$*" in *-version*) echo "ffmpeg version 5.1.9 Copyright"; exit 0;; *-list_formats*) exit 1;; esac
if [ -n "$BUSY" ]; then echo "[video4linux2,v4l2 @ 0x1] ioctl(VIDIOC_STREAMON): Device or resource busy" >&2; exit 1; fi
echo "#tb 0: 1/1000000" >&3
while :; do
  read -r up rest < /proc/uptime
  us=$(echo "$up" | sed 's/\\.//')0000
  printf '0, %s, %s, 1, ${bytes.length}, 0x1\\n' "$((us - 100000))" "$((us - 100000))" >&3 || exit 0
  cat ${picture} || exit 0
  sleep 0.05
done`;
}

test("a webcam whose ffmpeg is killed comes back; one that is busy at the start is an error at once", async (context) => {
  if (process.platform !== "linux") context.skip("it reads a clock of Linux's");
  await useFfmpeg(await webcamScript());
  const { signal } = abortAfterwards();
  const camera = await openCamera({ device: "/dev/null" }, signal);
  const said = watcher();
  let taken = 0;
  for await (const { capturedAtS } of camera.frames(said, signal)) {
    taken++;
    // The fake reads its clock to 10 ms.
    const delayMs = (preciseNowS() - capturedAtS) * 1000;
    expect(delayMs).toBeGreaterThan(0);
    expect(delayMs).toBeLessThan(5000);
    if (taken === 3) for (const pid of scripts()) process.kill(pid, "SIGKILL");
    if (taken === 15) break;
  }
  expect(said.warnings).toEqual([expect.stringMatching(/trying again until it is back/)]);
  expect(said.notes).toEqual(["the camera /dev/null is back"]);
  await until(() => scripts().length === 0);

  process.env["BUSY"] = "1";
  onTestFinished(() => void delete process.env["BUSY"]);
  const busy = await openCamera({ device: "/dev/null" }, signal);
  await expect(busy.frames(watcher(), signal).next()).rejects.toThrow(/is in use by another program/);
});

/** The fake's processes that write pictures. */
function scripts(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return (argv[1] ?? "").endsWith("/ffmpeg") && argv.includes("v4l2") && argv.includes("/dev/null");
      } catch {
        return false;
      }
    })
    .map(Number);
}
