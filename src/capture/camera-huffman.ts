/**
 * The tables that many cameras leave out of their Motion-JPEG: those of ITU-T T.81 annex K.3, which every decoder of
 * such streams is to know by heart (OpenDML AVI extensions, "AVI1") and readers of JPEG files need not.
 */

const DC_BITS = "00010501010101010100000000000000";
const DC_CHROMA_BITS = "00030101010101010101010000000000";
const DC_VALUES = "000102030405060708090a0b";
const AC_BITS = "0002010303020403050504040000017d";
const AC_VALUES =
  "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a34353637" +
  "38393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3" +
  "a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa";
const AC_CHROMA_BITS = "00020102040403040705040400010277";
const AC_CHROMA_VALUES =
  "0001020311040521310612415107617113223281081442" +
  "91a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465" +
  "666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6" +
  "c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa";

/** The DHT segment that defines all four. */
const SEGMENT = Buffer.from(
  [
    "ffc401a2",
    `00${DC_BITS}${DC_VALUES}`,
    `10${AC_BITS}${AC_VALUES}`,
    `01${DC_CHROMA_BITS}${DC_VALUES}`,
    `11${AC_CHROMA_BITS}${AC_CHROMA_VALUES}`,
  ].join(""),
  "hex",
);

/** A picture with the usual tables put before its first scan, at `scanAt`. */
export function withHuffmanTables(jpeg: Uint8Array, scanAt: number): Uint8Array {
  return Buffer.concat([jpeg.subarray(0, scanAt), SEGMENT, jpeg.subarray(scanAt)]);
}
