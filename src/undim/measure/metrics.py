"""What a picture is worth in numbers: fidelity to a reference, and plain facts about one image.

Every function takes RGB arrays of shape (H, W, 3) with values in [0, data_range], and wants to be
told that
range: nothing is guessed from the values, because a dark 16-bit frame looks like an 8-bit one.
`METRICS` names them all.

    >>> import numpy as np
    >>> dark, light = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    >>> psnr(dark, light, data_range=255)
    0.0
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from undim.errors import InputError

Image = NDArray[Any]

_SIGMA, _RADIUS = 1.5, 5  # Wang et al. 2004: an 11 x 11 Gaussian window
_STRIP = 32  # rows of the SSIM map computed at once, so that the working set stays in the cache
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def psnr(image: Image, reference: Image, *, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB, over all samples of all channels.

        PSNR = 10 log10(R^2 / mean((x - y)^2))

    R is `data_range`: 255 for uint8, 65535 for uint16, 1 for floats. Equal images give infinity.
    The difference is taken in float64, never in the integer type (see `psnr_uint8_wrapped`).
    Raises InputError for unequal shapes, mixed dtypes, and values outside [0, R].
    """
    _check(image, data_range, reference)
    error = np.mean(np.square(image.astype(np.float64) - reference))
    return _decibels(float(error), data_range)


def ssim(image: Image, reference: Image, *, data_range: float) -> float:
    """Structural similarity, in [-1, 1]: the mean over channels and windows inside the image.

        SSIM = (2 mx my + c1) (2 sxy + c2) / ((mx^2 + my^2 + c1) (sx^2 + sy^2 + c2))

    with local means m, variances s^2 and covariance sxy under an 11 x 11 Gaussian window (sigma
    1.5), c1 = (0.01 R)^2 and c2 = (0.03 R)^2 (Wang, Bovik, Sheikh, Simoncelli, "Image quality
    assessment: from error visibility to structural similarity", TIP 2004). It equals scikit-image's
    `structural_similarity` with channel_axis=2, gaussian_weights=True, sigma=1.5 and
    use_sample_covariance=False; a 7 x 7 uniform window, that library's default, gives other
    numbers. Raises InputError as `psnr` does, and for images smaller than the window.
    """
    _check(image, data_range, reference)
    height, width, channels = image.shape
    window = 2 * _RADIUS + 1
    if min(height, width) < window:
        raise InputError(
            f"SSIM needs images of at least {window} x {window} pixels, got {width} x {height}"
        )
    c1, c2 = 0.01**2, 0.03**2
    total = 0.0
    for top in range(0, height - window + 1, _STRIP):
        rows = slice(top, top + _STRIP + window - 1)
        x, y = (
            np.divide(pixels[rows], data_range, dtype=np.float64) for pixels in (image, reference)
        )
        mx, my = _blur(x), _blur(y)
        mxy, mxx_myy = mx * my, mx * mx + my * my
        covariance = _blur(x * y) - mxy
        variances = _blur(x * x + y * y) - mxx_myy
        local: NDArray[np.float64] = (
            (2 * mxy + c1) * (2 * covariance + c2) / ((mxx_myy + c1) * (variances + c2))
        )
        total += float(local.sum())
    windows = (height - window + 1) * (width - window + 1) * channels
    return float(total / windows)


def gt_mean_psnr(image: Image, reference: Image, *, data_range: float) -> float:
    """PSNR in dB after the image is scaled to the reference's mean luma (BT.601) and clipped.

        x' = min(x luma(y) / luma(x), R)

    Many papers print this figure ("GT-mean") in the place of PSNR. It looks at the answer, and is
    worth 2 to
    11 dB: a column of its own, never the headline. A black image, which has no mean to scale, stays
    as it is.
    """
    _check(image, data_range, reference)
    mean, wanted = (
        float(np.dot(array.mean(axis=(0, 1), dtype=np.float64), _LUMA))
        for array in (image, reference)
    )
    gain = wanted / mean if mean > 0 else 1.0
    scaled = np.minimum(image.astype(np.float64) * gain, data_range)
    return _decibels(float(np.mean(np.square(scaled - reference))), data_range)


def psnr_uint8_wrapped(image: Image, reference: Image, *, data_range: float = 255) -> float:
    """A bug, kept to recognise its figures: PSNR in dB where differences and squares wrap at 256.

        10 log10(255^2 / mean(((x - y) mod 256)^2 mod 256))

    `np.mean((a - b) ** 2)` on uint8 arrays computes this. Squares modulo 256 average 105.5 over
    evenly spread differences, so it says about 27.9 dB of an untouched dark input, of a black frame
    and of a good result alike. Several public write-ups of Zero-DCE report it as "28 dB". Never a
    measure of quality. uint8 only.
    """
    _check(image, data_range, reference)
    if image.dtype != np.uint8:
        raise InputError(
            f"psnr_uint8_wrapped is the overflow of uint8 arithmetic, got {image.dtype}: use psnr"
        )
    difference = image - reference
    return _decibels(float(np.mean(difference * difference)), 255)


