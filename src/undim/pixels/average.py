"""Noise averaged away over time, before the curve would amplify it.

Where a frame x agrees with the average A of the frames before it, it is one more sample of the same scene:

    n <- min(n + 1, FRAMES),   A <- A + (x - A) / n        at rest
    n <- 1,                    A <- x                      where something moved

A pixel's samples are its colours; those of YUV, where U and V are coarser, belong to a cell of pixels, and n is the
cell's. Both tests for motion look at d = x - A over a window of 5 x 5 pixels, or of 3 cells where they are two pixels
wide or high, and compare it with what noise of deviation sigma leads to: the mean of |d| sees texture that moved, the
mean of d a change of brightness under the noise. sigma is measured again and again on single frames, where motion
cannot be mistaken for noise, in each plane for itself. A part of the frame may have more noise than that; so the mean
of d must also exceed what noise as strong as the mean of |d| would lead to, or single cells would flash.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undim.pixels.kernel import native_kernel, thread_count

FRAMES = 8  # averaged at most: eight halve the noise 1.5 times; more would smear what moves slowly
TEXTURE = 2.0  # times the mean |d| of noise alone
ONE_SIGN = 0.7  # the most that the sum of d need be of that of |d|: with noise in few planes it is hardly ever more
SHIFT = 4.0  # times the deviation of the mean d of noise alone
PATCH, GRID = 32, 6  # sigma is measured on at most GRID x GRID patches of the frame
QUIET = 25  # percentile of the patches' deviations that is taken for noise: the others hold texture
MEASURE = 16  # frames between two measurements of sigma
FAINT = 0.25 / 255  # noise below this is left alone: rounding to 8 bits makes more

Plane = NDArray[Any]  # (H, W) uint8 | uint16
Uint16 = NDArray[np.uint16]
Count = NDArray[np.uint8]


class TemporalAverage:
    """Averages the frames of one video where nothing moves: `clean = average(planes, depth)`.

    planes  three arrays (H, W), uint8 or uint16, any strides: red, green and blue, or Y, U and V
    depth   bits of a sample that are in use

    The result is None for a film without noise, else three planes of uint16 whose samples are 2^(16 - depth) times as
    large; they are good until the next frame but one.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._state: tuple[list[Uint16], Count] | None = None
        self._spare: tuple[list[Uint16], Count]
        self._frames = 0

    def __call__(self, planes: Sequence[Plane], depth: int) -> Sequence[Uint16] | None:
        if self._frames % MEASURE == 0:
            self._sigma = [noise(plane) / (2**depth - 1) for plane in planes]
        self._frames += 1
        if max(self._sigma) < FAINT:
            self._state = None
            return None
        if self._state is None or [plane.shape for plane in planes] != [plane.shape for plane in self._state[0]]:
            begun = [plane.astype(np.uint16) << np.uint16(16 - depth) for plane in planes]
            state, spare = (begun, _ones(planes)), ([np.empty_like(plane) for plane in begun], _ones(planes))
        else:
            spare, state = self._state, self._spare
            average(planes, depth, *spare, self._sigma, *state, self._threads)
        self._state, self._spare = state, spare
        return state[0]


def average(
    frame: Sequence[Plane],
    depth: int,
    before: Sequence[Uint16],
    count: Count,
    sigma: Sequence[float],
    after: Sequence[Uint16],
    next_count: Count,
    threads: int | None = None,
) -> None:
    """The next average, written into `after`, and of how many frames it is at each cell, into `next_count`.

    frame   three planes (H, W), uint8 or uint16, of `depth` bits
    before  three planes of uint16, the average so far, times 2^(16 - depth)
    count   (h, w) uint8, of the size of the last plane: how many frames that holds
    sigma   deviation of the noise in each plane of one frame, in units of the full range
    """
    native = native_kernel()
    if native is None:
        average_numpy(frame, depth, before, count, sigma, after, next_count)
        return
    shape = [plane.shape for plane in frame]
    limits = _limits(sigma, *_window(shape[0], count.shape))
    native.average_planes(
        tuple(frame), tuple(before), count, tuple(after), next_count, 16 - depth, *limits, FRAMES, thread_count(threads)
    )


