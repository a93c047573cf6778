import { expect, test } from "vitest";
import {
  identityOf,
  isSecretDevice,
  parseCameraAddress,
  shownAddress,
  shownDevice,
  withoutSecrets,
} from "../../src/capture/camera-address.ts";
import { cameraTrouble } from "../../src/capture/camera-trouble.ts";
import { explain, SplatError } from "../../src/errors.ts";
import { HIDDEN, redact } from "../../src/redact.ts";

const nothing = (): boolean => false;

test.each([
  ["/dev/video2", "device"],
  ["0", "device"],
  ["FaceTime HD Camera", "device"],
  ["clip.mp4", "file"],
  ["lavfi:testsrc2=size=320x240", "lavfi"],
  ["rtsp://cam.local/stream1", "network"],
  ["https://cam.local/video", "network"],
])("%s is a %s", (text, kind) => {
  expect(parseCameraAddress(text, nothing).kind).toBe(kind);
});

test("a name that a file has is the file", () => {
  expect(parseCameraAddress("recorded", (path) => path === "recorded").kind).toBe("file");
});

test.each(["ftp://u:hunter2@cam/x", "rtsp://u:hunter2@:bad/x", "gopher://hunter2@cam"])(
  "%s is refused without being quoted",
  (text) => {
    expect(() => parseCameraAddress(text, nothing)).toThrow(SplatError);
    try {
      parseCameraAddress(text, nothing);
    } catch (error) {
      expect(explain(error as SplatError, { verbose: true })).not.toContain("hunter2");
    }
    expect(shownDevice(text)).not.toContain("hunter2");
  },
);

test.each([
  ["rtsp://admin:hunter2@10.0.0.7:554/stream1", "rtsp://10.0.0.7:554/stream1"],
  [
    "http://cam/videostream.cgi?user=admin&pwd=hunter2&resolution=32",
    "http://cam/videostream.cgi?user=…&pwd=…&resolution=32",
  ],
  ["rtsp://10.0.0.7/user=admin_password=hunter2_channel=1_stream=0.sdp", "rtsp://10.0.0.7/user=…"],
  ["http://cam/video?token=hunter2#hunter2", "http://cam/video?token=…"],
  ["rtsp://a%40b:hunter2%2F@cam/x", "rtsp://cam/x"],
])("%s is shown as %s", (text, shown) => {
  const address = parseCameraAddress(text, nothing);
  expect(shownAddress(address)).toContain(shown.replace(/…$/, ""));
  expect(shownAddress(address)).not.toContain("hunter2");
  expect(isSecretDevice(text)).toBe(true);
});

test("an address without a login is no secret, its channel stays", () => {
  expect(isSecretDevice("rtsp://cam/live?channel=2&subtype=1")).toBe(false);
  expect(shownDevice("rtsp://cam/live?channel=2&subtype=1")).toBe("rtsp://cam/live?channel=2&subtype=1");
  expect(isSecretDevice("/dev/video0")).toBe(false);
});

test.each([
  "http://cam/%zz",
  "http://cam/my%20stream",
  "http://cam/a%1b[31mb",
  "rtsp://cam/x?channel=%1b[2J",
])("%s is shown without a code of it decoded", (text) => {
  const shown = shownDevice(text);
  expect(shown).toMatch(/^[\x20-\x7e…]+$/);
  if (!text.includes("?")) expect(shown).toBe(text);
  expect(isSecretDevice(text)).toBe(text.includes("?"));
});

test("a long value is a secret whatever its key", () => {
  const text = "http://cam/live?id=s3cr3t-s3cr3t&resolution=1920x1080&stream=1";
  expect(shownDevice(text)).toBe("http://cam/live?id=…&resolution=1920x1080&stream=1");
  expect(redact("asked for s3cr3t-s3cr3t at 1920x1080")).toBe(`asked for ${HIDDEN} at 1920x1080`);
});

