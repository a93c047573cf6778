/**
 * Reads the vertex table of any PLY: ascii, little or big endian, properties in any order and of any scalar type
 * (Greg Turk, "The PLY Polygon File Format", 1994). Trusts nothing: a header can claim whatever it likes.
 */
import { SplatError } from "../errors.ts";

/** A header longer than this is not a PLY's, bytes. */
const MAX_HEADER_BYTES = 64 * 1024;

const SCALARS = {
  char: { sizeBytes: 1, read: (view: DataView, at: number) => view.getInt8(at) },
  uchar: { sizeBytes: 1, read: (view: DataView, at: number) => view.getUint8(at) },
  short: { sizeBytes: 2, read: (view: DataView, at: number, le: boolean) => view.getInt16(at, le) },
  ushort: { sizeBytes: 2, read: (view: DataView, at: number, le: boolean) => view.getUint16(at, le) },
  int: { sizeBytes: 4, read: (view: DataView, at: number, le: boolean) => view.getInt32(at, le) },
  uint: { sizeBytes: 4, read: (view: DataView, at: number, le: boolean) => view.getUint32(at, le) },
  float: { sizeBytes: 4, read: (view: DataView, at: number, le: boolean) => view.getFloat32(at, le) },
  double: { sizeBytes: 8, read: (view: DataView, at: number, le: boolean) => view.getFloat64(at, le) },
} as const;

/** Type of one property. */
type Scalar = keyof typeof SCALARS;

/** The other names the same types go by. */
const SCALAR_ALIASES: ReadonlyMap<string, Scalar> = new Map([
  ["int8", "char"],
  ["uint8", "uchar"],
  ["int16", "short"],
  ["uint16", "ushort"],
  ["int32", "int"],
  ["uint32", "uint"],
  ["float32", "float"],
  ["float64", "double"],
]);

type Format = "ascii" | "binary_little_endian" | "binary_big_endian";

interface Property {
  readonly name: string;
  /** "list" when each row holds its own number of values. */
  readonly type: Scalar | "list";
}

interface Element {
  readonly name: string;
  readonly count: number;
  readonly properties: Property[];
}

interface Header {
  readonly format: Format;
  readonly elements: readonly Element[];
  /** Where the first element's data begins, bytes. */
  readonly dataOffset: number;
}

/** One element of a PLY (its vertices, say), one column per property. */
export interface PlyTable {
  readonly count: number;
  /** Property names in file order. */
  readonly names: readonly string[];
  /** Declared type of a property; undefined when there is none of that name. */
  typeOf(name: string): Scalar | undefined;
  /** Write a property's values to `target[offset + i · stride]`. The property must exist. */
  copy(name: string, target: Float32Array | Uint32Array, offset: number, stride: number): void;
}

/**
 * Read one element, the vertices unless another is named. Throws `bad_input` when the bytes are no PLY, have no such
 * element, are cut short, or hold lists up to there.
 */
export function readPlyTable(bytes: Uint8Array, name = "vertex"): PlyTable {
  const header = parseHeader(bytes);
  const needed = elementsUpTo(header, name);
  return header.format === "ascii" ? asciiTable(bytes, header, needed) : binaryTable(bytes, header, needed);
}

/**
 * What a header says of one element of a file of `fileBytes`, of which `start` holds the whole header. Throws as
 * `readPlyTable` does, as far as that can be told without the values.
 */
export function readPlyColumns(
  start: Uint8Array,
  fileBytes: number,
  name = "vertex",
): Pick<PlyTable, "count" | "names" | "typeOf"> {
  const header = parseHeader(start);
  const needed = elementsUpTo(header, name);
  if (header.format === "ascii") requireAsciiBytes(header, needed, fileBytes);
  else requireBinaryBytes(header, needed, fileBytes);
  return columnsOf(needed.at(-1) as Element);
}

/** The elements up to the one of that name, all of plain numbers. */
function elementsUpTo(header: Header, name: string): Element[] {
  const at = header.elements.findIndex((element) => element.name === name);
  if (at < 0) throw badPly(name === "vertex" ? "it has no vertices" : `it has no element "${name}"`);
  const needed = header.elements.slice(0, at + 1);
  const list = needed.find((element) => element.properties.some(({ type }) => type === "list"));
  if (list !== undefined)
    throw badPly(`its element "${list.name}" holds lists, where plain numbers are expected`);
  return needed;
}

/** Names of its elements in file order. Throws `bad_input` when the bytes are no PLY. */
export function plyElements(bytes: Uint8Array): string[] {
  return parseHeader(bytes).elements.map(({ name }) => name);
}

/** An error about a PLY that cannot be used. */
export function badPly(reason: string): SplatError {
  return new SplatError("bad_input", `not a PLY file that can be read: ${reason}`);
}

function parseHeader(bytes: Uint8Array): Header {
  // Latin-1 keeps one character per byte, so an index in the text is an offset in the file.
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, MAX_HEADER_BYTES));
  if (!/^ply\s*\n/.test(text)) throw badPly('it does not begin with "ply"');
  const end = /\nend_header[ \t]*\r?\n/.exec(text);
  if (end === null) throw badPly("its header does not end");
  const elements: Element[] = [];
  let format: Format | undefined;
  for (const line of text.slice(0, end.index).split("\n").slice(1)) {
    const words = line.trim().split(/\s+/);
    if (words[0] === "format") format = parseFormat(words);
    else if (words[0] === "element") elements.push(parseElement(words));
    else if (words[0] === "property") addProperty(elements.at(-1), words);
    else if (!["comment", "obj_info", ""].includes(words[0]))
      throw badPly(`unknown header line "${line.trim()}"`);
  }
  if (format === undefined) throw badPly("its header names no format");
  return { format, elements, dataOffset: end.index + end[0].length };
}

