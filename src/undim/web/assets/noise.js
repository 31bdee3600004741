// How strong the filter before the curve has to be, as undim.enhancer and undim.denoise find it.

import { curveWalker } from "./curves.js";
import { thumbnail } from "./thumbnail.js";

/** The filter's eps at the amount 1 of the slider. */
export const FULL_EPS = 4e-4;

const PATCH = 18, GRID = 16; // pixels of a square patch; patches along each axis, at most
const WINDOW = 5, STRIDE = 4; // pixels of a square window in a patch, and from one to the next
const QUANTISATION = 1 / 12 / 255 ** 2;

/** The eps of denoise.js, 0 for none; `denoise` is "auto" or an amount from 0 to 1. */
export function filterEps(picture, curves, strength, denoise) {
  if (denoise !== "auto") return FULL_EPS * denoise;
  const eps = 0.032 * noise(picture) * (1 - 1 / gain(picture, curves, strength) ** 2);
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

/** Standard deviation of the noise in [0, 1]: what a plane leaves of the flattest windows that are bright enough. */
function noise({ data, width, height }) {
  const windows = [];
  for (const top of corners(height)) {
    for (const left of corners(width)) {
      for (let y = top; y <= top + PATCH - WINDOW; y += STRIDE) {
        for (let x = left; x <= left + PATCH - WINDOW; x += STRIDE) {
          for (let c = 0; c < 3; c++) windows.push(aroundPlane(data, 4 * (y * width + x) + c, 4 * width));
        }
      }
    }
  }
  if (!windows.length) return 0;
  const bright = Math.min(0.04, quantile(windows.map(({ mean }) => mean), 0.8));
  const usable = windows.filter(({ mean }) => mean >= bright && mean > 0.004 && mean < 0.98);
  return usable.length ? Math.sqrt(quantile(usable.map(({ variance }) => variance), 0.1) / 0.56) : 0;
}

/** A window's mean, and its variance around the plane that fits it; `row` is the step from one row to the next. */
function aroundPlane(data, at, row) {
  let sum = 0, squares = 0, down = 0, across = 0;
  for (let y = 0; y < WINDOW; y++) {
    for (let x = 0; x < WINDOW; x++) {
      const value = data[at + y * row + 4 * x] / 255;
      sum += value;
      squares += value * value;
      down += value * (y - 2);
      across += value * (x - 2);
    }
  }
  const n = WINDOW ** 2, mean = sum / n;
  return { mean, variance: Math.max(squares / n - mean ** 2 - ((down / n) ** 2 + (across / n) ** 2) / 2, 0) };
}

function corners(size) {
  const count = Math.min(GRID, Math.floor(size / PATCH));
  return Array.from({ length: count }, (_, i) => Math.floor((i * (size - PATCH)) / Math.max(count - 1, 1)));
}

function quantile(values, q) {
  const sorted = Float64Array.from(values).sort();
  const position = q * (sorted.length - 1), lower = Math.floor(position), upper = Math.ceil(position);
  return sorted[lower] + (sorted[upper] - sorted[lower]) * (position - lower);
}

function mean(x) {
  return x.reduce((sum, value) => sum + value, 0) / x.length;
}
