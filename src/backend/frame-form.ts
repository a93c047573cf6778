/** Reads the form that a frame is uploaded in. */
import { frameMetaSchema, LIMITS, type FrameMeta } from "../api/schema.ts";
import { parseAs, parseJson, readBody, tooLarge } from "../http/body.ts";
import { refuse } from "../http/refuse.ts";

/** Room in an upload for `meta` and the multipart syntax beside the file. */
const FORM_OVERHEAD_BYTES = 1024 * 1024;

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

async function readMeta(field: File | string | null): Promise<FrameMeta> {
  if (field === null) return {};
  const bytes =
    typeof field === "string" ? new TextEncoder().encode(field) : new Uint8Array(await field.arrayBuffer());
  return parseAs(frameMetaSchema, parseJson(bytes, "meta"), "meta");
}
