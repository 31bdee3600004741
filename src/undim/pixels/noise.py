"""How much noise a picture has, how much a curve adds to it, and the filter that suits it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from undim.pixels.samples import Float32, Image, check_image, to_unit

_PATCH = 18  # pixels, square
_GRID = 16  # patches along each axis, at most
_DISTANCES = (
    np.indices((5, 5)).reshape(2, 25).T - 2.0
)  # of a window's pixels from its middle, down and across


def estimate_noise(image: Image) -> float:
    """Estimate the standard deviation of an image's noise, in units of [0, 1], from its flattest
    windows.

    In patches on a grid, a plane is fitted to each channel in windows of 5 x 5 pixels, wide enough
    to see noise that demosaicing and JPEG have correlated. Texture only raises the variance that is
    left, so the tenth percentile q of it is noise, and

        sigma = sqrt(q / 0.56)

    for of white noise alone the tenth percentile is 0.56 sigma^2 (chi squared, 22 degrees of
    freedom, over 25). Windows that are nearly black or white are left out: clipping hides noise.
    The cost does not grow with the image.

    Args:
        image: (H, W, 3) uint8, uint16 or float32 in [0, 1], any strides.

    Returns:
        sigma; 0 where no patch of 18 x 18 pixels is usable.
    """
    check_image(image)
    rows, columns = (_window_places(size) for size in image.shape[:2])
    if rows.size == 0 or columns.size == 0:
        return 0.0
    x = to_unit(image[rows[:, None], columns]).astype(np.float64)
    x = x.reshape(len(rows) // 5, 5, len(columns) // 5, 5, 3)
    windows = x.transpose(0, 2, 4, 1, 3).reshape(-1, 25)
    mean = windows.mean(axis=1)
    windows -= mean[:, None]
    # Covariances with the place, whose variance is 2. Not by `@`: the threads of the linear algebra
    # behind it spin on for a while, and would take a core from the kernel that runs next.
    slopes = np.einsum("ij,jk->ik", windows, _DISTANCES) / 25
    variance = (
        np.einsum("ij,ij->i", windows, windows) / 25 - np.einsum("ij,ij->i", slopes, slopes) / 2
    )
    bright = min(0.04, _quantile(mean, 0.8))  # in a picture darker than that, its brightest fifth
    usable = variance[(mean >= bright) & (mean > 0.004) & (mean < 0.98)]
    return float(np.sqrt(max(0, _quantile(usable, 0.1)) / 0.56)) if usable.size else 0.0


def matched_eps(sigma: float) -> float:
    """The `eps` of a filter that suits noise of standard deviation `sigma`: 0.032 sigma.

    That is the geometric mean of 2.6 sigma^2, which suits the noise, and the null model's constant
    4e-4: halfway to a constant is safer than an estimate, and leaves clean pictures alone, which a
    constant does not. Chosen on photographs darkened in linear light
    (docs/lab/noise.md).
    """
    return 0.032 * sigma


def noise_added(dark: Float32, bright: Float32) -> float:
    """The share of the noise's variance that a curve added, between 0 and 1.

    A pixel whose brightness, its mean over the channels, goes from x to y has its noise amplified
    about as much. The share that was added is averaged over the pixels, each with the weight of its
    lift, so that shadows count which are lifted beside lights that stay:

        sum w (1 - 1 / gain^2) / sum w,   gain = y / max(x, 1 / 255) >= 1,   w = max(y - x, 0)

    Args:
        dark: (h, w, 3) in [0, 1], a picture or its thumbnail.
        bright: the same after the curve.

    Returns:
        The share; 0 where nothing is lifted.
    """
    x, y = dark.mean(axis=2), bright.mean(axis=2)
    lift = np.maximum(y - x, 0)
    if not lift.any():
        return 0.0
    gain = np.maximum(y / np.maximum(x, np.float32(1 / 255)), 1)
    return float((lift * (1 - 1 / gain**2)).sum() / lift.sum())


def _quantile(values: NDArray[np.float64], share: float) -> float:
    """`np.quantile`, whose first use imports `numpy.ma`, which takes longer than all else here."""
    place = share * (values.size - 1)
    lower, upper = math.floor(place), math.ceil(place)
    ordered = np.partition(values, (lower, upper))
    return float(ordered[lower] + (place - lower) * (ordered[upper] - ordered[lower]))


def _window_places(size: int) -> NDArray[np.intp]:
    """The rows (or columns) of all windows along an axis: 4 of 5 in each patch of 18, one
    overlapping the next.

    The patches lie side by side, or are spread where there are more than enough.
    """
    count = min(_GRID, size // _PATCH)
    corners = np.arange(count) * (size - _PATCH) // max(count - 1, 1)
    return (corners[:, None, None] + np.arange(0, _PATCH - 4, 4)[:, None] + np.arange(5)).ravel()