def average_numpy(
    frame: Sequence[Plane],
    depth: int,
    before: Sequence[Uint16],
    count: Count,
    sigma: Sequence[float],
    after: Sequence[Uint16],
    next_count: Count,
) -> None:
    """The reference for `average`, and what runs where the native kernel was not built."""
    cell, window = _window(frame[0].shape, count.shape)
    size_limit, shift_limit, shift_share = _limits(sigma, cell, window)
    differences = [(plane.astype(np.int32) << (16 - depth)) - old for plane, old in zip(frame, before, strict=True)]
    size, shift = np.zeros(count.shape, np.int64), np.zeros(count.shape, np.int64)
    for d, extent in zip(differences, (cell, (1, 1), (1, 1)), strict=True):
        size += _cell_sums(np.abs(d), extent)
        shift += _cell_sums(d, extent)
    noise = np.sqrt(1 + 1 / count)
    size, shift = _box_sum(size, window), np.abs(_box_sum(shift, window))
    moved = (size > size_limit * noise) | (shift > np.maximum(shift_limit * noise, shift_share * size))
    next_count[...] = np.where(moved, 1, np.minimum(count + 1, FRAMES))
    for d, old, new, extent in zip(differences, before, after, (cell, (1, 1), (1, 1)), strict=True):
        n = next_count.repeat(extent[0], axis=0).repeat(extent[1], axis=1)[: d.shape[0], : d.shape[1]]
        new[...] = (old + d / n + 0.5).astype(np.uint16)


Extent = tuple[int, int]


def _window(pixels: tuple[int, ...], cells: tuple[int, ...]) -> tuple[Extent, Extent]:
    """The size of a cell in pixels, and of the window in cells."""
    down, across = (1 if fine == coarse else 2 for fine, coarse in zip(pixels, cells, strict=True))
    return (down, across), (3 if down == 2 else 5, 3 if across == 2 else 5)


def _ones(planes: Sequence[Plane]) -> Count:
    return np.ones(planes[-1].shape, np.uint8)


def _limits(sigma: Sequence[float], cell: Extent, window: Extent) -> tuple[float, float, float]:
    """From where on the sums of |d| and of d over a window are motion, for n = infinity; the second by the first, too.

    For normal noise the mean of |d| is sqrt(2 / pi) sigma, and a sum of N values deviates by sqrt(N) sigma.
    """
    cells = math.prod(window)
    samples = np.array([cells * math.prod(cell), cells, cells])
    deviation = 65535 * np.asarray(sigma)
    size = float(math.sqrt(2 / math.pi) * (samples @ deviation))
    shift = SHIFT * math.sqrt(samples @ deviation**2)
    return TEXTURE * size, shift, min(shift / size, ONE_SIGN) if size else ONE_SIGN


def noise(plane: Plane) -> float:
    """The standard deviation of a plane's noise, in its own units (J. Immerkaer, CVIU 64, 1996).

        sigma = sqrt(pi / 2) / 6 mean |L x|,    L = [1 -2 1]^T [1 -2 1]

    L hides everything that is plane; the quietest patches are taken, since texture is no noise. Noise that is
    correlated between pixels, as compression leaves it, is underestimated: then less is averaged, or nothing.
    """
    height, width = plane.shape
    tops, lefts = (np.unique(np.linspace(0, max(0, size - PATCH), GRID).astype(int)) for size in (height, width))
    patches = np.stack([plane[top : top + PATCH, left : left + PATCH] for top in tops for left in lefts])
    x = np.diff(np.diff(patches.astype(np.float32), n=2, axis=1), n=2, axis=2)
    if x.size == 0:
        return 0.0
    return float(np.percentile(np.sqrt(np.pi / 2) / 6 * np.abs(x).mean(axis=(1, 2)), QUIET))


def _cell_sums(x: NDArray[Any], cell: Extent) -> NDArray[Any]:
    """Sums over cells; at the lower and right edge their last row or column may count twice."""
    padded = np.pad(x, [(0, -size % step) for size, step in zip(x.shape, cell, strict=True)], mode="edge")
    sums: NDArray[Any] = padded.reshape(padded.shape[0] // cell[0], cell[0], -1, cell[1]).sum(axis=(1, 3))
    return sums


def _box_sum(x: NDArray[np.int64], window: Extent) -> NDArray[np.int64]:
    """Sums over windows, the edges repeated."""
    for axis, length in enumerate(window):
        half = length // 2
        padded = np.pad(x, [(half + 1, half) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        total, size = np.cumsum(padded, axis=axis), x.shape[axis]
        x = total.take(range(length, length + size), axis) - total.take(range(size), axis)
    return x