def mean_brightness(image: Image, *, data_range: float) -> float:
    """Mean of all samples, in [0, 1]. The references of LOL average 0.45, Zero-DCE aims at 0.6."""
    _check(image, data_range)
    return float(image.mean(dtype=np.float64)) / data_range


def clipped_fraction(image: Image, *, data_range: float) -> float:
    """Share of pixels, in [0, 1], with a channel at the top of the range: detail that is gone."""
    _check(image, data_range)
    return float(np.mean((image >= data_range).any(axis=2)))


def chroma_shift(image: Image, original: Image, *, data_range: float) -> float:
    """Distance, in [0, sqrt 2], between the mean chromaticities of an image and its input.

        c(x) = mean_RGB(x) / sum(mean_RGB(x)),   shift = |c(image) - c(original)|

    Zero where the balance of the channels is kept at whatever brightness; 0.05 is a cast one sees
    at once. A black image has the chromaticity of grey.
    """
    _check(image, data_range, original)
    first, second = _chromaticity(image), _chromaticity(original)
    return float(np.linalg.norm(first - second))


@dataclass(frozen=True)
class Metric:
    """One column of a table: how it is computed, what it is compared with, and how it reads."""

    function: Callable[..., float]
    compares_with: Literal["reference", "input"] | None
    range: tuple[float, float]
    better: Literal["higher", "lower"] | None  # None where neither end is good
    digits: int
    heading: str
    title: str
    on_request: bool = False

    @property
    def needs_reference(self) -> bool:
        return self.compares_with == "reference"


_DB, _UNIT = (0, math.inf), (0, 1)

METRICS: dict[str, Metric] = {
    "psnr": Metric(psnr, "reference", _DB, "higher", 2, "PSNR", "PSNR in dB, RGB"),
    "ssim": Metric(
        ssim, "reference", (-1, 1), "higher", 4, "SSIM", "SSIM, RGB, Gaussian window of sigma 1.5"
    ),
    "gt_mean_psnr": Metric(
        gt_mean_psnr, "reference", _DB, "higher", 2, "GT-mean", "PSNR in dB at the reference's mean"
    ),
    "mean_brightness": Metric(
        mean_brightness, None, _UNIT, None, 3, "brightness", "Mean of all samples"
    ),
    "clipped_fraction": Metric(
        clipped_fraction, None, _UNIT, "lower", 4, "clipped", "Share of pixels blown out"
    ),
    "psnr_to_input": Metric(
        psnr,
        "input",
        _DB,
        None,
        2,
        "to input",
        "PSNR in dB from the input: how much was left alone",
    ),
    "chroma_shift": Metric(
        chroma_shift,
        "input",
        (0, math.sqrt(2)),
        "lower",
        4,
        "cast",
        "Colour cast against the input",
    ),
    "psnr_uint8_wrapped": Metric(
        psnr_uint8_wrapped,
        "reference",
        _DB,
        None,
        2,
        "wrapped",
        "PSNR of overflowing uint8, a bug",
        on_request=True,
    ),
}


def _check(image: Image, data_range: float, other: Image | None = None) -> None:
    arrays = [image] if other is None else [image, other]
    for array in arrays:
        if array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
            raise InputError(f"expected an RGB array of shape (H, W, 3), got {array.shape}")
    if other is not None and image.shape != other.shape:
        raise InputError(
            f"images of unequal size: {image.shape} and {other.shape}; nothing is resized silently"
        )
    if other is not None and image.dtype != other.dtype:
        raise InputError(
            f"images of mixed dtypes: {image.dtype} and {other.dtype}; convert one of them first"
        )
    for array in arrays:
        low, high = array.min(), array.max()
        if not (low >= 0 and high <= data_range):  # written so that NaN fails too
            raise InputError(
                f"values from {low} to {high} do not fit data_range={data_range}; "
                "it is 255 for uint8, 65535 for uint16 and 1 for floats in [0, 1]"
            )


def _decibels(error: float, data_range: float) -> float:
    return math.inf if error == 0 else 10 * math.log10(data_range * data_range / error)


def _chromaticity(image: Image) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = image.mean(axis=(0, 1), dtype=np.float64)
    total = mean.sum()
    return mean / total if total > 0 else np.full(3, 1 / 3)


def _blur(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian means of (H, W, C) where the window lies inside the image: (H - 10, W - 10, C)."""
    taps = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        size = x.shape[axis] - 2 * _RADIUS
        x = np.moveaxis(x, axis, 0)
        out = taps[_RADIUS] * x[_RADIUS : _RADIUS + size]
        for k in range(_RADIUS):  # the window is symmetric: one product for two taps
            mirrored = 2 * _RADIUS - k
            out += taps[k] * (x[k : k + size] + x[mirrored : mirrored + size])
        x = np.moveaxis(out, 0, axis)
    return x
