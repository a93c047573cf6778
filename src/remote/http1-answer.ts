/**
 * Reads answers of HTTP/1.1 from bytes as they come (RFC 9112): head, and the body by its length, in chunks, or up to
 * the connection's end. Bodies pass through as they are, without being copied.
 */

/** How an answer begins. Names are lower case; a field that comes more than once is joined with commas. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** Told in order: one head, pieces of the body, the end. */
export interface AnswerReader {
  onHead(head: AnswerHead): void;
  onPiece(piece: Buffer): void;
  /** `isLast`: the connection brings no other answer. */
  onEnd(isLast: boolean): void;
}

type State = "head" | "length" | "size" | "chunk" | "after chunk" | "trailer" | "rest" | "over";

/** More is no head of a server that means well. */
const MOST_HEAD_BYTES = 64 * 1024;

/** One answer. `read` throws for what is no HTTP. */
export class AnswerParser {
  readonly #reader: AnswerReader;
  #state: State = "head";
  /** Of a line or head that is not whole yet. */
  #text = "";
  /** Of the body or chunk that is being read. */
  #leftBytes = 0;
  #isLast = false;

  constructor(reader: AnswerReader) {
    this.#reader = reader;
  }

  /** Read on; returns what was not read yet. One step: at most one piece is told of. */
  read(bytes: Buffer): Buffer {
    switch (this.#state) {
      case "head":
        return this.#readText(bytes, "\r\n\r\n", (text) => this.#beginBody(text));
      case "length":
      case "chunk":
        return this.#readBody(bytes);
      case "size":
        return this.#readText(bytes, "\r\n", (line) => this.#beginChunk(line));
      case "after chunk":
        return this.#readText(bytes, "\r\n", (line) => {
          if (line !== "") throw notHttp("a chunk is longer than announced");
          this.#state = "size";
        });
      case "trailer":
        return this.#readText(bytes, "\r\n", (line) => {
          if (line === "") this.#end();
        });
      case "rest":
        this.#reader.onPiece(bytes);
        return bytes.subarray(bytes.length);
      default:
        throw notHttp("there is more than was asked for");
    }
  }

  /** The connection has ended; returns whether the answer is whole. */
  readEnd(): boolean {
    if (this.#state === "rest") this.#end();
    return this.#state === "over";
  }

  #readText(bytes: Buffer, end: string, then: (text: string) => void): Buffer {
    const before = this.#text.length;
    this.#text += bytes.toString("latin1");
    const at = this.#text.indexOf(end, Math.max(0, before - end.length));
    if (at < 0) {
      if (this.#text.length > MOST_HEAD_BYTES) throw notHttp("a line without an end");
      return bytes.subarray(bytes.length);
    }
    const text = this.#text.slice(0, at);
    this.#text = "";
    then(text);
    return bytes.subarray(at + end.length - before);
  }

  #beginBody(text: string): void {
    const [statusLine, ...lines] = text.split("\r\n");
    const [, minor, digits] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(statusLine) ?? [];
    if (digits === undefined) throw notHttp("it begins otherwise");
    const status = Number(digits);
    // Of those only the last one counts (RFC 9110 §15.2).
    if (status < 200) return;
    const headers = parseHeaders(lines);
    const connection = headers["connection"]?.toLowerCase() ?? "";
    this.#isLast = connection.includes("close") || (minor === "0" && !connection.includes("keep-alive"));
    const length = this.#frame(status, headers);
    this.#reader.onHead({ status, headers });
    if (length === 0) this.#end();
  }

  /** How the body is told from what follows it (RFC 9112 §6.3); 0 when there is none. */
  #frame(status: number, headers: AnswerHead["headers"]): number {
    if (status === 204 || status === 304) return 0;
    const encoding = headers["transfer-encoding"];
    const length = headers["content-length"];
    if (encoding !== undefined) {
      if (encoding.toLowerCase() !== "chunked")
        throw notHttp(`a body in the encoding ${encoding.slice(0, 40)}`);
      this.#state = "size";
      // Two lengths: somebody in between may see the other one (RFC 9112 §6.1).
      this.#isLast ||= length !== undefined;
      return Infinity;
    }
    if (length === undefined) {
      this.#state = "rest";
      this.#isLast = true;
      return Infinity;
    }
    const [first, ...others] = length.split(",").map((each) => each.trim());
    if (!/^\d{1,15}$/.test(first) || others.some((other) => other !== first))
      throw notHttp("a length that is none");
    this.#state = "length";
    return (this.#leftBytes = Number(first));
  }

  #readBody(bytes: Buffer): Buffer {
    const piece = bytes.length <= this.#leftBytes ? bytes : bytes.subarray(0, this.#leftBytes);
    this.#leftBytes -= piece.length;
    const isChunk = this.#state === "chunk";
    if (this.#leftBytes === 0 && isChunk) this.#state = "after chunk";
    this.#reader.onPiece(piece);
    if (this.#leftBytes === 0 && !isChunk) this.#end();
    return bytes.subarray(piece.length);
  }

  #beginChunk(line: string): void {
    const [size] = /^[0-9a-fA-F]{1,12}(?=[ \t]*(?:;|$))/.exec(line) ?? [];
    if (size === undefined) throw notHttp("a chunk without a size");
    this.#leftBytes = Number.parseInt(size, 16);
    this.#state = this.#leftBytes === 0 ? "trailer" : "chunk";
  }

  #end(): void {
    this.#state = "over";
    this.#reader.onEnd(this.#isLast);
  }
}

function parseHeaders(lines: readonly string[]): Record<string, string> {
  const headers = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const colon = line.indexOf(":");
    // Folded lines are obsolete, and blanks before the colon were used to smuggle (RFC 9112 §5).
    if (colon <= 0 || /[ \t]/.test(line.slice(0, colon))) throw notHttp("a header line that is none");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return headers;
}

function notHttp(why: string): Error {
  return Object.assign(new Error(`the answer is no HTTP: ${why}`), { code: "ERR_NO_HTTP" });
}
