"""The kernel in NumPy: the same functions with the same arguments as the compiled
`undim.pixels._native`.

It is the oracle of the kernel's tests, and does the work, some thirty times slower, where there is
no compiler. The equations stand with the callers: `undim.pixels.curve`, `filter`, `boxes`, `yuv`,
`average`. `threads` counts for the kernel alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undim.pixels.jobs import Average, Curve, Filter, MotionLimits, Plane, Yuv
from undim.pixels.samples import (
    MAXIMUM,
    TOLERANCE,
    Float32,
    Image,
    from_unit,
    mirror,
    row_bands,
    spread,
    to_unit,
)

ROWS = 64  # of a frame that are worked on at a time


def enhance(image: Image, out: Image, curve: Curve, filter: Filter, threads: int) -> bool:
    """Filter, then apply the curve; False where a float sample of the image is out of range."""
    if image.dtype == np.float32:
        low, high = image.min(), image.max()
        if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
            return False
    for rows in row_bands(image.shape):
        x = _filtered(image, rows, filter) if filter.radius else to_unit(image[rows])
        bright = _curved(x, curve, rows, image.shape[0])
        out[rows] = from_unit(bright, image[rows])
    return True


def _curved(x: Float32, curve: Curve, rows: slice, height: int) -> Float32:
    """The n steps over some rows of an image of that height; x is (rows, W, 3) in [0, 1]."""
    if not curve.iterations:
        return x
    row0, row1, fy = _source_positions(curve.steps.shape[3], height)
    col0, col1, fx = _source_positions(curve.steps.shape[4], x.shape[1])
    fy = fy[rows, None, None]
    guide = x.max(axis=2)
    a = x
    for k in range(curve.iterations):
        if k < len(curve.steps):
            maps = np.moveaxis(curve.steps[k], (0, 1), (2, 3))  # (h, w, channels, levels)
            maps = maps.reshape(*maps.shape[:2], -1)
            a = maps[row0[rows]] * (1 - fy) + maps[row1[rows]] * fy
            a = a[:, col0] * (1 - fx[:, None]) + a[:, col1] * fx[:, None]
            a = _sliced(a, guide, curve.levels)
        x = x + a * x * (1 - x)
    return x


def _sliced(a: Float32, guide: Float32, levels: Float32) -> Float32:
    """Of a (rows, W, channels x levels) what belongs to each pixel's brightness: (rows, W,
    channels).
    """
    if len(levels) == 1:
        return a
    lower = np.searchsorted(levels, guide, side="right").clip(1, len(levels) - 1) - 1
    f = (guide - levels[lower]) / (levels[lower + 1] - levels[lower])
    below, above = (np.take_along_axis(a, (lower + i)[..., None], axis=2) for i in (0, 1))
    sliced: Float32 = below + f[..., None] * (above - below)
    return sliced


def _source_positions(
    source: int, target: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Float32]:
    """Where each of `target` cells falls among `source` ones: lower and upper index, upper's
    weight.
    """
    position = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    lower = position.astype(np.intp)
    return lower, np.minimum(lower + 1, source - 1), (position - lower).astype(np.float32)


def _filtered(image: Image, rows: slice, filter: Filter) -> Float32:
    """The filtered rows as float32 in [0, 1]."""
    height, width = image.shape[:2]
    halo = 2 * filter.radius  # two boxes, one after the other
    around = mirror(np.arange(rows.start - halo, rows.stop + halo), height)
    across = mirror(np.arange(-halo, width + halo), width)
    x = to_unit(image[around[:, None], across]).astype(np.float64)
    noise = np.full(3, filter.eps)
    opponent = filter.chroma_eps > 0
    if opponent:  # R - Y, Y, B - Y in place of R, G, B
        brightness = x.mean(axis=2)
        x = np.stack([x[..., 0] - brightness, brightness, x[..., 2] - brightness], axis=2)
        noise = np.array([filter.chroma_eps, filter.eps, filter.chroma_eps])
    mean = _box(x, filter.radius)
    variance = np.maximum(_box(x * x, filter.radius) - mean * mean, 0)
    a = variance / (variance + noise)
    b = mean * (1 - a)
    out = _box(a, filter.radius) * x[halo:-halo, halo:-halo] + _box(b, filter.radius)
    if opponent:
        red, brightness, blue = np.moveaxis(out, 2, 0)
        out = np.stack([brightness + red, brightness - red - blue, brightness + blue], axis=2)
    return np.clip(out, 0, 1).astype(np.float32)


def _box(x: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Mean over windows of (2 radius + 1)^2, only where they lie inside x (rows and columns
    shrink).
    """
    window = 2 * radius + 1
    for axis in (0, 1):
        total = np.insert(np.cumsum(x, axis=axis), 0, 0, axis=axis)
        count = total.shape[axis] - window
        x = total.take(range(window, window + count), axis) - total.take(range(count), axis)
        x = x / window
    return x


def box_means(samples: NDArray[Any], out: Float32, unit: float, threads: int) -> None:
    """Means over boxes of samples (H, W, C) into out (h, w, C), in multiples of `unit`."""
    (height, width, channels), (h, w) = samples.shape, out.shape[:2]
    down, across = np.arange(h + 1) * height // h, np.arange(w + 1) * width // w
    floating = samples.dtype == np.float32
    largest = 1 if floating else int(MAXIMUM[samples.dtype]) * int(np.diff(down).max())
    narrow = np.float32 if floating else np.min_scalar_type(largest)  # the narrower, the faster
    rows = np.empty((h, width, channels), np.float32)
    for i in range(h):
        rows[i] = samples[down[i] : down[i + 1]].sum(axis=0, dtype=narrow)
    count = np.diff(down)[:, None] * np.diff(across)
    np.add.reduceat(rows, across[:-1], axis=1, out=out)
    out /= (count * unit).astype(np.float32)[..., None]


