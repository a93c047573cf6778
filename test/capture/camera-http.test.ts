import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import sharp from "sharp";
import { expect, onTestFinished, test } from "vitest";
import { openCamera } from "../../src/capture/camera.ts";
import type { Frame, Sample } from "../../src/capture/sample.ts";
import { preciseNowS } from "../../src/time.ts";
import { beginStream, commentOf, mjpegCamera, part, withComment } from "../helpers/mjpeg.ts";
import { jpeg } from "../helpers/pictures.ts";

/** The first pictures of a camera; what it said. */
async function take(
  address: string,
  count: number,
  onFrame: (sample: Sample<Frame>) => void = () => undefined,
) {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const [notes, warnings, samples]: [string[], string[], Sample<Frame>[]] = [[], [], []];
  const camera = await openCamera({ device: address }, controller.signal);
  const listener = {
    onNote: (line: string) => notes.push(line),
    onWarning: (line: string) => warnings.push(line),
  };
  for await (const sample of camera.frames(listener, controller.signal)) {
    samples.push(sample);
    onFrame(sample);
    if (samples.length === count) break;
  }
  return { camera, notes, warnings, samples, bytes: samples.map(({ value }) => Buffer.from(value.bytes)) };
}

test("parts with and without a length, under a boundary that is another than announced, byte by byte", async () => {
  const pictures = await Promise.all([1, 2, 3].map(jpeg));
  const address = await mjpegCamera(async (response) => {
    beginStream(response, "announced");
    const stream = Buffer.concat(pictures.map((one, i) => part(one, "other", i !== 1)));
    for (const byte of stream) {
      response.write(Buffer.from([byte]));
      if (byte === 0x0a) await pause(1);
    }
  });
  const { bytes, samples } = await take(address, 3);
  expect(bytes.map((one, i) => one.equals(pictures[i]))).toEqual([true, true, true]);
  expect(new Set(samples.map(({ value }) => value.frameId)).size).toBe(3);
  expect(samples[0].value.frameId).toMatch(/^cam-[0-9a-f]{12}-\d{16}$/);
});

test("the stamp is when the picture came, on this machine's clock", async () => {
  const noise = Buffer.from(Array.from({ length: 640 * 480 * 3 }, (_, i) => (i * 7919) % 251));
  const picture = await sharp(noise, { raw: { width: 640, height: 480, channels: 3 } })
    .jpeg()
    .toBuffer();
  const address = await mjpegCamera(async (response) => {
    beginStream(response);
    while (!response.destroyed) {
      response.write(part(withComment(picture, preciseNowS().toFixed(6))));
      await pause(20);
    }
  });
  const { samples } = await take(address, 40);
  const errorsMs = samples.map(
    ({ capturedAtS, value }) => (capturedAtS - Number(commentOf(value.bytes))) * 1000,
  );
  const median = errorsMs.toSorted((a, b) => a - b)[20];
  // How near, the bench measures.
  expect(Math.abs(median)).toBeLessThan(2000);
});

test("a connection that is cut in a picture is opened again: told once, and once when it is back", async () => {
  const [first, second] = [await jpeg(1), await jpeg(2)];
  const address = await mjpegCamera((response, _request, connection) => {
    beginStream(response);
    // The first is asked what it is.
    if (connection === 0) response.end();
    else if (connection === 1) {
      response.write(part(first));
      setTimeout(() => response.socket?.end(part(second).subarray(0, 300)), 30);
    } else if (connection === 2) response.destroy();
    else response.write(part(second));
  });
  const { bytes, notes, warnings } = await take(address, 2);
  expect(bytes[0].equals(first) && bytes[1].equals(second)).toBe(true);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/trying again until it is back/);
  expect(notes).toEqual([expect.stringMatching(/is back$/)]);
});

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

