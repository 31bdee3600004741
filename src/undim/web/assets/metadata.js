// What a photograph file carries besides its pixels, moved into the file that the browser wrote:
// EXIF, ICC profile, XMP, IPTC, resolution. Browsers turn JPEG and PNG pictures upright, so there
// the orientation becomes 1 and the dark thumbnail in EXIF goes; they do not turn WebP pictures,
// whose EXIF is carried as it is. What the browser writes is RGB, so that a profile for grey or
// CMYK would be a wrong one.

import { SIGNATURE, chunk } from "./png.js";

const PNG_CARRIED = [
  "cICP", "iCCP", "sRGB", "gAMA", "cHRM", "eXIf", "iTXt", "tEXt", "zTXt", "pHYs", "tIME",
];

/** The format that a file's first bytes promise, as its usual suffix, or null. */
export function sniff(bytes) {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return "jpg";
  if (startsWith(bytes, SIGNATURE)) return "png";
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 12) === "WEBP") return "webp";
  if (ascii(bytes, 4, 8) === "ftyp" && /avi[fs]/.test(ascii(bytes, 8, 12))) return "avif";
  return startsWith(bytes, [0x42, 0x4d]) ? "bmp" : null;
}

/** The chunks of a PNG that its successor gets. */
export function pngCarried(original) {
  const carried = [];
  let grey = false;
  for (const { type, data } of pngChunks(original)) {
    if (type === "IHDR") grey = !(data[9] & 2); // colour types 0 and 4
    if (!PNG_CARRIED.includes(type) || (grey && type === "iCCP")) continue;
    carried.push(chunk(type, type === "eXIf" ? uprightExif(data) : data));
  }
  return carried;
}

/** A JPEG with the metadata segments of another; the resolution (APP0) is the other's too. */
export function jpegWithMetadata(encoded, original) {
  const segments = jpegSegments(original), isProfile = ({ marker, data }) =>
    marker === 0xe2 && ascii(data, 0, 11) === "ICC_PROFILE";
  const profile = segments.find(isProfile), rgb = profile && ascii(profile.data, 30, 34) === "RGB ";
  const carried = segments.filter(({ marker, data }) =>
    marker === 0xe0 || (marker === 0xe1 && /^(Exif|http:\/\/ns.adobe.com)/.test(ascii(data, 0, 20)))
    || (rgb && isProfile({ marker, data })) || marker === 0xed);
  const own = jpegSegments(encoded).filter(({ marker }) => marker >= 0xe0 && marker <= 0xef);
  const body = own.length ? own.at(-1).end : 2;
  const written = carried.flatMap(({ marker, data }) => {
    const upright = marker === 0xe1 ? uprightApp1(data) : data;
    return [Uint8Array.of(0xff, marker, (upright.length + 2) >> 8, upright.length + 2), upright];
  });
  const parts = [encoded.subarray(0, 2), ...written, encoded.subarray(body)];
  return new Blob(parts, { type: "image/jpeg" });
}

/** A WebP with the profile, EXIF and XMP of another (RIFF container, "extended file format"). */
export function webpWithMetadata(encoded, original, width, height) {
  const own = riffChunks(encoded).filter(({ type }) => ["VP8 ", "VP8L", "ALPH"].includes(type));
  const carried = new Map(riffChunks(original).map(({ type, data }) => [type, data]));
  const [icc, exif, xmp] = ["ICCP", "EXIF", "XMP "].map((type) =>
    carried.has(type) ? [{ type, data: carried.get(type) }] : []);
  const alpha = own.some(({ type, data }) =>
    type === "ALPH" || (type === "VP8L" && data[4] & 0x10));
  const flags = (icc.length << 5) | (alpha << 4) | (exif.length << 3) | (xmp.length << 2);
  const sizes = [width - 1, height - 1].flatMap((size) => [size, size >> 8, size >> 16]);
  const head = { type: "VP8X", data: Uint8Array.of(flags, 0, 0, 0, ...sizes) };
  const parts = [head, ...icc, ...own, ...exif, ...xmp].flatMap(({ type, data }) =>
    [riffHead(type, data.length), data, new Uint8Array(data.length % 2)]);
  const size = parts.reduce((sum, part) => sum + part.length, 4);
  return new Blob([riffHead("RIFF", size), "WEBP", ...parts], { type: "image/webp" });
}

function* pngChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 8; at + 12 <= bytes.length; at += view.getUint32(at) + 12) {
    const data = bytes.subarray(at + 8, at + 8 + view.getUint32(at));
    yield { type: ascii(bytes, at + 4, at + 8), data };
  }
}

/** The segments between the start and the scan of a JPEG: { marker, data, end }. */
function jpegSegments(bytes) {
  const segments = [];
  for (let at = 2; bytes[at] === 0xff && bytes[at + 1] !== 0xda && at + 4 <= bytes.length; ) {
    const end = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    segments.push({ marker: bytes[at + 1], data: bytes.subarray(at + 4, end), end });
    at = end;
  }
  return segments;
}

function riffChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset), chunks = [];
  for (let at = 12, length; at + 8 <= bytes.length; at += 8 + length + (length % 2)) {
    length = view.getUint32(at + 4, true);
    chunks.push({ type: ascii(bytes, at, at + 4), data: bytes.subarray(at + 8, at + 8 + length) });
  }
  return chunks;
}

function riffHead(type, length) {
  const head = new Uint8Array(8);
  head.set(new TextEncoder().encode(type));
  new DataView(head.buffer).setUint32(4, length, true);
  return head;
}

function uprightApp1(data) {
  if (ascii(data, 0, 4) !== "Exif") return uprightXmp(data);
  const out = data.slice();
  out.set(uprightExif(data.subarray(6)), 6);
  return out;
}

/**
 * An EXIF block (a TIFF structure) with orientation 1 and without its second directory, the
 * thumbnail.
 */
function uprightExif(data) {
  const out = data.slice(), view = new DataView(out.buffer), little = out[0] === 0x49;
  try {
    const ifd = view.getUint32(4, little), count = view.getUint16(ifd, little);
    for (let entry = ifd + 2; entry < ifd + 2 + 12 * count; entry += 12) {
      if (view.getUint16(entry, little) === 0x0112) view.setUint16(entry + 8, 1, little);
    }
    view.setUint32(ifd + 2 + 12 * count, 0, little);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a damaged block stays as it is
  }
  return out;
}

/** The packet with its orientation, if it names one, set to 1; the length stays. */
function uprightXmp(data) {
  const text = Array.from(data, (byte) => String.fromCharCode(byte)).join("");
  const upright = text.replace(/(tiff:Orientation\s*(?:=\s*["']|>)\s*)[1-8]/g, "$11");
  return Uint8Array.from(upright, (character) => character.charCodeAt(0));
}

function ascii(bytes, start, end) {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function startsWith(bytes, prefix) {
  return prefix.every((byte, i) => bytes[i] === byte);
}
