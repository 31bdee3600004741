// The thumbnail that curve maps are estimated on, sample for sample that of undim.enhancer.

/**
 * An RGBA picture averaged over boxes down to `longSide` (never enlarged): float32 planes (3, h, w)
 * in [0, 1].
 */
export function thumbnail({ data, width, height }, longSide) {
  const scale = Math.min(1, longSide / Math.max(height, width));
  const [h, w] = [height, width].map((size) => Math.max(1, roundHalfEven(size * scale)));
  const down = edges(height, h), across = edges(width, w);
  const planes = new Float32Array(3 * h * w), sums = new Uint32Array(3 * w);
  for (let i = 0; i < h; i++) {
    sums.fill(0);
    for (let y = down[i]; y < down[i + 1]; y++) {
      for (let j = 0; j < w; j++) {
        const end = 4 * (y * width + across[j + 1]);
        for (let at = 4 * (y * width + across[j]); at < end; at += 4) {
          for (let c = 0; c < 3; c++) sums[3 * j + c] += data[at + c];
        }
      }
    }
    for (let j = 0; j < w; j++) {
      const whole = (down[i + 1] - down[i]) * (across[j + 1] - across[j]) * 255;
      for (let c = 0; c < 3; c++) {
        planes[(c * h + i) * w + j] = sums[3 * j + c] / Math.fround(whole);
      }
    }
  }
  return { planes, height: h, width: w };
}

function edges(size, count) {
  return Array.from({ length: count + 1 }, (_, i) => Math.floor((i * size) / count));
}

/** Python's round(). */
function roundHalfEven(x) {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