test.each(["Basic", "Digest"])("a %s login is used, and shown nowhere", async (scheme) => {
  const picture = await jpeg(3);
  const seen: string[] = [];
  const address = await mjpegCamera((response, request) => {
    const given = request.headers.authorization ?? "";
    seen.push(given);
    const digest = /response="(\w+)"/.exec(given)?.[1];
    const cnonce = /cnonce="(\w+)"/.exec(given)?.[1];
    const wanted = md5(`${md5("ann:cam:p@ss")}:n0:00000001:${cnonce}:auth:${md5("GET:/video")}`);
    const isRight = scheme === "Basic" ? given === `Basic ${btoa("ann:p@ss")}` : digest === wanted;
    if (isRight) {
      beginStream(response);
      response.write(part(picture));
      return;
    }
    const ask =
      scheme === "Basic" ? `Basic realm="cam"` : `Digest realm="cam", nonce="n0", qop="auth,auth-int"`;
    response.writeHead(401, { "www-authenticate": ask }).end();
  });
  const { camera, samples } = await take(address.replace("//", "//ann:p%40ss@"), 1);
  expect(samples).toHaveLength(1);
  expect(seen[0]).toBe("");
  expect(JSON.stringify([camera, samples[0].value.name, samples[0].value.frameId])).not.toMatch(
    /ann|p@ss|p%40ss/,
  );
  await expect(take(address.replace("//", "//ann:wrong-one@"), 1)).rejects.toThrow(/asks for a login/);
  await expect(take(address, 1)).rejects.toThrow(/asks for a login/);
});

test.each<[string, number, Record<string, string>, RegExp]>([
  ["a page", 200, { "content-type": "text/html" }, /answers text\/html, not a stream/],
  ["one picture", 200, { "content-type": "image/jpeg" }, /answers a single picture, not a stream/],
  ["nothing", 404, {}, /no stream at this path/],
  ["itself again and again", 302, { location: "/video" }, /gives no pictures/],
])("%s instead of a stream is told at once", async (_, status, headers, words) => {
  const address = await mjpegCamera((response) => void response.writeHead(status, headers).end("x"));
  await expect(take(address, 1)).rejects.toThrow(words);
});

test("a huge picture passes, one that is larger than any may be is left out", async () => {
  const head = (await jpeg(1)).subarray(0, -2);
  const huge = Buffer.concat([head, Buffer.alloc(20 << 20, 0x22), Buffer.from([0xff, 0xd9])]);
  const tooLarge = Buffer.concat([head, Buffer.alloc(33 << 20, 0x22), Buffer.from([0xff, 0xd9])]);
  const small = await jpeg(2);
  const address = await mjpegCamera((response) => {
    beginStream(response);
    for (const one of [huge, tooLarge, small]) response.write(part(one));
  });
  const { bytes } = await take(address, 2);
  expect(bytes.map(({ length }) => length)).toEqual([huge.length, small.length]);
});

test("who is slow gets the newest pictures, and memory does not grow", async () => {
  const picture = Buffer.concat([
    (await jpeg(1)).subarray(0, -2),
    Buffer.alloc(1 << 20, 0x33),
    Buffer.from([0xff, 0xd9]),
  ]);
  let sent = 0;
  const address = await mjpegCamera(async (response) => {
    beginStream(response);
    while (sent < 400 && !response.destroyed) {
      const fits = response.write(part(withComment(picture, String(sent++))));
      await (fits ? pause(0) : new Promise((resolve) => response.once("drain", resolve)));
    }
  });
  const controller = new AbortController();
  const camera = await openCamera({ device: address }, controller.signal);
  let dropped = 0;
  const listener = {
    onNote: () => undefined,
    onWarning: () => undefined,
    onCounts: (counts: { dropped: number }) => (dropped = counts.dropped),
  };
  let largest = 0;
  const numbers: number[] = [];
  for await (const { value } of camera.frames(listener, controller.signal)) {
    numbers.push(Number(commentOf(value.bytes)));
    largest = Math.max(largest, process.memoryUsage().arrayBuffers);
    while (numbers.length < 4 && sent < numbers.length * 100) await pause(2);
    if (numbers.length === 4) break;
  }
  controller.abort();
  expect(dropped).toBeGreaterThan(100);
  expect(numbers[3] - numbers[2]).toBeGreaterThan(10);
  expect(largest).toBeLessThan(300e6);
});
