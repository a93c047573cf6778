/** GET /get-ply: the newest snapshot as a stream, whole or not at all. */
import { setImmediate } from "node:timers/promises";
import { plyQuerySchema } from "../api/schema.ts";
import { encodedSize, encodeScene } from "../splat/formats.ts";
import { parseAs } from "../http/body.ts";
import type { Session } from "./session.ts";

/** Answer a request for the scene. Throws `bad_request` for a bad query. */
export function splatResponse(
  session: Session,
  query: Record<string, string>,
  ifNoneMatch: string | undefined,
): Response {
  const { format, max_gaussians: max } = parseAs(plyQuerySchema, query, "the query");
  const { slot } = session;
  const snapshot = slot.latest;
  if (snapshot === null) {
    return new Response(null, { status: 204, headers: { "x-splat-version": String(slot.version) } });
  }
  const gaussians = slot.select(snapshot, max);
  const headers = {
    etag: `"${session.id}-${snapshot.version}-${format}-${max ?? "all"}"`,
    "x-splat-version": String(snapshot.version),
    "x-splat-count": String(gaussians.count),
    // A cache may keep it, but must ask each time.
    "cache-control": "no-cache",
  };
  if (matches(ifNoneMatch, headers.etag)) return new Response(null, { status: 304, headers });
  const sizeBytes = encodedSize(gaussians, format);
  return new Response(inSlices(encodeScene(gaussians, format)), {
    headers: {
      ...headers,
      "content-type": "application/octet-stream",
      ...(sizeBytes === undefined ? {} : { "content-length": String(sizeBytes) }),
      "content-disposition": `attachment; filename="scene.${format}"`,
    },
  });
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(etag);
}

/** Pulled slice by slice, other work in between: a large scene never holds the event loop. */
function inSlices(
  slices: Generator<Uint8Array> | AsyncGenerator<Uint8Array, void, undefined>,
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await setImmediate();
      const { value, done } = await slices.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => void (await slices.return(undefined)),
  });
}
