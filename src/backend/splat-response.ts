/** GET /get-ply: the newest snapshot as a stream, whole or not at all. */
import { setImmediate } from "node:timers/promises";
import { plyQuerySchema } from "../api/schema.ts";
import { encodePly, plySize } from "../splat/ply.ts";
import { parseAs } from "./body.ts";
import { refuse } from "./refuse.ts";
import type { Session } from "./session.ts";

/** Answer a request for the scene. Throws `bad_request` for a bad query or a format not served. */
export function splatResponse(
  session: Session,
  query: Record<string, string>,
  ifNoneMatch: string | undefined,
): Response {
  const { format, max_gaussians: max } = parseAs(plyQuerySchema, query, "the query");
  if (format !== "ply") {
    throw refuse("bad_request", `format=${format} is not served: only ply is so far`);
  }
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
  return new Response(inSlices(encodePly(gaussians)), {
    headers: {
      ...headers,
      "content-type": "application/octet-stream",
      "content-length": String(plySize(gaussians)),
      "content-disposition": `attachment; filename="scene.ply"`,
    },
  });
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(etag);
}

/** Pulled slice by slice, other work in between: a large scene never holds the event loop. */
function inSlices(slices: Generator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await setImmediate();
      const { value, done } = slices.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => void slices.return(undefined),
  });
}
