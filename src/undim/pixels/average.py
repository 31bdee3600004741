"""Noise averaged away over time, before the curve would amplify it.

Where a frame x agrees with the average A of the frames before it, it is one more sample of the same
scene:

    n <- min(n + 1, FRAMES),   A <- A + (x - A) / n        at rest
    n <- 1,                    A <- x                      where something moved

A pixel's samples are its colours; those of YUV, where U and V are coarser, belong to a cell of
pixels, and n is the cell's. Both tests for motion look at d = x - A over a window of 5 x 5
pixels, or of 3 cells where they are two pixels wide or high, and compare it with what noise of
deviation sigma leads to: the mean of |d| sees texture that moved, the mean of d a change of
brightness under the noise. sigma is measured again and again on single frames, where motion
cannot be mistaken for noise, in each plane for itself. A part of the frame may have more noise
than that; so the mean of d must also exceed what noise as strong as the mean of |d| would lead
to, or single cells would flash.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from undim.pixels.jobs import Average, MotionLimits, Plane, Uint16
from undim.pixels.kernel import kernel, thread_count

FRAMES = 8  # averaged at most: eight halve the noise 1.5 times; more would smear what moves slowly
TEXTURE = 2.0  # times the mean |d| of noise alone
# the most that the sum of d need be of that of |d|: with noise in few planes it is hardly ever more
ONE_SIGN = 0.7
SHIFT = 4.0  # times the deviation of the mean d of noise alone
PATCH, GRID = 32, 6  # sigma is measured on at most GRID x GRID patches of the frame
QUIET = 25  # percentile of the patches' deviations that is taken for noise: the others hold texture
MEASURE = 16  # frames between two measurements of sigma
FAINT = 0.25 / 255  # noise below this is left alone: rounding to 8 bits makes more


class TemporalAverage:
    """Averages the frames of one video where nothing moves: `clean = average(planes, depth)`.

    planes  three arrays (H, W), uint8 or uint16, any strides: red, green and blue, or Y, U and V
    depth   bits of a sample that are in use

    The result is None for a video without noise, else three planes of uint16 whose samples are
    2^(16 - depth) times as large; they are good until the next frame but one.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._average: Average | None = None
        self._spare: Average  # what the next average is written into
        self._frames = 0

    def __call__(self, planes: Sequence[Plane], depth: int) -> Sequence[Uint16] | None:
        if self._frames % MEASURE == 0:
            self._sigma = [noise(plane) / (2**depth - 1) for plane in planes]
        self._frames += 1
        if max(self._sigma) < FAINT:
            self._average = None
            return None
        before = self._average
        shapes = [plane.shape for plane in planes]
        if before is None or shapes != [plane.shape for plane in before.planes]:
            self._average = _begun(planes, depth)
            self._spare = _begun(planes, depth)
        else:
            average(planes, depth, before, self._spare, self._sigma, self._threads)
            self._average, self._spare = self._spare, before
        return self._average.planes


def average(
    frame: Sequence[Plane],
    depth: int,
    before: Average,
    after: Average,
    sigma: Sequence[float],
    threads: int | None = None,
) -> None:
    """The next average, of the one before and a frame, written into `after`.

    frame   three planes (H, W), uint8 or uint16, of `depth` bits
    sigma   deviation of the noise in each plane of one frame, in units of the full range
    """
    limits = motion_limits(frame[0].shape, before.count.shape, sigma)
    kernel().average_planes(frame, depth, before, after, limits, thread_count(threads))


def _begun(planes: Sequence[Plane], depth: int) -> Average:
    """The average of one frame."""
    samples = [plane.astype(np.uint16) << np.uint16(16 - depth) for plane in planes]
    return Average(samples, np.ones(planes[-1].shape, np.uint8))


def motion_limits(
    pixels: tuple[int, ...], cells: tuple[int, ...], sigma: Sequence[float]
) -> MotionLimits:
    """Where noise ends and motion begins, for the sums over a window of 5 x 5 pixels or 3 cells.

    For normal noise the mean of |d| is sqrt(2 / pi) sigma, and a sum of N values deviates by
    sqrt(N) sigma.
    """
    cell = [1 if fine == coarse else 2 for fine, coarse in zip(pixels, cells, strict=True)]
    count = math.prod(5 if side == 1 else 3 for side in cell)  # of cells in the window
    samples = np.array([count * math.prod(cell), count, count])
    deviation = 65535 * np.asarray(sigma)
    size = float(math.sqrt(2 / math.pi) * (samples @ deviation))
    shift = SHIFT * math.sqrt(samples @ deviation**2)
    share = min(shift / size, ONE_SIGN) if size else ONE_SIGN
    return MotionLimits(TEXTURE * size, shift, share, FRAMES)


def noise(plane: Plane) -> float:
    """The standard deviation of a plane's noise, in its own units (J. Immerkaer, CVIU 64, 1996).

        sigma = sqrt(pi / 2) / 6 mean |L x|,    L = [1 -2 1]^T [1 -2 1]

    L hides everything that is plane; the quietest patches are taken, since texture is no noise.
    Noise that is correlated between pixels, as compression leaves it, is underestimated: then less
    is averaged, or nothing.
    """
    height, width = plane.shape
    tops, lefts = (
        np.unique(np.linspace(0, max(0, size - PATCH), GRID).astype(int))
        for size in (height, width)
    )
    patches = np.stack(
        [plane[top : top + PATCH, left : left + PATCH] for top in tops for left in lefts]
    )
    x = np.diff(np.diff(patches.astype(np.float32), n=2, axis=1), n=2, axis=2)
    if x.size == 0:
        return 0.0
    return float(np.percentile(np.sqrt(np.pi / 2) / 6 * np.abs(x).mean(axis=(1, 2)), QUIET))
