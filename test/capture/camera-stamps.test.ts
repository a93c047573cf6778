import { expect, test } from "vitest";
import { ffmpegCall } from "../../src/capture/camera-ffmpeg-args.ts";
import { PacketStamps } from "../../src/capture/camera-stamps.ts";
import { preciseNowS } from "../../src/time.ts";

const HEAD = "#software: Lavf59\n#tb 0: 1/1000000\n#media_type 0: video\n";
const monotonicUs = (): number => Number(process.hrtime.bigint() / 1000n);
const line = (us: number, size: number): string => `0, ${us}, ${us}, 33333, ${size}, 0x11223344\n`;

test("a kernel's stamp is of the monotonic clock or of the day's, and becomes Unix time", async () => {
  for (const stampUs of [monotonicUs() - 40_000, Math.round(preciseNowS() * 1e6) - 40_000]) {
    const takenS = preciseNowS() - 0.04;
    const stamps = new PacketStamps("kernel");
    stamps.push(HEAD + line(stampUs, 500));
    expect(Math.abs((await stamps.timeOf(0, preciseNowS())) - takenS)).toBeLessThan(0.01);
  }
});

test("a stamp that cannot be is not believed", async () => {
  const nowS = preciseNowS();
  for (const us of [0, 12_345, Math.round((nowS + 60) * 1e6), monotonicUs() - 60_000_000]) {
    const stamps = new PacketStamps("kernel");
    stamps.push(HEAD + line(us, 500));
    expect(await stamps.timeOf(0, nowS)).toBe(nowS);
  }
});

test("each picture gets the time of the packet that it lies in, also behind one that was damaged", async () => {
  const baseS = Math.floor(preciseNowS()) - 1;
  const stamps = new PacketStamps("wall");
  const text = HEAD + [0, 1, 2].map((n) => line((baseS + n / 10) * 1e6, 100)).join("");
  // In pieces that end anywhere.
  for (const letter of text) stamps.push(letter);
  const arrivedS = baseS + 0.5;
  expect(await stamps.timeOf(0, arrivedS)).toBeCloseTo(baseS, 5);
  expect(await stamps.timeOf(203, arrivedS)).toBeCloseTo(baseS + 0.2, 5);
});

test("a picture waits for its line, and not for one that never comes", async () => {
  const stamps = new PacketStamps("wall");
  const nowS = preciseNowS();
  stamps.push(HEAD);
  const waited = stamps.timeOf(0, nowS);
  stamps.push(line(Math.round((nowS - 0.1) * 1e6), 100));
  expect(await waited).toBeCloseTo(nowS - 0.1, 4);
  expect(await stamps.timeOf(100, nowS)).toBe(nowS);
  // One that is late is not the last.
  stamps.push([100, 200].map((at) => line(Math.round((nowS - at / 1000) * 1e6), 100)).join(""));
  expect(await stamps.timeOf(200, nowS)).toBeCloseTo(nowS - 0.2, 4);
  const later = stamps.timeOf(300, nowS);
  stamps.push(line(Math.round((nowS - 0.3) * 1e6), 100));
  expect(await later).toBeCloseTo(nowS - 0.3, 4);
  const ended = new PacketStamps("wall");
  const last = ended.timeOf(0, nowS);
  ended.end();
  expect(await last).toBe(nowS);
});

test("a file's pictures keep its pace, whatever holds them up", async () => {
  const stamps = new PacketStamps("file");
  stamps.push(HEAD + [0, 1, 2].map((n) => line(n * 100_000, 10)).join(""));
  expect(await stamps.timeOf(0, 1000)).toBe(1000);
  expect(await stamps.timeOf(10, 1007)).toBeCloseTo(1000.1, 6);
  expect(await stamps.timeOf(20, 1007)).toBeCloseTo(1000.2, 6);
});

test("ffmpeg is called in the words of its version", () => {
  const lavfi = { kind: "lavfi", graph: "testsrc2" } as const;
  const args = (version: readonly [number, number]): string =>
    ffmpegCall(lavfi, { version, silentAfterMs: 5000 }).args.join(" ");
  expect(args([4, 4])).toContain("-vsync passthrough");
  expect(args([7, 1])).toContain("-fps_mode passthrough");
  const rtsp = (version: readonly [number, number]): string =>
    ffmpegCall({ kind: "rtsp", url: "rtsp://cam/x" }, { version, silentAfterMs: 5000 }).args.join(" ");
  expect(rtsp([4, 4])).toContain("-stimeout 5000000");
  expect(rtsp([6, 0])).toContain("-timeout 5000000");
  const webcam = ffmpegCall(
    { kind: "v4l2", path: "/dev/video0", givesJpeg: true },
    { size: "640x480", fps: 30, version: [5, 1], silentAfterMs: 5000 },
  );
  expect(webcam.clock).toBe("kernel");
  expect(webcam.args.join(" ")).toMatch(
    /-f v4l2 -input_format mjpeg -video_size 640x480 -framerate 30 -i \/dev\/video0 .*-c:v copy/,
  );
});
