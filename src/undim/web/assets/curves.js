// The light-enhancement curve x + a x (1 - x), n times, as undim.pixels.curve has it: maps
// interpolated bilinearly (half-pixel centres, edges clamped), strength times the maps clipped to
// [-1, 1]. Of maps at levels of brightness, level z at (z / (Z - 1))^2, a pixel takes what lies at
// its guide, the largest of its channels before the curve, linear from level to level.
//
// Curves: { data: Float32Array, channels, levels, height, width, iterations, longSide }; channels
// is 3 n, n, 3 or 1, and 1 where there are several levels; longSide is that of the thumbnail that
// the maps were estimated on, in pixels.

/** Curves of a model's answer: maps (C, h, w), or (1, Z, h, w) at Z levels of brightness. */
export function curvesOf(data, shape, iterations, longSide) {
  const [height, width] = shape.slice(-2), levels = shape.length === 4 ? shape[1] : 1;
  return { data, channels: shape[0], levels, height, width, iterations, longSide };
}

/** How many different steps the maps hold: n, or 1 that all steps share. */
export function stepCount({ channels, iterations }) {
  return channels === 1 || channels === 3 ? 1 : iterations;
}

/** The map of step k for colour channel c; where there are several levels, the lowest one's. */
export function planeOf({ channels, iterations }, k, c) {
  if (channels === 1) return 0;
  if (channels === 3) return c;
  return channels === iterations ? k : 3 * k + c;
}

/** Lower index, upper index and the upper's weight for each of `target` cells among `source`. */
function sourcePositions(source, target) {
  const lower = new Int32Array(target), upper = new Int32Array(target);
  const weight = new Float32Array(target);
  for (let i = 0; i < target; i++) {
    const position = Math.min(Math.max((i + 0.5) * (source / target) - 0.5, 0), source - 1);
    lower[i] = Math.floor(position);
    upper[i] = Math.min(lower[i] + 1, source - 1);
    weight[i] = position - lower[i];
  }
  return { lower, upper, weight };
}

/**
 * A function that applies the curve to rows of a picture of that size: apply(x, top),
 * x Float32Array (rows, width, 3) in [0, 1].
 */
export function curve(curves, strength, width, height) {
  const { data, levels, iterations } = curves, [w, h] = [curves.width, curves.height];
  const maps = data.map((a) => Math.min(Math.max(a * strength, -1), 1));
  const rows = sourcePositions(h, height), columns = sourcePositions(w, width);
  const count = data.length / (w * h), length = 3 * iterations;
  const planes = Int32Array.from({ length }, (_, i) => planeOf(curves, Math.floor(i / 3), i % 3));
  const line = new Float32Array(count * w); // every map at the height of one row
  const a = new Float64Array(count); // every map at one pixel

  function interpolateLine(y) {
    const f = rows.weight[y];
    for (let map = 0; map < count; map++) {
      const upper = (map * h + rows.lower[y]) * w, lower = (map * h + rows.upper[y]) * w;
      const out = map * w;
      for (let j = 0; j < w; j++) line[out + j] = maps[upper + j] * (1 - f) + maps[lower + j] * f;
    }
  }

  function interpolatePixel(i) {
    const left = columns.lower[i], step = columns.upper[i] - left, f = columns.weight[i];
    for (let map = 0, j = left; map < count; map++, j += w) {
      a[map] = line[j] + f * (line[j + step] - line[j]);
    }
  }

  function sliced(guide) {
    const z = Math.min(Math.floor(Math.sqrt(guide) * (levels - 1)), levels - 2);
    const f = (guide * (levels - 1) ** 2 - z ** 2) / (2 * z + 1); // between the two levels
    return a[z] * (1 - f) + a[z + 1] * f;
  }

  return (x, top) => {
    for (let row = 0, pixel = 0; pixel < x.length; row++) {
      interpolateLine(top + row);
      for (let i = 0; i < width; i++, pixel += 3) {
        interpolatePixel(i);
        if (levels > 1) a[0] = sliced(Math.max(x[pixel], x[pixel + 1], x[pixel + 2]));
        for (let c = 0; c < 3; c++) {
          let v = x[pixel + c];
          for (let j = c; j < length; j += 3) v += a[planes[j]] * v * (1 - v);
          x[pixel + c] = v;
        }
      }
    }
  };
}
