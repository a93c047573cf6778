import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { chooseCamera } from "../../src/capture/camera-choice.ts";
import { listCameras } from "../../src/capture/camera-list.ts";
import {
  parseAvfoundation,
  parseDshow,
  parseDshowOptions,
  parseV4l2Formats,
} from "../../src/capture/camera-list-parse.ts";
import { useFfmpeg } from "../helpers/mjpeg.ts";
import { tempFolder } from "../helpers/pictures.ts";

// As people have posted them: ffmpeg 3.4 and 2.6 on macOS, 3.2, 3.1 and a build of March 2026 on Windows.
const AVFOUNDATION = `[AVFoundation input device @ 0x7ff80b497440] AVFoundation video devices:
[AVFoundation input device @ 0x7ff80b497440] [0] CamTwist
[AVFoundation input device @ 0x7ff80b497440] [1] Built-in iSight
[AVFoundation input device @ 0x7ff80b497440] [2] CamTwist (2VUY)
[AVFoundation input device @ 0x7ff80b497440] [3] Capture screen 0
[AVFoundation input device @ 0x7ff80b497440] AVFoundation audio devices:
[AVFoundation input device @ 0x7ff80b497440] [0] Soundflower (64ch)
[AVFoundation input device @ 0x7ff80b497440] [1] Built-in Microphone
: Input/output error`;
const DSHOW_OLD = String.raw`[dshow @ 000000000065c500] DirectShow video devices (some may be both video and audio devices)
[dshow @ 000000000065c500]  "USB 2861 Device"
[dshow @ 000000000065c500]     Alternative name "@device_pnp_\\?\usb#vid_eb1a&pid_5051&mi_00#6&1298c10a&0&0000#{65e8773d-8f56-11d0-a3b9-00a0c9223196}\{54353d15-e717-4d94-b574-685ce1a209e9}"
[dshow @ 000000000065c500]  "FaceTime HD Camera"
[dshow @ 000000000065c500]     Alternative name "@device_pnp_\\?\pci#ven_14e4&dev_1570&subsys_157014e4&rev_00#000000ffff00000000#{65e8773d-8f56-11d0-a3b9-00a0c9223196}\global"
[dshow @ 000000000065c500] DirectShow audio devices
[dshow @ 000000000065c500]  "Headset Microphone (Cirrus Logic CS4208 (AB 94))"
[dshow @ 000000000065c500]     Alternative name "@device_cm_{33D9A762-90C8-11D0-BD43-00A0C911CE86}\wave_{236214EE-E87B-4088-895B-523B69D536D0}"
dummy: Immediate exit requested`;
const DSHOW_NEW = String.raw`[in#0 @ 000001bd07e70b00] "screen-capture-recorder" (video)
[in#0 @ 000001bd07e70b00]   Alternative name "@device_sw_{860BB310-5D01-11D0-BD3B-00A0C911CE86}\{4EA69364-2C8A-4AE6-A561-56E4B5044439}"
[dshow @ 000002798dd4fb80] "virtual-audio-capturer" (audio)
[dshow @ 000002798dd4fb80]   Alternative name "@device_sw_{33D9A762-90C8-11D0-BD43-00A0C911CE86}\{8E146464-DB61-4309-AFA1-3578E927E935}"
[in#0 @ 0000020290e46d00] Error opening input: Immediate exit requested
Error opening input file dummy.`;
const DSHOW_OPTIONS = `[dshow @ 01D4F3E0] DirectShow video device options (from video devices)
[dshow @ 01D4F3E0]  Pin "Capture" (alternative pin name "0")
[dshow @ 01D4F3E0]   pixel_format=yuyv422  min s=640x480 fps=15 max s=640x480 fps=30
[dshow @ 01D4F3E0]   pixel_format=yuyv422  min s=1280x720 fps=7 max s=1280x720 fps=10
[dshow @ 01D4F3E0]   vcodec=mjpeg  min s=1280x720 fps=15 max s=1280x720 fps=30`;
const V4L2 = `[video4linux2,v4l2 @ 0x5581a8a8a740] Compressed:       mjpeg :          Motion-JPEG : 1280x720 640x480 320x240
[video4linux2,v4l2 @ 0x5581a8a8a740] Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480 320x240
[video4linux2,v4l2 @ 0x5581a8a8a740] Compressed: Unsupported :                H.264 : 1280x720
/dev/video0: Immediate exit requested`;

test("macOS: cameras by name, screens and microphones are none", () => {
  expect(parseAvfoundation(AVFOUNDATION)).toEqual([
    { index: "0", name: "CamTwist" },
    { index: "1", name: "Built-in iSight" },
    { index: "2", name: "CamTwist (2VUY)" },
  ]);
});

