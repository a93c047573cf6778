/** gzip through the web's own streams, which Node, workers and browsers share. */

/** Bytes handed to the decompressor at a time: bounds what it may unpack before anybody looks. */
const PIECE = 64 * 1024;

/** Compress what `slices` yields, pulled as it is wanted. */
export function gzip(slices: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  return through(slices, new CompressionStream("gzip"));
}

/** Unpack `bytes`, pulled as it is wanted; stop reading to stop unpacking. Throws what the platform does for damaged data. */
export function gunzip(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  return through(pieces(bytes), new DecompressionStream("gzip"));
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}

async function* through(
  slices: Iterable<Uint8Array>,
  transform: CompressionStream | DecompressionStream,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = slices[Symbol.iterator]();
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { value, done } = iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
  const reader = source.pipeThrough(transform).getReader() as ReadableStreamDefaultReader<Uint8Array>;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
