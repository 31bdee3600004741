"""The curve on the planes of a YUV frame, in one pass: no RGB picture, no interpolated chroma.

The pixels that share a chroma sample (U, V), its cell, are given that colour. With the matrix's weights of red, green
and blue, k_r + k_g + k_b = 1 (ITU-T H.273, 8.3), and y in [0, 1], u and v in [-0.5, 0.5],

    r = y + 2 (1 - k_r) v,   b = y + 2 (1 - k_b) u,   g = (y - k_r r - k_b b) / k_g,
    d_c = curve(x_c) - x_c,  x_c = c clipped to [0, 1],   c = r, g, b,
    d_y = k_r d_r + k_g d_g + k_b d_b,

    y <- y + d_y,   u <- u + mean(d_b - d_y) / (2 (1 - k_b)),   v <- v + mean(d_r - d_y) / (2 (1 - k_r)),

the means over the cell. Each sample is rounded once, by an ordered dither: a dark film has few levels, and without it
each would jump as a whole when the curve moves a little, and the brightness would flicker. A curve that does nothing
gives back every sample, also those beyond black and white. Since chroma is spread over its cell and averaged over the
same cell, no colour bleeds; what bilinear chroma would lose of it is shown by `python benchmarks/video.py colour`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undim.pixels.boxes import box_means
from undim.pixels.curve import Float32, curve_steps, walk_rows
from undim.pixels.kernel import native_kernel, thread_count

Plane = NDArray[Any]  # (H, W) uint8 | uint16
BAND = 64  # rows that the NumPy reference works on at a time


def _ordered_dither() -> Float32:
    """The thresholds of rounding, 8 x 8, evenly spread over (0, 1) (B. E. Bayer, ICC 1973)."""
    rank = np.zeros((1, 1))
    for _ in range(3):
        rank = np.block([[4 * rank, 4 * rank + 2], [4 * rank + 3, 4 * rank + 1]])
    return ((rank + 0.5) / 64).astype(np.float32)


THRESHOLDS = _ordered_dither()


class Levels(NamedTuple):
    """Samples are black + luma * y and grey + chroma * u, at most maximum."""

    black: float
    luma: float
    grey: float
    chroma: float
    maximum: float

    @classmethod
    def of(cls, depth: int, *, full: bool) -> Levels:
        """Those of a bit depth, 8 to 16, in the full or the limited range (H.273, equations 20 to 31)."""
        one, maximum = 2.0 ** (depth - 8), 2.0**depth - 1
        if full:
            return cls(0.0, maximum, 128 * one, maximum, maximum)
        return cls(16 * one, 219 * one, 128 * one, 224 * one, maximum)


@dataclass(frozen=True)
class Yuv:
    """A frame in YUV.

    planes   Y (H, W), U and V of that size or half of it, rounded up, in one direction or both; samples of a row
             lie side by side
    levels   what the samples mean
    weights  k_r and k_b of the matrix
    """

    planes: Sequence[Plane]
    levels: Levels
    weights: tuple[float, float]

    @property
    def depth(self) -> int:
        """Bits of a sample that are in use."""
        return int(self.levels.maximum).bit_length()

    def replaced(self, planes: Sequence[Plane], factor: float) -> Yuv:
        """The same frame with other planes, whose samples are `factor` times as large."""
        return replace(self, planes=planes, levels=Levels(*(factor * level for level in self.levels)))

    def thumbnail(self, long_side: int) -> Float32:
        """RGB (h, w, 3) in [0, 1], averaged over boxes down to `long_side`, never enlarged."""
        height, width = self.planes[0].shape
        scale = min(1.0, long_side / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        y, u, v = (_unit(self, index, _means(plane, *size)) for index, plane in enumerate(self.planes))
        return np.clip(_rgb(self, y, u, v), 0, 1)


def brighten(
    dark: Yuv, bright: Yuv, curve_maps: Float32, *, iterations: int, strength: float = 1.0, threads: int | None = None
) -> None:
    """Walk the curve on `dark` into the planes of `bright`, of the same shapes; they may be the same.

    curve_maps  (C, h, w) as for `undim.pixels.curve.apply_curves`, which see for the other arguments
    """
    native = native_kernel()
    if native is None:
        return brighten_numpy(dark, bright, curve_maps, iterations=iterations, strength=strength)
    steps = curve_steps(curve_maps, iterations=iterations, strength=strength)
    native.brighten_yuv(
        dark.planes, dark.levels, bright.planes, bright.levels, dark.weights, steps, iterations, thread_count(threads)
    )
    return None


def brighten_numpy(dark: Yuv, bright: Yuv, curve_maps: Float32, *, iterations: int, strength: float = 1.0) -> None:
    """The reference for `brighten`, and what runs where the native kernel was not built.

    A kernel built by GCC walks 8 steps on 8 bits in integers if there is AVX2; they differ by a level in some samples,
    and by up to four where a = 1 or -1.
    """
    steps = curve_steps(curve_maps, iterations=iterations, strength=strength)
    height, width = dark.planes[0].shape
    rows, columns = dark.planes[1].shape
    down, across = 1 + (rows < height), 1 + (columns < width)
    red, blue = dark.weights
    for top in range(0, height, BAND):
        pixels, cells = slice(top, min(top + BAND, height)), slice(top // down, -(-min(top + BAND, height) // down))
        y, u, v = (_unit(dark, index, plane[(pixels, cells, cells)[index]]) for index, plane in enumerate(dark.planes))
        x = np.clip(_rgb(dark, y, *(_spread(c, down, across, y.shape) for c in (u, v))), 0, 1)
        d = walk_rows(x, steps, pixels, height, iterations) - x
        d_y = d @ np.array([red, 1 - red - blue, blue], np.float32)
        u += _cell_means(d[..., 2] - d_y, down, across) / np.float32(2 * (1 - blue))
        v += _cell_means(d[..., 0] - d_y, down, across) / np.float32(2 * (1 - red))
        for index, values in enumerate((y + d_y, u, v)):
            origin, scale = (bright.levels.grey, bright.levels.chroma) if index else bright.levels[:2]
            rows = (pixels, cells, cells)[index]
            y, x = np.ogrid[rows.start : rows.start + len(values), : values.shape[1]]
            sample = np.floor(origin + scale * values + THRESHOLDS[y % 8, x % 8])
            bright.planes[index][rows] = np.clip(sample, 0, bright.levels.maximum)


def _means(plane: Plane, h: int, w: int) -> Float32:
    """Means over h x w boxes, of a plane that may have half as many rows or columns."""
    down, across = 1 + (plane.shape[0] < h), 1 + (plane.shape[1] < w)
    return box_means(_spread(plane, down, across, (h, w)) if down * across > 1 else plane, h, w)


def _unit(frame: Yuv, index: int, samples: NDArray[Any]) -> Float32:
    origin, scale = (frame.levels.grey, frame.levels.chroma) if index else frame.levels[:2]
    unit: Float32 = (samples.astype(np.float32) - np.float32(origin)) / np.float32(scale)
    return unit


def _rgb(frame: Yuv, y: Float32, u: Float32, v: Float32) -> Float32:
    red, blue = frame.weights
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    return np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b], axis=2).astype(np.float32)


def _spread(cells: NDArray[Any], down: int, across: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """To each pixel the value of its cell."""
    return cells.repeat(down, axis=0).repeat(across, axis=1)[: shape[0], : shape[1]]


def _cell_means(pixels: Float32, down: int, across: int) -> Float32:
    """Means over cells; those at the lower and right edge may have fewer pixels."""
    height, width = pixels.shape
    padded = np.pad(pixels, ((0, -height % down), (0, -width % across)), mode="edge")
    means: Float32 = padded.reshape(padded.shape[0] // down, down, -1, across).mean(axis=(1, 3))
    return means