function parseFormat([, format, version]: readonly string[]): Format {
  if (version !== "1.0") throw badPly(`format version ${version} is unknown`);
  if (format !== "ascii" && format !== "binary_little_endian" && format !== "binary_big_endian") {
    throw badPly(`format "${format}" is unknown`);
  }
  return format;
}

function parseElement([, name, count]: readonly string[]): Element {
  if (!/^\d+$/.test(count ?? "") || !Number.isSafeInteger(Number(count))) {
    throw badPly(`element "${name}" has no usable count`);
  }
  return { name, count: Number(count), properties: [] };
}

function addProperty(element: Element | undefined, words: readonly string[]): void {
  const name = words.at(-1) as string;
  if (element === undefined || words.length < 3) throw badPly(`misplaced property "${name}"`);
  if (element.properties.some((property) => property.name === name)) {
    throw badPly(`property "${name}" is declared twice`);
  }
  element.properties.push({ name, type: words[1] === "list" ? "list" : parseScalar(words[1]) });
}

function parseScalar(word: string): Scalar {
  const type = SCALAR_ALIASES.get(word) ?? word;
  if (!isScalar(type)) throw badPly(`type "${word}" is unknown`);
  return type;
}

function isScalar(word: string): word is Scalar {
  return Object.hasOwn(SCALARS, word);
}

function binaryTable(bytes: Uint8Array, header: Header, needed: readonly Element[]): PlyTable {
  const littleEndian = header.format === "binary_little_endian";
  const vertex = needed.at(-1) as Element;
  const stride = rowBytes(vertex);
  // Checked before anything is allocated: a count is only believed when the bytes are there.
  const start = requireBinaryBytes(header, needed, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    ...columnsOf(vertex),
    copy(name, target, offset, step) {
      const index = vertex.properties.findIndex((property) => property.name === name);
      const { read } = SCALARS[vertex.properties[index].type as Scalar];
      let at = start + rowBytes({ properties: vertex.properties.slice(0, index) });
      for (let i = 0; i < vertex.count; i++, at += stride) {
        target[offset + i * step] = read(view, at, littleEndian);
      }
    },
  };
}

function asciiTable(bytes: Uint8Array, header: Header, needed: readonly Element[]): PlyTable {
  const vertex = needed.at(-1) as Element;
  const width = vertex.properties.length;
  const skipped = requireAsciiBytes(header, needed, bytes.length);
  const total = vertex.count * width;
  const values = new Float64Array(total);
  const numbers = asciiNumbers(bytes, header.dataOffset);
  for (let i = -skipped; i < total; i++) {
    const next = numbers.next();
    if (next.done === true) throw truncated(vertex);
    if (i >= 0) values[i] = next.value;
  }
  return {
    ...columnsOf(vertex),
    copy(name, target, offset, step) {
      const column = vertex.properties.findIndex((property) => property.name === name);
      for (let i = 0; i < vertex.count; i++) target[offset + i * step] = values[i * width + column];
    },
  };
}

/** Throws unless a file is long enough for the last of the elements. @returns where that begins, bytes. */
function requireBinaryBytes(header: Header, needed: readonly Element[], fileBytes: number): number {
  const vertex = needed.at(-1) as Element;
  const before = needed.slice(0, -1).reduce((sum, element) => sum + element.count * rowBytes(element), 0);
  const start = header.dataOffset + before;
  if (start + vertex.count * rowBytes(vertex) > fileBytes) throw truncated(vertex);
  return start;
}

/** As `requireBinaryBytes`. @returns how many values come before the last element. */
function requireAsciiBytes(header: Header, needed: readonly Element[], fileBytes: number): number {
  const vertex = needed.at(-1) as Element;
  const values = (elements: readonly Element[]): number =>
    elements.reduce((sum, { count, properties }) => sum + count * properties.length, 0);
  // A value takes a digit and a separator.
  if (values(needed) * 2 > fileBytes - header.dataOffset + 1) throw truncated(vertex);
  return values(needed.slice(0, -1));
}

function* asciiNumbers(bytes: Uint8Array, start: number): Generator<number> {
  const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);
  let at = start;
  for (;;) {
    while (at < bytes.length && isSpace(bytes[at])) at++;
    if (at === bytes.length) return;
    const from = at;
    while (at < bytes.length && !isSpace(bytes[at])) at++;
    yield parseNumber(String.fromCharCode(...bytes.subarray(from, Math.min(at, from + 64))));
  }
}

function parseNumber(word: string): number {
  const value = Number(word);
  // C's printf writes nan and inf, which Number() does not know; both mean "not usable" here.
  if (Number.isNaN(value) && !/^[-+]?(nan|inf|infinity)$/i.test(word))
    throw badPly(`"${word}" is not a number`);
  return value;
}

function columnsOf(vertex: Element): Pick<PlyTable, "count" | "names" | "typeOf"> {
  const types = new Map(vertex.properties.map(({ name, type }) => [name, type as Scalar]));
  return { count: vertex.count, names: [...types.keys()], typeOf: (name) => types.get(name) };
}

function rowBytes({ properties }: Pick<Element, "properties">): number {
  return properties.reduce((sum, { type }) => sum + SCALARS[type as Scalar].sizeBytes, 0);
}

function truncated({ name, count }: Element): SplatError {
  const rows = name === "vertex" ? "vertices" : `rows of "${name}"`;
  return badPly(`it is cut short: its header promises ${count} ${rows}, and the bytes end before them`);
}
