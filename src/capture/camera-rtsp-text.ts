/** RTSP (RFC 2326) on a connection, cut into its messages and the media between them (§10.12). */

/** A request or response, or media that goes by untouched. */
export type RtspPart =
  | { readonly kind: "message"; readonly head: string; readonly body: Buffer }
  | { readonly kind: "media"; readonly bytes: Buffer };

const MEDIA = 0x24; // $
const MEDIA_HEADER = 4;
const END_OF_HEAD = "\r\n\r\n";
const MOST_HEAD = 64 * 1024;
const MOST_BODY = 1024 * 1024;

/** Fed with pieces of any size. Throws when it is no RTSP. */
export class RtspCutter {
  #rest: Buffer = Buffer.alloc(0);

  /** What a piece completes. */
  push(piece: Buffer): RtspPart[] {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    const parts: RtspPart[] = [];
    for (let part = this.#next(); part !== null; part = this.#next()) parts.push(part);
    return parts;
  }

  #next(): RtspPart | null {
    const rest = this.#rest;
    if (rest.length === 0) return null;
    if (rest[0] === MEDIA) {
      if (rest.length < MEDIA_HEADER) return null;
      const bytes = this.#take(MEDIA_HEADER + rest.readUInt16BE(2));
      return bytes && { kind: "media", bytes };
    }
    const end = rest.indexOf(END_OF_HEAD);
    if (end === -1) {
      if (rest.length > MOST_HEAD) throw new Error("not RTSP");
      return null;
    }
    const head = rest.toString("latin1", 0, end);
    const sizeBytes = Number(headerOf(head, "content-length") ?? 0);
    if (!(sizeBytes >= 0 && sizeBytes <= MOST_BODY)) throw new Error("not RTSP");
    const whole = this.#take(end + END_OF_HEAD.length + sizeBytes);
    return whole && { kind: "message", head, body: whole.subarray(end + END_OF_HEAD.length) };
  }

  #take(count: number): Buffer | null {
    if (this.#rest.length < count) return null;
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }
}

/** The value of a header; undefined when it is not there. */
export function headerOf(head: string, name: string): string | undefined {
  return headersOf(head, name)[0];
}

/** All values of a header. */
export function headersOf(head: string, name: string): string[] {
  return head.split("\r\n").flatMap((line) => {
    const colon = line.indexOf(":");
    return colon > 0 && line.slice(0, colon).trim().toLowerCase() === name
      ? [line.slice(colon + 1).trim()]
      : [];
  });
}
