/** Reads what a request brings, never more than is allowed, and checks its form. */
import type { z } from "zod";
import { frameMetaSchema, LIMITS, type FrameMeta } from "../api/schema.ts";
import { messageOf, type SplatError } from "../errors.ts";
import { refuse } from "./refuse.ts";

/** Room in an upload for `meta` and the multipart syntax beside the file. */
const FORM_OVERHEAD_BYTES = 1024 * 1024;

/** The whole body. Throws `too_large` by its announced length before reading, or as soon as it proves too long. */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const piece = await reader?.read().catch((error: unknown) => {
      throw refuse("bad_request", "the body ended early", { cause: error });
    });
    if (piece?.value === undefined) break;
    sizeBytes += piece.value.length;
    if (sizeBytes > maxBytes) {
      void reader?.cancel().catch(() => undefined);
      throw tooLarge(maxBytes);
    }
    pieces.push(piece.value);
  }
  const whole = new Uint8Array(sizeBytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** A JSON body in a schema's form; an empty body counts as `{}`. Throws `bad_request`, `too_large`. */
export async function readJson<S extends z.ZodType>(request: Request, schema: S): Promise<z.infer<S>> {
  const bytes = await readBody(request, LIMITS.jsonBytes);
  return parseAs(schema, bytes.length === 0 ? {} : parseJson(bytes, "the body"), "the body");
}

/** The multipart form of POST /upload-frame. Throws `bad_request`, `too_large`. */
export async function readFrameForm(request: Request): Promise<{ bytes: Uint8Array; meta: FrameMeta }> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) {
    throw refuse("bad_request", "an upload must be multipart/form-data with a field `file`");
  }
  const body = await readBody(request, LIMITS.frameBytes + FORM_OVERHEAD_BYTES);
  const form = await new Response(body, { headers: { "content-type": type } })
    .formData()
    .catch((error: unknown) => {
      throw refuse("bad_request", "the multipart form is malformed", { cause: error });
    });
  const file = form.get("file");
  if (file === null) throw refuse("bad_request", "the form has no field `file`");
  if (typeof file === "string") throw refuse("bad_request", "the field `file` is text, not a file");
  if (file.size > LIMITS.frameBytes) throw tooLarge(LIMITS.frameBytes);
  return { bytes: new Uint8Array(await file.arrayBuffer()), meta: await readMeta(form.get("meta")) };
}

/** A value in a schema's form. Throws `bad_request` that names each thing wrong with it. */
export function parseAs<S extends z.ZodType>(schema: S, value: unknown, what: string): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues
    .slice(0, 3)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`));
  const text = faults.join("; ");
  throw refuse("bad_request", `${what} is not as it should be: ${text}`, {
    hint: text.includes("degrees") ? "Angles are in radians: are these degrees?" : undefined,
  });
}

async function readMeta(field: File | string | null): Promise<FrameMeta> {
  if (field === null) return {};
  const bytes =
    typeof field === "string" ? new TextEncoder().encode(field) : new Uint8Array(await field.arrayBuffer());
  return parseAs(frameMetaSchema, parseJson(bytes, "meta"), "meta");
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw refuse("bad_request", `${what} is not JSON: ${messageOf(error)}`);
  }
}

function tooLarge(maxBytes: number): SplatError {
  return refuse("too_large", `the body is larger than ${Math.floor(maxBytes / 1024)} KiB`);
}
