// The whole picture on the processor: filter, then curve, band by band so that memory stays
// bounded.

import { curve } from "./curves.js";
import { filterRows } from "./denoise.js";
import { FULL_EPS, filterEps } from "./noise.js";

const BAND_PIXELS = 1 << 18;

/**
 * Calls use(x, top) for band after band, x Float32Array (rows, width, 3): the picture, filtered if
 * eps > 0.
 */
function forBands(picture, eps, use) {
  const { data, width, height } = picture;
  const rows = Math.max(16, Math.ceil(BAND_PIXELS / width));
  for (let top = 0; top < height; top += rows) {
    const bottom = Math.min(top + rows, height);
    if (eps > 0) use(filterRows(picture, top, bottom, eps), top);
    else use(unit(data, top * width, bottom * width), top);
  }
}

function unit(data, start, end) {
  const x = new Float32Array(3 * (end - start));
  for (let i = start, at = 0; i < end; i++, at += 3) {
    for (let c = 0; c < 3; c++) x[at + c] = data[4 * i + c] / 255;
  }
  return x;
}

/**
 * A picture { data, width, height } of RGBA samples, enhanced: rounded to nearest, but a sample
 * below the maximum stays below it. Alpha is kept, strength 0 is the picture itself.
 */
export function enhance(picture, curves, strength, denoise) {
  const { data, width, height } = picture, out = new Uint8ClampedArray(data);
  if (strength === 0) return { ...picture, data: out };
  const apply = curve(curves, strength, width, height);
  forBands(picture, filterEps(picture, curves, strength, denoise), (x, top) => {
    apply(x, top);
    for (let at = 0, i = 4 * top * width; at < x.length; at += 3, i += 4) {
      for (let c = 0; c < 3; c++) {
        out[i + c] = Math.min(Math.floor(x[at + c] * 255 + 0.5), data[i + c] < 255 ? 254 : 255);
      }
    }
  });
  return { ...picture, data: out };
}

/**
 * What the curve gets to see, for the preview: the roots of the filtered samples, since it lifts
 * the darkest most, 10 bits per channel as WebGL's UNSIGNED_INT_2_10_10_10_REV, or null where
 * nothing is to be filtered; and the filter's amount.
 */
export function filter(picture, curves, strength, denoise) {
  const eps = filterEps(picture, curves, strength, denoise);
  const amount = Math.min(eps / FULL_EPS, 1);
  if (eps === 0) return { filtered: null, amount };
  const out = new Uint32Array(picture.width * picture.height);
  forBands(picture, eps, (x, top) => {
    for (let at = 0, i = top * picture.width; at < x.length; at += 3, i++) {
      const [r, g, b] = [0, 1, 2].map((c) => Math.round(Math.sqrt(x[at + c]) * 1023));
      out[i] = r | (g << 10) | (b << 20) | (3 << 30);
    }
  });
  return { filtered: out, amount };
}
