// A zip file without compression (pictures are compressed already): APPNOTE 6.3, no zip64, so under
// 4 GB.

import { crc32 } from "./png.js";

const UTF8_NAMES = 0x0800;

/** A Blob from [{ name, bytes }]; a name that comes twice gets a number. */
export function zip(files) {
  const now = new Date(), parts = [], directory = [], names = new Set();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  let offset = 0;
  for (const { name, bytes } of files) {
    const path = new TextEncoder().encode(unique(name, names));
    const common = [[2, 20], [2, UTF8_NAMES], [2, 0], [2, time], [2, date], [4, crc32(bytes)],
                    [4, bytes.length], [4, bytes.length], [2, path.length], [2, 0]];
    const local = record(0x04034b50, common);
    const entry = [[2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]];
    directory.push(record(0x02014b50, entry), path);
    parts.push(local, path, bytes);
    offset += local.length + path.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0), count = directory.length / 2;
  const counts = [[2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]];
  const end = record(0x06054b50, counts);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** Little-endian numbers behind their signature: [[bytes, value], ...]. */
function record(signature, fields) {
  const all = [[4, signature], ...fields];
  const bytes = all.flatMap(([size, value]) =>
    Array.from({ length: size }, (_, i) => value >>> (8 * i)));
  return Uint8Array.from(bytes);
}

function unique(name, taken) {
  const dot = name.lastIndexOf(".");
  let candidate = name;
  for (let n = 2; taken.has(candidate); n++) {
    candidate = `${name.slice(0, dot)}-${n}${name.slice(dot)}`;
  }
  taken.add(candidate);
  return candidate;
}
