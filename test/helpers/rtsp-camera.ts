/**
 * An RTSP camera on loopback (RFC 2326, media on the same connection), with a Digest login where wanted, whose pictures
 * show the time at which they were drawn: 8×8 tiles, black or white, the microsecond in binary. Needs ffmpeg.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import sharp from "sharp";
import { preciseNowS } from "../../src/time.ts";

const TILES = 8;

/** A grey picture that shows a time, Unix seconds. */
export function drawTime(timeS: number, width: number, height: number): Buffer {
  const bits = BigInt(Math.round(timeS * 1e6))
    .toString(2)
    .padStart(TILES * TILES, "0");
  const pixels = Buffer.alloc(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const tile = Math.floor((y * TILES) / height) * TILES + Math.floor((x * TILES) / width);
      pixels[y * width + x] = bits[tile] === "1" ? 235 : 16;
    }
  }
  return pixels;
}

/** The time that a picture shows, Unix seconds. */
export async function shownTime(jpeg: Uint8Array): Promise<number> {
  const { data, info } = await sharp(jpeg).greyscale().raw().toBuffer({ resolveWithObject: true });
  let bits = "0b";
  for (let tile = 0; tile < TILES * TILES; tile++) {
    const y = Math.floor(((Math.floor(tile / TILES) + 0.5) * info.height) / TILES);
    const x = Math.floor((((tile % TILES) + 0.5) * info.width) / TILES);
    bits += data[y * info.width * info.channels + x * info.channels] > 127 ? "1" : "0";
  }
  return Number(BigInt(bits)) / 1e6;
}

export interface RtspCamera {
  /** rtsp://127.0.0.1:PORT/live */
  readonly url: string;
  /** Request lines, in order. */
  readonly asked: readonly string[];
  /** Cut every connection. */
  cut(): void;
  close(): void;
}

export interface RtspOptions {
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** `user:password`, for Digest. */
  readonly login?: string;
}

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/** Start one. */
export async function rtspCamera(options: RtspOptions = {}): Promise<RtspCamera> {
  const { width = 320, height = 240, fps = 20, login } = options;
  const media = createSocket("udp4");
  media.bind(0, "127.0.0.1");
  await once(media, "listening");
  const input = [
    "-f",
    "rawvideo",
    "-pix_fmt",
    "gray",
    "-s",
    `${width}x${height}`,
    "-r",
    String(fps),
    "-i",
    "pipe:0",
  ];
  const coding = [
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-tune",
    "zerolatency",
    "-pix_fmt",
    "yuv420p",
    "-g",
    String(fps / 2),
  ];
  const folder = await mkdtemp(join(tmpdir(), "splatctl-test-"));
  const sdpFile = join(folder, "camera.sdp");
  const target = `rtp://127.0.0.1:${media.address().port}?pkt_size=1200`;
  const encoder = spawn(
    "ffmpeg",
    ["-v", "error", "-fflags", "nobuffer", ...input, ...coding, "-sdp_file", sdpFile, "-f", "rtp", target],
    {
      stdio: ["pipe", "ignore", "ignore"],
    },
  );
  encoder.stdin.on("error", () => undefined);
  const drawing = setInterval(() => encoder.stdin.write(drawTime(preciseNowS(), width, height)), 1000 / fps);
  let sdp = "";
  while (!sdp.includes("packetization-mode=1")) {
    await pause(20);
    sdp = await readFile(sdpFile, "utf8").catch(() => "");
  }
  await rm(folder, { recursive: true });
  const described = `${sdp
    .replace(/^SDP:\s*/, "")
    .trim()
    .replaceAll(/\r?\n/g, "\r\n")}\r\na=control:track1\r\n`;
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const playing = new Set<Socket>();
  media.on("message", (packet) => {
    const head = Buffer.from([0x24, 0, packet.length >> 8, packet.length & 255]);
    for (const socket of playing) socket.write(Buffer.concat([head, packet]));
  });
  const server = createServer((socket) => {
    sockets.add(socket);
    socket
      .on("error", () => undefined)
      .on("close", () => void (sockets.delete(socket), playing.delete(socket)));
    let text = "";
    socket.on("data", (piece) => {
      if (playing.has(socket) && piece[0] === 0x24) return;
      text += piece.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end !== -1; end = text.indexOf("\r\n\r\n")) {
        answer(socket, text.slice(0, end));
        text = text.slice(end + 4);
      }
    });
  });
  function answer(socket: Socket, request: string): void {
    const [line] = request.split("\r\n");
    const [method, uri] = line.split(" ");
    asked.push(line);
    const cseq = /cseq: *(\d+)/i.exec(request)?.[1];
    const reply = (status: string, headers: string[] = [], body = ""): void => {
      const all = [`RTSP/1.0 ${status}`, `CSeq: ${cseq}`, ...headers];
      if (body !== "") all.push(`Content-Length: ${body.length}`);
      socket.write(`${all.join("\r\n")}\r\n\r\n${body}`);
    };
    if (login !== undefined && method !== "OPTIONS") {
      const [user, password] = login.split(":");
      const response = md5(`${md5(`${user}:cam:${password}`)}:n1:${md5(`${method}:${uri}`)}`);
      if (!request.includes(`response="${response}"`)) {
        return reply("401 Unauthorized", [`WWW-Authenticate: Digest realm="cam", nonce="n1"`]);
      }
    }
    if (method === "OPTIONS") return reply("200 OK", ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"]);
    if (method === "DESCRIBE") return reply("200 OK", ["Content-Type: application/sdp"], described);
    if (method === "SETUP")
      return reply("200 OK", ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]);
    reply("200 OK", ["Session: 1"]);
    if (method === "PLAY") playing.add(socket);
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}/live`,
    asked,
    cut,
    close() {
      clearInterval(drawing);
      encoder.kill("SIGKILL");
      media.close();
      cut();
      server.close();
    },
  };
}
