/** Pictures that hold a time, cameras on loopback that serve them, and programs on PATH that pretend to be ffmpeg. */
import { execFileSync } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { delimiter, join } from "node:path";
import { onTestFinished } from "vitest";
import { serveHttp } from "./loopback.ts";
import { tempFolder } from "./pictures.ts";

/** A JPEG with a comment behind its start. */
export function withComment(jpeg: Buffer, text: string): Buffer {
  const header = Buffer.from([0xff, 0xfe, 0, text.length + 2]);
  return Buffer.concat([jpeg.subarray(0, 2), header, Buffer.from(text), jpeg.subarray(2)]);
}

/** What `withComment` has put there. */
export function commentOf(jpeg: Uint8Array): string {
  const held = Buffer.from(jpeg);
  return held.toString("latin1", 6, 4 + held.readUInt16BE(4));
}

/** A camera that answers each connection as a test says; its address. */
export async function mjpegCamera(
  serve: (response: ServerResponse, request: IncomingMessage, connection: number) => void | Promise<void>,
): Promise<string> {
  let connections = 0;
  const server = await serveHttp((request, response) => {
    void (async () => await serve(response, request, connections++))().catch(() => response.destroy());
  });
  onTestFinished(() => server.close());
  return `${server.url}/video`;
}

/** The head of a stream. */
export function beginStream(response: ServerResponse, boundary = "frame"): void {
  response.writeHead(200, { "content-type": `multipart/x-mixed-replace; boundary=${boundary}` });
}

/** One part of a stream. */
export function part(jpeg: Buffer, boundary = "frame", withLength = true): Buffer {
  const length = withLength ? `Content-Length: ${jpeg.length}\r\n` : "";
  const head = `--${boundary}\r\nContent-Type: image/jpeg\r\n${length}\r\n`;
  return Buffer.concat([Buffer.from(head), jpeg, Buffer.from("\r\n")]);
}

/** Why cameras cannot be read with ffmpeg here; null when they can. */
export function noFfmpeg(): string | null {
  try {
    execFileSync("ffmpeg", ["-version"], { stdio: "ignore" });
    return null;
  } catch {
    return "ffmpeg is not installed here";
  }
}

/** A PATH on which `ffmpeg` is this shell script. */
export async function pathWithFfmpeg(script: string): Promise<string> {
  const folder = await tempFolder();
  await writeFile(join(folder, "ffmpeg"), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, "ffmpeg"), 0o755);
  return `${folder}${delimiter}${process.env["PATH"]}`;
}

/** Let this process find another `ffmpeg`, until the test ends. */
export async function useFfmpeg(script: string): Promise<void> {
  const before = process.env["PATH"];
  process.env["PATH"] = await pathWithFfmpeg(script);
  onTestFinished(() => void (process.env["PATH"] = before));
}
