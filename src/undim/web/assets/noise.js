// How strong the filter before the curve has to be, as undim.enhancer and undim.denoise find it.

import { curveWalker } from "./curves.js";
import { thumbnail } from "./thumbnail.js";

/** The filter's eps at the amount 1 of the slider. */
export const FULL_EPS = 4e-4;

const PATCH = 18, GRID = 16; // pixels of a square patch; patches along each axis, at most
const QUANTISATION = 1 / 12 / 255 ** 2;

/** The eps of denoise.js, 0 for none; `denoise` is "auto" or an amount from 0 to 1. */
export function filterEps(picture, curves, strength, denoise) {
  if (denoise !== "auto") return FULL_EPS * denoise;
  const eps = 0.08 * noise(picture) * (1 - 1 / gain(picture, curves, strength) ** 2);
  return eps > QUANTISATION ? eps : 0;
}

/** How many times brighter the curve makes the thumbnail that it was estimated on, at least 1. */
function gain(picture, curves, strength) {
  const { planes, height, width } = thumbnail(picture, Math.max(curves.height, curves.width)), size = height * width;
  const x = new Float32Array(planes.length);
  for (let i = 0; i < size; i++) for (let c = 0; c < 3; c++) x[3 * i + c] = planes[c * size + i];
  const before = mean(x);
  curveWalker(curves, strength, width, height)(x, 0);
  return Math.max(1, mean(x) / Math.max(before, 1e-6));
}

/** Standard deviation of the noise in [0, 1]: Immerkaer's operator over a grid of patches, the tenth percentile. */
function noise({ data, width, height }) {
  const found = [];
  for (const top of corners(height)) {
    for (const left of corners(width)) {
      for (let c = 0; c < 3; c++) {
        const at = (y, x) => data[4 * ((top + y) * width + left + x) + c];
        const row = (y, x) => at(y, x) - 2 * at(y, x + 1) + at(y, x + 2);
        let rest = 0, level = 0;
        for (let y = 0; y < PATCH; y++) for (let x = 0; x < PATCH; x++) level += at(y, x);
        for (let y = 0; y < PATCH - 2; y++) {
          for (let x = 0; x < PATCH - 2; x++) rest += Math.abs(row(y, x) - 2 * row(y + 1, x) + row(y + 2, x));
        }
        level /= 255 * PATCH ** 2;
        if (level > 0.004 && level < 0.98) found.push((Math.sqrt(Math.PI / 2) / 6) * (rest / 255 / (PATCH - 2) ** 2));
      }
    }
  }
  return found.length ? quantile(Float64Array.from(found).sort(), 0.1) : 0;
}

function corners(size) {
  const count = Math.min(GRID, Math.floor(size / PATCH));
  return Array.from({ length: count }, (_, i) => Math.floor((i * (size - PATCH)) / Math.max(count - 1, 1)));
}

function quantile(sorted, q) {
  const position = q * (sorted.length - 1), lower = Math.floor(position), upper = Math.ceil(position);
  return sorted[lower] + (sorted[upper] - sorted[lower]) * (position - lower);
}

function mean(x) {
  return x.reduce((sum, value) => sum + value, 0) / x.length;
}