def _ordered_dither() -> Float32:
    """The thresholds of rounding, 8 x 8, evenly spread over (0, 1) (B. E. Bayer, ICC 1973)."""
    rank = np.zeros((1, 1))
    for _ in range(3):
        rank = np.block([[4 * rank, 4 * rank + 2], [4 * rank + 3, 4 * rank + 1]])
    return ((rank + 0.5) / 64).astype(np.float32)


THRESHOLDS = _ordered_dither()


def brighten_yuv(dark: Yuv, bright: Yuv, curve: Curve, threads: int) -> None:
    """Apply the curve to the planes of dark, into those of bright, which may be the same.

    A kernel built by GCC does 8 steps on 8 bits in integers if there is AVX2; they differ from
    this by a level in some samples, and by up to four where a = 1 or -1.
    """
    height, width = dark.planes[0].shape
    rows, columns = dark.planes[1].shape
    down, across = 1 + (rows < height), 1 + (columns < width)
    red, blue = dark.weights
    for top in range(0, height, ROWS):
        pixels = slice(top, min(top + ROWS, height))
        cells = slice(top // down, -(-pixels.stop // down))
        parts = pixels, cells, cells
        y, u, v = (dark.unit(i, plane[parts[i]]) for i, plane in enumerate(dark.planes))
        x = np.clip(dark.rgb(y, *(spread(c, down, across, y.shape) for c in (u, v))), 0, 1)
        d = _curved(x, curve, pixels, height) - x
        d_y = d @ np.array([red, 1 - red - blue, blue], np.float32)
        u += _cell_means(d[..., 2] - d_y, down, across) / np.float32(2 * (1 - blue))
        v += _cell_means(d[..., 0] - d_y, down, across) / np.float32(2 * (1 - red))
        for i, values in enumerate((y + d_y, u, v)):
            bright.planes[i][parts[i]] = _dithered(values, bright, i, parts[i].start)


def _dithered(values: Float32, frame: Yuv, plane: int, top: int) -> Float32:
    """y, u or v of the rows from `top` on as samples, rounded by the ordered dither."""
    levels = frame.levels
    origin, scale = (levels.grey, levels.chroma) if plane else (levels.black, levels.luma)
    row, column = np.ogrid[top : top + values.shape[0], : values.shape[1]]
    samples = np.floor(origin + scale * values + THRESHOLDS[row % 8, column % 8])
    dithered: Float32 = np.clip(samples, 0, levels.maximum)
    return dithered


def _cell_means(pixels: Float32, down: int, across: int) -> Float32:
    """Means over cells; those at the lower and right edge may have fewer pixels."""
    means: Float32 = _cells(pixels, down, across).mean(axis=(1, 3))
    return means


def _cells(pixels: NDArray[Any], down: int, across: int) -> NDArray[Any]:
    """(h, down, w, across): pixels by their cells, the last row and column repeated where they
    lack.
    """
    height, width = pixels.shape
    padded = np.pad(pixels, ((0, -height % down), (0, -width % across)), mode="edge")
    return padded.reshape(padded.shape[0] // down, down, -1, across)


def average_planes(
    frame: Sequence[Plane],
    depth: int,
    before: Average,
    after: Average,
    limits: MotionLimits,
    threads: int,
) -> None:
    """One step of the average over time, from before into after, with a frame of `depth` bits."""
    old = [plane.astype(np.int32) for plane in before.planes]
    d = [(x.astype(np.int32) << (16 - depth)) - a for x, a in zip(frame, old, strict=True)]
    (height, width), (rows, columns) = d[0].shape, before.count.shape
    cell = 1 + (rows < height), 1 + (columns < width)
    cells = cell, (1, 1), (1, 1)  # of each plane, in its pixels
    window = 3 if cell[0] == 2 else 5, 3 if cell[1] == 2 else 5
    size = sum(_cells(np.abs(x), *c).sum(axis=(1, 3)) for x, c in zip(d, cells, strict=True))
    shift = sum(_cells(x, *c).sum(axis=(1, 3)) for x, c in zip(d, cells, strict=True))
    size, shift = _box_sum(size, window), np.abs(_box_sum(shift, window))
    noise = np.sqrt(1 + 1 / before.count)
    moved = shift > np.maximum(limits.shift * noise, limits.share * size)
    moved |= size > limits.size * noise
    after.count[...] = np.where(moved, 1, np.minimum(before.count + 1, limits.frames))
    for x, a, new, c in zip(d, old, after.planes, cells, strict=True):
        new[...] = (a + x / spread(after.count, *c, x.shape) + 0.5).astype(np.uint16)


def _box_sum(x: NDArray[Any], window: tuple[int, int]) -> NDArray[Any]:
    """Sums over windows, the edges repeated."""
    x = x.astype(np.int64)
    for axis, length in enumerate(window):
        half = length // 2
        around = [(half + 1, half) if a == axis else (0, 0) for a in (0, 1)]
        total, size = np.cumsum(np.pad(x, around, mode="edge"), axis=axis), x.shape[axis]
        x = total.take(range(length, length + size), axis) - total.take(range(size), axis)
    return x
