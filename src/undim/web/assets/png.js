// A PNG written by hand (W3C PNG, third edition): the browser's own writer loses metadata and,
// where a picture is transparent, colour.

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** CRC-32 as PNG and zip use it. */
export function crc32(...parts) {
  let crc = 0xffffffff;
  for (const bytes of parts) {
    for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

export const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** The bytes of one chunk. */
export function chunk(type, data) {
  const out = new Uint8Array(data.length + 12), view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(new TextEncoder().encode(type), 4);
  out.set(data, 8);
  view.setUint32(data.length + 8, crc32(out.subarray(4, data.length + 8)));
  return out;
}

/** A Blob of RGBA samples; `carried` are whole chunks that go between header and pixels. */
export async function encodePng({ data, width, height }, carried = []) {
  const opaque = data.every((value, i) => i % 4 !== 3 || value === 255);
  const header = new Uint8Array(13), view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, opaque ? 2 : 6], 8);
  const pixels = new Blob([paethRows(data, width, height, opaque ? 3 : 4)]);
  const deflated = pixels.stream().pipeThrough(new CompressionStream("deflate"));
  const body = new Uint8Array(await new Response(deflated).arrayBuffer());
  const chunks = [chunk("IHDR", header), ...carried, chunk("IDAT", body)];
  return new Blob([SIGNATURE, ...chunks, chunk("IEND", new Uint8Array())], { type: "image/png" });
}

/**
 * Every row behind its filter byte 4: each sample less the neighbour (left, above, corner) nearest
 * to their plane.
 */
function paethRows(data, width, height, channels) {
  const out = new Uint8Array((width * channels + 1) * height);
  for (let y = 0, at = 0; y < height; y++) {
    out[at++] = 4;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        const i = 4 * (y * width + x) + c;
        const a = x ? data[i - 4] : 0, b = y ? data[i - 4 * width] : 0;
        const d = x && y ? data[i - 4 * width - 4] : 0;
        const pa = Math.abs(b - d), pb = Math.abs(a - d), pd = Math.abs(a + b - 2 * d);
        out[at++] = data[i] - (pa <= pb && pa <= pd ? a : pb <= pd ? b : d);
      }
    }
  }
  return out;
}
