import { describe, expect, it } from "vitest";
import { decodeEvents, encodeEvent } from "../../src/api/events.ts";
import type { SceneEvent } from "../../src/api/schema.ts";

const warning = (message: string): SceneEvent => ({ event: "warning", data: { message } });
const splat: SceneEvent = { event: "splat", data: { version: 3, gaussian_count: 12 } };

async function decode(text: string | Uint8Array, pieceBytes = Infinity): Promise<SceneEvent[]> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  const events: SceneEvent[] = [];
  for await (const event of decodeEvents(pieces())) events.push(event);
  return events;
}

describe("encodeEvent", () => {
  it("is one named event with one data line", () => {
    expect(encodeEvent(splat)).toBe('event: splat\ndata: {"version":3,"gaussian_count":12}\n\n');
  });

  it("carries an id, and line ends inside the data are escaped", () => {
    expect(encodeEvent(warning("two\nlines\r"), 7)).toBe(
      'id: 7\nevent: warning\ndata: {"message":"two\\nlines\\r"}\n\n',
    );
  });
});

describe("decodeEvents", () => {
  const events = [warning("größer als 90° → Grad? 🤖"), splat, warning("a: b\n c")];
  const text = events.map((event, id) => encodeEvent(event, id)).join("");

  it.each([1, 2, 3, 5, 64, Infinity])("gives back what was encoded, in pieces of %d bytes", async (size) => {
    expect(await decode(text, size)).toEqual(events);
  });

  it.each([
    ["CRLF", "\r\n"],
    ["CR", "\r"],
  ])("reads %s line ends, cut anywhere", async (_name, end) => {
    for (const size of [1, 2, 7, Infinity]) {
      expect(await decode(text.replaceAll("\n", end), size)).toEqual(events);
    }
  });

  it("joins several data lines, and needs no space after the colon", async () => {
    expect(await decode('event:splat\ndata:{"version":3,\ndata:"gaussian_count":12}\n\n')).toEqual([splat]);
  });

  it("skips a byte order mark, comments, unknown fields and empty events", async () => {
    const noise = "\ufeff: keep-alive\n\n\nretry: 10\nnonsense\n\n";
    expect(await decode(`${noise}${encodeEvent(splat)}: bye\n\n`)).toEqual([splat]);
  });

  it.each([
    ["an unknown event", "event: mystery\ndata: {}\n\n"],
    ["an event named like a property of every object", "event: constructor\ndata: {}\n\n"],
    ["an event without a name", "data: {}\n\n"],
    ["data that is not JSON", "event: splat\ndata: {\n\n"],
    ["data that breaks the schema", 'event: splat\ndata: {"version":"3","gaussian_count":12}\n\n'],
  ])("skips %s and goes on", async (_what, bad) => {
    expect(await decode(bad + encodeEvent(splat))).toEqual([splat]);
  });

  it("drops an event that the stream's end cuts off", async () => {
    expect(await decode(encodeEvent(splat) + 'event: warning\ndata: {"message":"x"}\n')).toEqual([splat]);
  });
});
