/**
 * Server-sent events, as bytes: the backend encodes, clients and the browser page decode.
 * Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import { eventSchemas, type EventName, type SceneEvent } from "./schema.ts";

/** One event as text, blank line included. `id` lets a reader tell where it stands. */
export function encodeEvent(event: SceneEvent, id?: number): string {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  // JSON has no raw line ends, so one data line is always enough.
  return `${idLine}event: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`;
}

/**
 * The events in a stream of bytes, however it is cut. Comments, unknown events and data that break their schema
 * are skipped; an event without its closing blank line, at the end of the stream, is dropped.
 */
export async function* decodeEvents(
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<SceneEvent, void, undefined> {
  let name = "";
  let data: string[] = [];
  for await (const line of linesOf(bytes)) {
    if (line === "") {
      const event = parseEvent(name, data.join("\n"));
      if (event !== undefined) yield event;
      name = "";
      data = [];
      continue;
    }
    const { field, value } = splitLine(line);
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
}

/** Lines end with LF, CR or CRLF; a CRLF may be cut in two. */
async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  let endedWithCr = false;
  for await (const piece of bytes) {
    let text = decoder.decode(piece, { stream: true });
    if (text === "") continue;
    if (endedWithCr && text.startsWith("\n")) text = text.slice(1);
    endedWithCr = text === "" ? false : text.endsWith("\r");
    const lines = (rest + text).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** A line that starts with a colon is a comment: its field is "". One space after the colon belongs to the syntax. */
function splitLine(line: string): { field: string; value: string } {
  const colon = line.indexOf(":");
  if (colon === -1) return { field: line, value: "" };
  return { field: line.slice(0, colon), value: line.slice(colon + 1).replace(/^ /, "") };
}

function parseEvent(name: string, text: string): SceneEvent | undefined {
  if (!Object.hasOwn(eventSchemas, name)) return undefined;
  try {
    const parsed = eventSchemas[name as EventName].safeParse(JSON.parse(text));
    return parsed.success ? ({ event: name, data: parsed.data } as SceneEvent) : undefined;
  } catch {
    return undefined;
  }
}