test("once an address was read, nothing prints its password; the user's name may be any word", () => {
  parseCameraAddress("rtsp://camera:p%40ssw0rd@cam/x", nothing);
  expect(redact("the camera said p@ssw0rd and p%40ssw0rd")).toBe(`the camera said ${HIDDEN} and ${HIDDEN}`);
});

test("cameras that differ in a token alone are two, and nobody reads which", () => {
  const identities = ["one-token", "two-token"].map((token) =>
    identityOf(parseCameraAddress(`http://cam/v?token=${token}`, nothing)),
  );
  expect(new Set(identities).size).toBe(2);
  for (const each of identities) expect(each).toMatch(/^http:\/\/cam\/v\?token=… #[0-9a-f]{8}$/);
  expect(identityOf(parseCameraAddress("http://cam/v", nothing))).toBe("http://cam/v");
});

test("what ffmpeg says of an address is shown without its secrets", () => {
  const address = parseCameraAddress("rtsp://admin:hunter2@cam/x?token=abcdef", nothing);
  const said = "rtsp://admin:hunter2@cam/x?token=abcdef: user admin, hunter2, abcdef";
  const shown = withoutSecrets(said, address);
  for (const secret of ["admin", "hunter2", "abcdef"]) expect(shown).not.toContain(secret);
});

test.each<[string, string, RegExp, RegExp]>([
  [
    "/dev/video0",
    "[video4linux2,v4l2 @ 0x55] ioctl(VIDIOC_STREAMON): Device or resource busy\n/dev/video0: Device or resource busy",
    /is in use by another program/,
    /Close the program/,
  ],
  [
    "/dev/video0",
    "[video4linux2,v4l2 @ 0x1555620] Cannot open video device /dev/video0: Permission denied",
    /may not be opened by this user/,
    /usermod -aG video|Privacy/,
  ],
  [
    "/dev/video9",
    "[video4linux2,v4l2 @ 0x1555620] Cannot open video device /dev/video9: No such file or directory",
    /is not there/,
    /splatctl cameras/,
  ],
  [
    "/dev/video1",
    "[video4linux2,v4l2 @ 0x55d] Not a video capture device.\n/dev/video1: No such device",
    /gives no pictures/,
    /splatctl cameras/,
  ],
  [
    "0",
    "[avfoundation @ 0x7f] Selected video size (1x1) is not supported by the device.",
    /this size or rate/,
    /--size/,
  ],
  [
    "N",
    "[AVFoundation indev @ 0x7fc4e2904a40] Video device not found\n[in#0 @ 0x7fc4e2904440] Error opening input: Input/output error",
    /is not there/,
    /plugged in/,
  ],
  [
    "Cam",
    "[dshow @ 0000] Could not run graph (sometimes caused by a device already in use by other application)",
    /in use/,
    /Close/,
  ],
  [
    "rtsp://cam/x",
    "[rtsp @ 0x5] method DESCRIBE failed: 401 Unauthorized\nrtsp://cam/x: Server returned 401 Unauthorized (authorization failed)",
    /asks for a login/,
    /SPLAT_CAMERA_URL/,
  ],
  [
    "rtsp://cam/x",
    "[tcp @ 0x5] Connection to tcp://cam:554?timeout=0 failed: Connection refused",
    /refuses the connection/,
    /switched on/,
  ],
  [
    "rtsp://cam/x",
    "[rtsp @ 0x5] method DESCRIBE failed: 404 Not Found",
    /no stream at this path/,
    /address of the stream/,
  ],
  [
    "rtsp://cam/x",
    "[tcp @ 0x5] Failed to resolve hostname cam: Name or service not known",
    /nobody knows/,
    /IP address/,
  ],
  ["clip.mp4", "clip.mp4: Invalid data found when processing input", /cannot be read/, /ffmpeg -i/],
])("%s: what ffmpeg says becomes what happened and what to do (%#)", (device, words, what, hint) => {
  const error = cameraTrouble(parseCameraAddress(device, nothing), words);
  expect(error.message).toMatch(what);
  expect(error.hint).toMatch(hint);
  expect((error.cause as Error).message).toMatch(/^ffmpeg: /);
});
