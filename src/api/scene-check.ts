/** What can be said of a scene's bytes while they pass, without keeping them: that they hold as many Gaussians as promised. */
import { once } from "node:events";
import { finished } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { SplatError } from "../errors.ts";

export type SplatFormat = "ply" | "splat" | "spz";

/** Fed with every piece in order, then ended; either throws `internal` when the bytes are not what was promised. */
export interface SceneCheck {
  take(piece: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

/** A check that a file of `format` holds `count` Gaussians. */
export function sceneCheck(format: SplatFormat, count: number): SceneCheck {
  if (format === "splat") return splatCheck(count);
  return format === "ply" ? plyCheck(count) : spzCheck(count);
}

/** Headers are a few hundred bytes; a PLY's that has not ended here is none, and no SPZ's extensions take so much. */
const HEADER_BYTES = 16 * 1024;

/** By the count in the header. */
function plyCheck(count: number): SceneCheck {
  let header: Uint8Array | null = new Uint8Array();
  const look = (bytes: Uint8Array): void => {
    const text = Buffer.from(bytes).toString("latin1");
    const vertices = /^ply\r?\n[^]*^element vertex (\d+)\r?$[^]*^end_header\r?$/m.exec(text)?.[1];
    if (vertices === undefined) throw mismatch(count, "it is no PLY");
    if (Number(vertices) !== count) throw mismatch(count, `its PLY holds ${vertices}`);
    header = null;
  };
  return {
    async take(piece) {
      if (header === null) return;
      header = joined(header, piece);
      const ends = /^end_header\r?$/m.test(Buffer.from(header).toString("latin1"));
      if (ends || header.length >= HEADER_BYTES) look(header);
    },
    async end() {
      if (header !== null) look(header);
    },
  };
}

/** By the length: 32 bytes each, and no header. */
function splatCheck(count: number): SceneCheck {
  let length = 0;
  return {
    async take(piece) {
      length += piece.length;
    },
    async end() {
      if (length !== count * 32) throw mismatch(count, `its .splat holds ${length / 32}`);
    },
  };
}

/** Version 4 is not gzipped and begins in plain sight. */
function spzCheck(count: number): SceneCheck {
  let check: SceneCheck | null = null;
  return {
    async take(piece) {
      if (piece.length === 0) return;
      check ??= piece[0] === 0x1f ? gzippedSpzCheck(count) : streamsSpzCheck(count);
      await check.take(piece);
    },
    async end() {
      if (check === null) throw mismatch(count, "nothing came");
      await check.end();
    },
  };
}

/** Versions 2 and 3: unpacked as it passes, so gzip's own checksum counts too, and measured. */
function gzippedSpzCheck(count: number): SceneCheck {
  const gunzip = createGunzip();
  let header: Uint8Array = new Uint8Array();
  let length = 0;
  gunzip.on("data", (bytes: Buffer) => {
    if (header.length < 16) header = joined(header, bytes);
    length += bytes.length;
  });
  let failure: unknown = null;
  gunzip.on("error", (error) => (failure = error));
  const damaged = (): SplatError => mismatch(count, "its SPZ is damaged");
  return {
    async take(piece) {
      if (failure !== null) throw damaged();
      if (!gunzip.write(piece)) await once(gunzip, "drain").catch(() => undefined);
    },
    async end() {
      gunzip.end();
      await finished(gunzip).catch((error: unknown) => (failure = error));
      if (failure !== null || length < 16) throw damaged();
      const { version, promised, degree } = spzHeader(header, count);
      const bytesEach = (version < 3 ? 19 : 20) + 3 * ((degree + 1) ** 2 - 1);
      if (length < 16 + promised * bytesEach) throw mismatch(count, "its SPZ ends before them");
    },
  };
}

/** Version 4: the table of its streams says how long it is. */
function streamsSpzCheck(count: number): SceneCheck {
  let header: Uint8Array = new Uint8Array();
  let length = 0;
  return {
    async take(piece) {
      if (header.length < HEADER_BYTES) header = joined(header, piece.subarray(0, HEADER_BYTES));
      length += piece.length;
    },
    async end() {
      if (header.length < 32) throw mismatch(count, "it is no SPZ");
      spzHeader(header, count);
      const view = new DataView(header.buffer, header.byteOffset, header.length);
      let at = view.getUint32(16, true);
      const tableEnd = at + view.getUint8(15) * 16;
      if (tableEnd > header.length) throw mismatch(count, "its SPZ is damaged");
      let promised = tableEnd;
      for (; at < tableEnd; at += 16) promised += Number(view.getBigUint64(at, true));
      if (length !== promised) throw mismatch(count, "its SPZ is not as long as it says");
    },
  };
}

function spzHeader(header: Uint8Array, count: number): { version: number; promised: number; degree: number } {
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  if (view.getUint32(0, true) !== 0x5053474e) throw mismatch(count, "it is no SPZ");
  const promised = view.getUint32(8, true);
  if (promised !== count) throw mismatch(count, `its SPZ holds ${promised}`);
  return { version: view.getUint32(4, true), promised, degree: view.getUint8(12) };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([a, b]));
}

function mismatch(count: number, held: string): SplatError {
  return new SplatError("internal", `the backend announced ${count} Gaussians, but ${held}`, {
    hint: "Try again; if it happens twice, the backend has a bug.",
  });
}