test("Windows: cameras with their lasting names, in the old and the new form, with \\r too", () => {
  const old = parseDshow(DSHOW_OLD.replaceAll("\n", "\r\n"));
  expect(old.map(({ name }) => name)).toEqual(["USB 2861 Device", "FaceTime HD Camera"]);
  expect(old[0].id).toMatch(/^@device_pnp_.*usb#vid_eb1a/);
  expect(parseDshow(DSHOW_NEW)).toEqual([
    {
      name: "screen-capture-recorder",
      id: String.raw`@device_sw_{860BB310-5D01-11D0-BD3B-00A0C911CE86}\{4EA69364-2C8A-4AE6-A561-56E4B5044439}`,
    },
  ]);
  expect(parseDshowOptions(DSHOW_OPTIONS)).toEqual([
    { name: "yuyv422", sizes: ["640x480", "1280x720"] },
    { name: "mjpeg", sizes: ["1280x720"] },
  ]);
});

test("Linux: formats, as ffmpeg says them now and said them before", () => {
  expect(parseV4l2Formats(V4L2)[0]).toEqual({ name: "mjpeg", sizes: ["1280x720", "640x480", "320x240"] });
  const before =
    "[video4linux2 @ 0x160f8c0] R : yuyv422 : YUV 4:2:2 (YUYV) : 640x480 160x90\n[video4linux2 @ 0x160f8c0] C : mjpeg : MJPEG : 640x480";
  expect(parseV4l2Formats(before).map(({ name }) => name)).toEqual(["yuyv422", "mjpeg"]);
  expect(parseV4l2Formats("/dev/video1: Inappropriate ioctl for device")).toEqual([]);
});

/** A machine's /sys and /dev. */
async function linuxMachine(nodes: readonly { node: string; name: string; index: string; id?: string }[]) {
  const root = await tempFolder();
  const [sys, dev] = [join(root, "sys"), join(root, "dev")];
  await mkdir(join(dev, "v4l", "by-id"), { recursive: true });
  for (const { node, name, index, id } of nodes) {
    await mkdir(join(sys, node), { recursive: true });
    await writeFile(join(sys, node, "name"), `${name}\n`);
    await writeFile(join(sys, node, "index"), `${index}\n`);
    await writeFile(join(dev, node), "");
    if (id !== undefined) await symlink(join(dev, node), join(dev, "v4l", "by-id", id));
  }
  return { platform: "linux" as const, sys, dev };
}

const WRIST = "usb-046d_HD_Pro_Webcam_C920_1A2B3C-video-index0";

test("Linux: cameras come from /sys, without metadata nodes and a board's own codecs", async () => {
  await useFfmpeg(`echo "$V4L2_LIST" >&2; exit 1`);
  const machine = await linuxMachine([
    { node: "video10", name: "bcm2835-codec-decode", index: "0" },
    { node: "video2", name: "USB Camera: USB Camera", index: "0" },
    { node: "video0", name: "HD Pro Webcam C920", index: "0", id: WRIST },
    { node: "video1", name: "HD Pro Webcam C920", index: "1", id: WRIST.replace("index0", "index1") },
  ]);
  process.env["V4L2_LIST"] = V4L2;
  const cameras = await listCameras(machine);
  delete process.env["V4L2_LIST"];
  const id = join(machine.dev, "v4l", "by-id", WRIST);
  expect(cameras).toMatchObject([
    {
      name: "HD Pro Webcam C920",
      path: join(machine.dev, "video0"),
      id,
      input: { kind: "v4l2", path: id, givesJpeg: true },
    },
    { name: "USB Camera", path: join(machine.dev, "video2"), id: join(machine.dev, "video2") },
  ]);
  expect(chooseCamera(cameras, "c920").id).toBe(id);
  expect(() => chooseCamera(cameras, "")).toThrow(/has 2 cameras: .*video0 \(HD Pro Webcam C920\), .*video2/);
  expect(() => chooseCamera(cameras, "phone")).toThrow(/no camera "phone"; there is/);
  expect(chooseCamera(cameras.slice(1), "").name).toBe("USB Camera");
  expect(await listCameras({ platform: "linux", sys: "/nowhere", dev: "/nowhere" })).toEqual([]);
});

test("macOS and Windows: ffmpeg is asked, and without it the way to get it is told", async () => {
  await useFfmpeg(
    `case "$*" in *avfoundation*) echo "$LISTED" >&2;; *list_options*) echo "$OPTIONS" >&2;; *) echo "$LISTED" >&2;; esac; exit 1`,
  );
  process.env["LISTED"] = AVFOUNDATION;
  expect((await listCameras({ platform: "darwin" })).map(({ id }) => id)).toContain(
    "avfoundation:Built-in iSight",
  );
  process.env["LISTED"] = DSHOW_OLD;
  process.env["OPTIONS"] = DSHOW_OPTIONS;
  const [usb] = await listCameras({ platform: "win32" });
  expect(usb).toMatchObject({
    name: "USB 2861 Device",
    input: { kind: "dshow", path: "USB 2861 Device", givesJpeg: true },
  });
  const before = process.env["PATH"];
  process.env["PATH"] = await tempFolder();
  await expect(listCameras({ platform: "darwin" })).rejects.toThrow(/ffmpeg, which is not installed/);
  process.env["PATH"] = before;
});
