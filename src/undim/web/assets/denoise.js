// The self-guided filter of undim.pixels.filter (He, Sun and Tang, TPAMI 2013), each channel alone:
//     a = var / (var + eps),  b = mean (1 - a),  out = box(a) x + box(b)
// over windows of (2 radius + 1)^2 pixels, the picture mirrored at its borders. The channels are
// the colour difference R - Y, the brightness Y = (R + G + B) / 3 and the colour difference B - Y.

// Times eps, as undim.pixels.filter has it: in colour, noise shows more and detail less.
const SHARE = [2, 0.5, 2];

/** Rows top to bottom of an RGBA picture, filtered: Float32Array (rows, width, 3) in [0, 1]. */
export function filterRows({ data, width, height }, top, bottom, eps, radius = 2) {
  const halo = 2 * radius, rows = bottom - top + 2 * halo, columns = width + 2 * halo;
  const across = Array.from({ length: columns }, (_, i) => mirror(i - halo, width));
  const x = new Float64Array(rows * columns), squares = new Float64Array(rows * columns);
  const out = new Float32Array((bottom - top) * width * 3);
  for (let c = 0; c < 3; c++) {
    for (let row = 0, at = 0; row < rows; row++) {
      const line = mirror(top - halo + row, height) * width;
      for (let i = 0; i < columns; i++, at++) {
        const pixel = 4 * (line + across[i]);
        const y = (data[pixel] + data[pixel + 1] + data[pixel + 2]) / 3;
        x[at] = (c === 1 ? y : data[pixel + c] - y) / 255;
        squares[at] = x[at] * x[at];
      }
    }
    const a = box(squares, rows, columns, radius), b = box(x, rows, columns, radius);
    for (let i = 0; i < a.length; i++) {
      const mean = b[i], variance = Math.max(a[i] - mean * mean, 0);
      a[i] = variance / (variance + SHARE[c] * eps);
      b[i] = mean * (1 - a[i]);
    }
    const [slope, offset] = [a, b].map((part) => box(part, rows - halo, columns - halo, radius));
    for (let i = 0; i < slope.length; i++) {
      const inner = x[(Math.floor(i / width) + halo) * columns + (i % width) + halo];
      out[3 * i + c] = slope[i] * inner + offset[i];
    }
  }
  for (let at = 0; at < out.length; at += 3) {
    const red = out[at], y = out[at + 1], blue = out[at + 2];
    out[at] = clip(y + red);
    out[at + 1] = clip(y - red - blue);
    out[at + 2] = clip(y + blue);
  }
  return out;
}

function clip(x) {
  return Math.min(Math.max(x, 0), 1);
}

/** Folds an index outside of [0, size) back into it: ... 1 0 | 0 1 2 ... size-1 | size-1 ... */
function mirror(index, size) {
  const folded = ((index % (2 * size)) + 2 * size) % (2 * size);
  return Math.min(folded, 2 * size - 1 - folded);
}

/** Means over windows that lie inside; rows and columns shrink by 2 radius. */
function box(x, rows, columns, radius) {
  const window = 2 * radius + 1, outRows = rows - 2 * radius, outColumns = columns - 2 * radius;
  const down = new Float64Array(outRows * columns);
  for (let i = 0; i < columns; i++) {
    let sum = 0;
    for (let row = 0; row < window - 1; row++) sum += x[row * columns + i];
    for (let row = 0; row < outRows; row++) {
      sum += x[(row + window - 1) * columns + i];
      down[row * columns + i] = sum / window;
      sum -= x[row * columns + i];
    }
  }
  const out = new Float64Array(outRows * outColumns);
  for (let row = 0; row < outRows; row++) {
    const line = row * columns;
    let sum = 0;
    for (let i = 0; i < window - 1; i++) sum += down[line + i];
    for (let i = 0; i < outColumns; i++) {
      sum += down[line + i + window - 1];
      out[row * outColumns + i] = sum / window;
      sum -= down[line + i];
    }
  }
  return out;
}
