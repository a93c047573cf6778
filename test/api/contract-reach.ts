/** How the contract suite speaks to a backend, whichever it is and however it is reached. */
import { crc32 } from "node:zlib";
import sharp from "sharp";
import { expect } from "vitest";
import type { z } from "zod";
import {
  errorSchema,
  ERROR_STATUS,
  framesResponseSchema,
  statusSchema,
  uploadResponseSchema,
  type ApiErrorCode,
  type FrameMeta,
  type FrameRecord,
  type Status,
  type UploadResponse,
} from "../../src/api/schema.ts";
import { nowS, sleep } from "../../src/time.ts";

/** A way to a backend: its function, or a port, or somebody else's machine. */
export interface Reach {
  readonly fetch: (request: Request) => Promise<Response>;
  /** No trailing slash. */
  readonly baseUrl: string;
  close(): Promise<void>;
}

export interface Sent {
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array | FormData | ReadableStream<Uint8Array>;
}

export type Method = "GET" | "POST" | "PUT" | "DELETE" | "OPTIONS";

/** Calls of one backend, checked as they are made. */
export interface Caller {
  readonly baseUrl: string;
  send(method: Method, path: string, sent?: Sent): Promise<Response>;
  /** Send JSON (or nothing) and expect a 200 of this shape. */
  ok<T>(schema: z.ZodType<T>, method: Method, path: string, value?: unknown): Promise<T>;
  /** Send and expect this refusal, in the contract's own form. */
  no(code: ApiErrorCode, method: Method, path: string, sent?: Sent): Promise<z.infer<typeof errorSchema>>;
  upload(bytes: Uint8Array, meta?: FrameMeta): Promise<UploadResponse>;
  uploadNo(code: ApiErrorCode, bytes: Uint8Array, meta?: unknown): Promise<z.infer<typeof errorSchema>>;
  status(): Promise<Status>;
  frames(): Promise<FrameRecord[]>;
  /** Poll the status until it is as wanted. */
  until(wanted: (status: Status) => boolean): Promise<Status>;
}

/** Calls over `reach`. */
export function callerOf(reach: Reach): Caller {
  const { baseUrl } = reach;
  const caller: Caller = {
    baseUrl,
    send(method, path, sent = {}) {
      const init = { method, ...sent, ...(sent.body instanceof ReadableStream ? { duplex: "half" } : {}) };
      return reach.fetch(new Request(`${baseUrl}${path}`, init as RequestInit));
    },
    async ok(schema, method, path, value) {
      const response = await caller.send(method, path, value === undefined ? {} : asJson(value));
      const body: unknown = await response.json();
      expect([response.status, body]).toEqual([200, body]);
      return schema.parse(body);
    },
    async no(code, method, path, sent) {
      return expectNo(code, await caller.send(method, path, sent));
    },
    async upload(bytes, meta) {
      const response = await caller.send("POST", "/upload-frame", { body: formOf(bytes, meta) });
      const body: unknown = await response.json();
      expect([response.status, body]).toEqual([200, body]);
      return uploadResponseSchema.parse(body);
    },
    async uploadNo(code, bytes, meta) {
      return expectNo(code, await caller.send("POST", "/upload-frame", { body: formOf(bytes, meta) }));
    },
    status: () => caller.ok(statusSchema, "GET", "/status"),
    frames: async () => (await caller.ok(framesResponseSchema, "GET", "/frames")).frames,
    async until(wanted) {
      const deadlineS = nowS() + 25;
      for (;;) {
        const status = await caller.status();
        if (wanted(status) || nowS() > deadlineS) return status;
        await sleep(100);
      }
    },
  };
  return caller;
}

async function expectNo(code: ApiErrorCode, response: Response): Promise<z.infer<typeof errorSchema>> {
  const text = await response.text();
  expect([response.status, text]).toEqual([ERROR_STATUS[code], expect.stringContaining(`"${code}"`)]);
  const body = errorSchema.parse(JSON.parse(text));
  expect(body.error.code).toBe(code);
  expect(body.error.message).not.toMatch(/\n\s+at |node_modules|Traceback/);
  expect(JSON.parse(text)).toHaveProperty("boot_id");
  return body;
}

/** A JSON request. */
export function asJson(value: unknown): Sent {
  return asJsonText(JSON.stringify(value));
}

/** A JSON request whose body is this very text. */
export function asJsonText(body: string): Sent {
  return { headers: { "content-type": "application/json" }, body };
}

/** The upload form; `meta` may be text that is no JSON. */
export function formOf(bytes: Uint8Array, meta?: unknown): FormData {
  const form = new FormData();
  form.set("file", new Blob([bytes]), "frame.jpg");
  if (meta !== undefined) form.set("meta", typeof meta === "string" ? meta : JSON.stringify(meta));
  return form;
}

/** Bytes that are made as they are asked for, so that a refused body costs nothing. */
export function endless(sizeBytes: number): ReadableStream<Uint8Array> {
  let left = sizeBytes;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = new Uint8Array(Math.min(left, 64 * 1024));
        left -= piece.length;
        if (piece.length > 0) controller.enqueue(piece);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** A small picture, another one for each seed: a coloured square on a gradient. 32×24. */
export async function picture(seed: number, format: "jpeg" | "png" = "jpeg"): Promise<Uint8Array> {
  const [width, height] = [32, 24];
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = Math.abs(x - 16) < 6 && Math.abs(y - 12) < 6;
      const color = inside ? [230, 40, (seed * 37) % 256] : [x * 8, y * 10, (seed * 11) % 256];
      pixels.set(color, (y * width + x) * 3);
    }
  }
  const image = sharp(pixels, { raw: { width, height, channels: 3 } });
  return new Uint8Array(await image.toFormat(format).toBuffer());
}

/** The beginning of a PNG that says it has this size. */
export function pngHeader(width: number, height: number): Uint8Array {
  const chunk = Buffer.alloc(25);
  chunk.writeUInt32BE(13, 0);
  chunk.write("IHDR", 4, "latin1");
  chunk.writeUInt32BE(width, 8);
  chunk.writeUInt32BE(height, 12);
  chunk.set([8, 2, 0, 0, 0], 16);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 21)), 21);
  return new Uint8Array(Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk]));
}

/** Camera-to-world, OpenGL axes, on a circle of 1 m around the origin, looking at it. */
export function orbit(angleRad: number): number[][] {
  const [s, c] = [Math.sin(angleRad), Math.cos(angleRad)];
  return [
    [c, 0, s, s],
    [0, 1, 0, 0],
    [-s, 0, c, c],
    [0, 0, 0, 1],
  ];
}
