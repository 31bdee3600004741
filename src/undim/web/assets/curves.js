// The light-enhancement curve x + a x (1 - x), walked n times, as undim.curves has it: maps interpolated bilinearly
// (half-pixel centres, edges clamped), strength times the maps clipped to [-1, 1], rounding to nearest, and a sample
// below the maximum stays below it.
//
// Curves: { data: Float32Array, channels, height, width, iterations }; channels is 3 n, n, 3 or 1.

/** How many different steps the maps hold: n, or 1 that all steps share. */
export function stepCount({ channels, iterations }) {
  return channels === 1 || channels === 3 ? 1 : iterations;
}

/** The map of step k for colour channel c. */
export function planeOf({ channels, iterations }, k, c) {
  if (channels === 1) return 0;
  if (channels === 3) return c;
  return channels === iterations ? k : 3 * k + c;
}

/** Lower index, upper index and the upper's weight for each of `target` cells among `source` ones. */
function sourcePositions(source, target) {
  const lower = new Int32Array(target), upper = new Int32Array(target), weight = new Float32Array(target);
  for (let i = 0; i < target; i++) {
    const position = Math.min(Math.max((i + 0.5) * (source / target) - 0.5, 0), source - 1);
    lower[i] = Math.floor(position);
    upper[i] = Math.min(lower[i] + 1, source - 1);
    weight[i] = position - lower[i];
  }
  return { lower, upper, weight };
}

/** A function that walks the curve over rows of a picture: walk(x, top), x Float32Array (rows, width, 3) in [0, 1]. */
export function curveWalker(curves, strength, width, height) {
  const { data, iterations } = curves, [w, h] = [curves.width, curves.height];
  const maps = data.map((a) => Math.min(Math.max(a * strength, -1), 1));
  const rows = sourcePositions(h, height), columns = sourcePositions(w, width);
  const steps = stepCount(curves);
  const line = new Float32Array(steps * 3 * w);

  function interpolateLine(y) {
    const f = rows.weight[y];
    for (let k = 0; k < steps; k++) {
      for (let c = 0; c < 3; c++) {
        const plane = planeOf(curves, k, c) * h;
        const upper = (plane + rows.lower[y]) * w, lower = (plane + rows.upper[y]) * w, out = (k * 3 + c) * w;
        for (let j = 0; j < w; j++) line[out + j] = maps[upper + j] * (1 - f) + maps[lower + j] * f;
      }
    }
  }

  return (x, top) => {
    for (let row = 0, at = 0; at < x.length; row++) {
      interpolateLine(top + row);
      for (let i = 0; i < width; i++) {
        const left = columns.lower[i], right = columns.upper[i], f = columns.weight[i];
        for (let c = 0; c < 3; c++, at++) {
          let v = x[at], a = 0;
          for (let k = 0; k < iterations; k++) {
            if (k < steps) {
              const map = (k * 3 + c) * w;
              a = line[map + left] * (1 - f) + line[map + right] * f;
            }
            v += a * v * (1 - v);
          }
          x[at] = v;
        }
      }
    }
  };
}
