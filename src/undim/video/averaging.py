"""Noise averaged away over time, before the curve would amplify it.

Where a frame x agrees with the average A of the frames before it, it is one more sample of the same scene:

    n <- min(n + 1, FRAMES),   A <- A + (x - A) / n        at rest
    n <- 1,                    A <- x                      where something moved

Both tests for motion look at d = x - A over a window of 5 x 5 pixels and compare it with what noise of deviation
sigma leads to: the mean of |d| sees texture that moved, the mean of d a change of brightness under the noise. sigma
is measured again and again on single frames, where motion cannot be mistaken for noise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undim.curves import MAXIMUM, Image, to_unit
from undim.kernel import native_kernel, thread_count

FRAMES = 8  # averaged at most: eight halve the noise 1.5 times; more would smear what moves slowly
WINDOW = 5
TEXTURE = 2.0  # times the mean |d| of noise alone
SHIFT = 4.0  # times the deviation of the mean d of noise alone
PATCH, GRID = 32, 6  # sigma is measured on at most GRID x GRID patches of the frame
QUIET = 25  # percentile of the patches' deviations that is taken for noise: the others hold texture
MEASURE = 16  # frames between two measurements of sigma
FAINT = 0.25 / 255  # noise below this is left alone: rounding to 8 bits makes more

Uint16 = NDArray[np.uint16]


class TemporalAverage:
    """Averages the frames of one video where nothing moves: `clean = average(frame)`, same shape and dtype."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._average: Uint16 | None = None
        self._frames = 0

    def __call__(self, frame: Image) -> Image:
        if self._frames % MEASURE == 0:
            self._sigma = noise(frame)
        self._frames += 1
        if self._sigma < FAINT:
            self._average = None
            return frame
        wide = _widen(frame)
        if self._average is None or self._average.shape != wide.shape:
            self._average, self._count = wide, np.ones(wide.shape[:2], np.uint8)
        else:
            self._average, self._count = average(wide, self._average, self._count, self._sigma, self._threads)
        return _narrow(self._average, frame.dtype)


def average(
    frame: Uint16, before: Uint16, count: NDArray[np.uint8], sigma: float, threads: int | None = None
) -> tuple[Uint16, NDArray[np.uint8]]:
    """The next average, and of how many frames it is at each pixel.

    frame, before  (H, W, 3) uint16, before being the average so far
    count          (H, W) uint8, how many frames that holds
    sigma          deviation of the noise in one frame, in units of the full range
    """
    native = native_kernel()
    if native is None:
        return average_numpy(frame, before, count, sigma)
    size_limit, shift_limit = _limits(sigma)
    after, frames = np.empty_like(before), np.empty_like(count)
    native.average(frame, before, count, after, frames, size_limit, shift_limit, FRAMES, thread_count(threads))
    return after, frames


def average_numpy(
    frame: Uint16, before: Uint16, count: NDArray[np.uint8], sigma: float
) -> tuple[Uint16, NDArray[np.uint8]]:
    """The reference for `average`, and what runs where the native kernel was not built."""
    size_limit, shift_limit = _limits(sigma)
    d = frame.astype(np.int32) - before
    noise = 1 + 1 / count
    moved = _box_sum(np.abs(d).sum(axis=2)) > size_limit * np.sqrt(noise)
    moved |= np.abs(_box_sum(d.sum(axis=2))) > shift_limit * np.sqrt(noise)
    n = np.where(moved, 1, np.minimum(count + 1, FRAMES)).astype(np.uint8)
    return (before + d / n[..., None] + 0.5).astype(np.uint16), n


def _limits(sigma: float) -> tuple[float, float]:
    """From where on the sums of |d| and of d over a window are motion, for n = infinity.

    For normal noise the mean of |d| is sqrt(2 / pi) sigma, and a sum of N values deviates by sqrt(N) sigma.
    """
    samples = 3 * WINDOW**2
    deviation = 65535 * sigma
    return TEXTURE * samples * math.sqrt(2 / math.pi) * deviation, SHIFT * math.sqrt(samples) * deviation


def noise(frame: Image) -> float:
    """The standard deviation of a frame's noise, in units of the full range (J. Immerkaer, CVIU 64, 1996).

        sigma = sqrt(pi / 2) / 6 mean |L x|,    L = [1 -2 1]^T [1 -2 1]

    L hides everything that is plane; the quietest patches are taken, since texture is no noise. Noise that is
    correlated between pixels, as compression leaves it, is underestimated: then less is averaged, or nothing.
    """
    height, width = frame.shape[:2]
    tops, lefts = (np.unique(np.linspace(0, max(0, size - PATCH), GRID).astype(int)) for size in (height, width))
    deviations = []
    for top in tops:
        for left in lefts:
            x = frame[top : top + PATCH, left : left + PATCH].astype(np.float32)
            x = np.diff(np.diff(x, n=2, axis=0), n=2, axis=1)
            deviations.append(np.sqrt(np.pi / 2) / 6 * np.abs(x).mean() if x.size else 0.0)
    return float(np.percentile(deviations, QUIET)) / MAXIMUM[frame.dtype]


def _widen(frame: Image) -> Uint16:
    if frame.dtype == np.uint8:
        return frame.astype(np.uint16) * np.uint16(257)
    return frame if frame.dtype == np.uint16 else np.rint(to_unit(frame) * 65535).astype(np.uint16)


def _narrow(average: Uint16, dtype: np.dtype[Any]) -> Image:
    if dtype == np.uint8:
        return ((average - (average >> 8) + 128) >> 8).astype(np.uint8)  # average / 257, rounded
    return average if dtype == np.uint16 else to_unit(average)


def _box_sum(x: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over windows of 5 x 5, the edges repeated."""
    half = WINDOW // 2
    for axis in (0, 1):
        padded = np.pad(x, [(half + 1, half) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        total, size = np.cumsum(padded, axis=axis), x.shape[axis]
        x = total.take(range(WINDOW, WINDOW + size), axis) - total.take(range(size), axis)
    return x
