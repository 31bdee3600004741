"""What costs nothing: the rows that stand beside a learned model in every table.

Each baseline takes an RGB uint8 array of shape (H, W, 3) and returns another. A model that does not
beat them has shown nothing. `BASELINES` names them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from undim.evaluation.fusion import fuse
from undim.pixels.curve import apply_curves
from undim.pixels.filter import filter_and_apply, guided_filter
from undim.pixels.samples import to_unit

RGB = NDArray[np.uint8]
Array = NDArray[Any]

_GAMMA = 0.4
# about the best single constant on LOL (0.38 on eval15, 0.40 on our485): a generous baseline
_CURVE = 0.383
_MEAN = 0.45  # of LOL's references
_LIFT = 0.3  # a where it is black
_EXPOSURES = (0.0, 0.15, 0.3, 0.5)  # a of the curves whose results are fused


def unchanged(image: RGB) -> RGB:
    """The input itself: the row that shows where a score starts."""
    return image.copy()


def autocontrast(image: RGB) -> RGB:
    """Stretch each channel from its range to 0 to 255, as Pillow's `autocontrast` does."""
    return np.asarray(ImageOps.autocontrast(Image.fromarray(image)))


def gamma(image: RGB) -> RGB:
    """y = x^0.4 on [0, 1]."""
    levels = np.arange(256) / 255
    table = np.rint(levels**_GAMMA * 255).astype(np.uint8)
    return table[image]


def constant_curve(image: RGB) -> RGB:
    """The light-enhancement curve x + a x (1 - x) with the one constant a = 0.383, eight times."""
    return apply_curves(image, _constant(_CURVE))


def null_model(image: RGB) -> RGB:
    """A 5 x 5 self-guided filter (eps 4e-4) on the dark input, then the constant curve."""
    return filter_and_apply(image, _constant(_CURVE))


def exposed_to_045(image: RGB) -> RGB:
    """The same filter, then one constant for the image, solved so that the output's mean is 0.45.

    The constant is sought in [-1, 1] by bisection, since the mean grows with it. A picture that no
    constant brings there (a black one) gets the nearest.
    """
    filtered = guided_filter(image.astype(np.float32) / np.float32(255))
    low, high = -1.0, 1.0
    for _ in range(12):  # to 2 / 2^12: far below one grey level
        middle = (low + high) / 2
        if apply_curves(filtered, _constant(middle)).mean() < _MEAN:
            low = middle
        else:
            high = middle
    return filter_and_apply(image, _constant(high))


def clahe(image: RGB, *, tiles: int = 8, clip: float = 2.0) -> RGB:
    """Contrast-limited adaptive histogram equalisation of max(R, G, B); channels keep their ratios.

    The image is divided into `tiles` x `tiles`; the histogram of each is cut at `clip` times its
    average height, what was cut is spread evenly, and its cumulative sum is the tile's tone curve.
    Between the tiles' centres the curves are interpolated bilinearly (Zuiderveld, "Contrast limited
    adaptive histogram equalization", Graphics Gems IV, 1994). Tiles may differ in size by a pixel:
    every picture can be divided.
    """
    value = image.max(axis=2)
    height, width = value.shape
    rows, columns = min(tiles, height), min(tiles, width)
    tile_of_row = np.arange(height) * rows // height
    tile_of_column = np.arange(width) * columns // width
    tile = tile_of_row[:, None] * columns + tile_of_column
    histogram = np.bincount((tile * 256 + value).ravel(), minlength=rows * columns * 256).reshape(
        -1, 256
    )
    pixels = histogram.sum(axis=1, keepdims=True)
    limit = clip * pixels / 256
    clipped = np.minimum(histogram, limit)
    clipped += (pixels - clipped.sum(axis=1, keepdims=True)) / 256
    tone = (np.cumsum(clipped, axis=1) / pixels * 255).reshape(rows, columns, 256)

    top, bottom, down = _neighbours(height, rows)
    left, right, across = _neighbours(width, columns)
    upper = _mix(tone[top[:, None], left, value], tone[top[:, None], right, value], across)
    lower = _mix(tone[bottom[:, None], left, value], tone[bottom[:, None], right, value], across)
    equalised = _mix(upper, lower, down[:, None])
    ratio = equalised / np.maximum(value, 1)
    enhanced: RGB = np.rint(image * ratio[..., None]).clip(0, 255).astype(np.uint8)
    return enhanced


def shadow_lift(image: RGB) -> RGB:
    """Dark places lifted by a smooth mask: the curve with a = 0.3 max(0, 1 - base / 0.5).

    The base is the largest channel, smoothed by the guided filter (radius a fiftieth of the long
    side, eps 0.01), so that the mask ends where a dark place ends.
    """
    largest = image.max(axis=2, keepdims=True).repeat(3, axis=2)
    radius = min(max(max(image.shape) // 50, 1), 64)
    base = guided_filter(largest, radius=radius, eps=1e-2)[..., 0] / np.float32(255)
    mask = np.float32(_LIFT) * np.maximum(0, 1 - base / np.float32(0.5))
    return apply_curves(image, mask[None])


def own_fusion(image: RGB) -> RGB:
    """Exposure fusion of the picture and three brighter curves of it: a = 0.15, 0.3 and 0.5."""
    exposures = [to_unit(apply_curves(image, _constant(a))) for a in _EXPOSURES]
    enhanced: RGB = np.rint(fuse(exposures) * 255).astype(np.uint8)
    return enhanced


BASELINES: dict[str, Callable[[RGB], RGB]] = {
    "input": unchanged,
    "autocontrast": autocontrast,
    "clahe": clahe,
    "gamma": gamma,
    "constant_curve": constant_curve,
    "null_model": null_model,
    "exposed_to_045": exposed_to_045,
    "shadow_lift": shadow_lift,
    "own_fusion": own_fusion,
}


def _neighbours(size: int, tiles: int) -> tuple[Array, Array, Array]:
    """For each pixel the two tiles whose centres enclose it, and the weight of the second."""
    position = np.clip((np.arange(size) + 0.5) * tiles / size - 0.5, 0, tiles - 1)
    first = position.astype(np.intp)
    return first, np.minimum(first + 1, tiles - 1), position - first


def _mix(a: Array, b: Array, weight: Array) -> Array:
    mixed: Array = a + (b - a) * weight
    return mixed


def _constant(a: float) -> Array:
    return np.full((1, 1, 1), a, np.float32)
