/** Reads what a request brings, never more than is allowed, and checks its form. */
import type { z } from "zod";
import { LIMITS } from "../api/schema.ts";
import { messageOf, type SplatError } from "../errors.ts";
import { refuse } from "./refuse.ts";

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

/** A value in a schema's form. Throws `bad_request` that names each thing wrong with it. */
export function parseAs<S extends z.ZodType>(schema: S, value: unknown, what: string): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const faults = issues
    .slice(0, 3)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`));
  throw refuse("bad_request", `${what} is not as it should be: ${faults.join("; ")}`, {
    hint: issues.some(({ message }) => message.includes("degrees"))
      ? "Angles are in radians: are these degrees?"
      : undefined,
  });
}

/** Bytes as JSON. Throws `bad_request`. */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw refuse("bad_request", `${what} is not JSON: ${messageOf(error)}`);
  }
}

/** The error for a body over its limit. */
export function tooLarge(maxBytes: number): SplatError {
  return refuse("too_large", `the body is larger than ${Math.floor(maxBytes / 1024)} KiB`);
}
