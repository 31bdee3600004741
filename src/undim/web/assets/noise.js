// How strong the filter before the curve has to be, as undim.enhancer and undim.pixels.noise find
// it.

import { curve } from "./curves.js";
import { thumbnail } from "./thumbnail.js";

/** The filter's eps at the amount 1 of the slider. */
export const FULL_EPS = 4e-4;

const PATCH = 18, GRID = 16; // pixels of a square patch; patches along each axis, at most
const WINDOW = 5, STRIDE = 4; // pixels of a square window in a patch, and from one to the next
const QUANTISATION = 1 / 12 / 255 ** 2;

/** The eps of denoise.js, 0 for none; `denoise` is "auto" or an amount from 0 to 1. */
export function filterEps(picture, curves, strength, denoise) {
  if (denoise !== "auto") return FULL_EPS * denoise;
  const { planes, height, width } = thumbnail(picture, curves.longSide), size = height * width;
  const dark = planes.map((_, i) => planes[(i % 3) * size + Math.floor(i / 3)]);
  const bright = dark.slice();
  curve(curves, strength, width, height)(bright, 0);
  const eps = 0.032 * noise(picture) * noiseAdded(dark, bright);
  return eps > QUANTISATION ? eps : 0;
}

/** The share of the noise's variance that a curve added, of pixels (n, 3) before and after it. */
export function noiseAdded(dark, bright) {
  let added = 0, lifted = 0;
  for (let i = 0; i < dark.length; i += 3) {
    const x = (dark[i] + dark[i + 1] + dark[i + 2]) / 3;
    const y = (bright[i] + bright[i + 1] + bright[i + 2]) / 3;
    const lift = Math.max(y - x, 0), gain = Math.max(y / Math.max(x, 1 / 255), 1);
    added += lift * (1 - 1 / gain ** 2);
    lifted += lift;
  }
  return lifted && added / lifted;
}

/**
 * Standard deviation of the noise in [0, 1]: what a plane leaves of the flattest windows that are
 * bright enough.
 */
function noise({ data, width, height }) {
  const windows = [];
  for (const top of corners(height)) {
    for (const left of corners(width)) {
      for (let y = top; y <= top + PATCH - WINDOW; y += STRIDE) {
        for (let x = left; x <= left + PATCH - WINDOW; x += STRIDE) {
          const corner = 4 * (y * width + x);
          for (let c = 0; c < 3; c++) windows.push(aroundPlane(data, corner + c, 4 * width));
        }
      }
    }
  }
  if (!windows.length) return 0;
  const bright = Math.min(0.04, quantile(windows.map(({ mean }) => mean), 0.8));
  const usable = windows.filter(({ mean }) => mean >= bright && mean > 0.004 && mean < 0.98);
  if (!usable.length) return 0;
  return Math.sqrt(quantile(usable.map(({ variance }) => variance), 0.1) / 0.56);
}

/**
 * A window's mean, and its variance around the plane that fits it; `row` is the step from one row
 * to the next.
 */
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
  const n = WINDOW ** 2, mean = sum / n, slopes = (down / n) ** 2 + (across / n) ** 2;
  return { mean, variance: Math.max(squares / n - mean ** 2 - slopes / 2, 0) };
}

function corners(size) {
  const count = Math.min(GRID, Math.floor(size / PATCH)), gaps = Math.max(count - 1, 1);
  return Array.from({ length: count }, (_, i) => Math.floor((i * (size - PATCH)) / gaps));
}

function quantile(values, q) {
  const sorted = Float64Array.from(values).sort(), position = q * (sorted.length - 1);
  const lower = Math.floor(position), upper = Math.ceil(position);
  return sorted[lower] + (sorted[upper] - sorted[lower]) * (position - lower);
}
