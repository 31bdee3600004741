"""Exposure fusion: several exposures of one scene become one picture, with no radiance between.

T. Mertens, J. Kautz and F. Van Reeth, "Exposure Fusion", Pacific Graphics 2007.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from undim.pixels.samples import Float32, mirror

_TAPS = np.array([1, 4, 6, 4, 1], np.float32) / 16
_COARSEST = 2  # pixels along the shorter side, below which a picture is not halved
_NOTHING = 1e-6  # weight of a pixel that is good nowhere


def fuse(exposures: Sequence[Float32]) -> Float32:
    """Fuse exposures (H, W, 3) in [0, 1], of one size: for each pixel, the best of them.

    The weight of a pixel is contrast * saturation * well_exposedness: |Laplacian of the mean of its
    channels|, their standard deviation, and the product over them of exp(-(x - 0.5)^2 / 0.08).
    Laplacian pyramids of the exposures are averaged with Gaussian pyramids of the weights.
    """
    weights = [_weight(x) + np.float32(_NOTHING) for x in exposures]
    total = np.sum(weights, axis=0)
    layers = [_blended(x, weight / total) for x, weight in zip(exposures, weights, strict=True)]
    fused, *details = [np.sum(layer, axis=0) for layer in zip(*layers, strict=True)]
    for detail in details:
        fused = detail + _doubled(fused, detail.shape)
    clipped: Float32 = np.clip(fused, 0, 1)
    return clipped


def _weight(x: Float32) -> Float32:
    """The quality of each pixel, (H, W, 1)."""
    grey = x.mean(axis=2)
    around = np.pad(grey, 1, mode="edge")
    neighbours = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    contrast = np.abs(neighbours - 4 * grey)
    well_exposedness = np.exp(-((x - 0.5) ** 2).sum(axis=2) / 0.08)
    quality: Float32 = (contrast * x.std(axis=2) * well_exposedness)[..., None]
    return quality


def _blended(x: Float32, weight: Float32) -> list[Float32]:
    """The picture's Laplacian pyramid times the weight's Gaussian pyramid, the coarsest first."""
    layers: list[Float32] = []
    while min(x.shape[:2]) > _COARSEST:
        smaller = _halved(x)
        layers.append((x - _doubled(smaller, x.shape)) * weight)
        x, weight = smaller, _halved(weight)
    return [x * weight, *reversed(layers)]


def _halved(x: Float32) -> Float32:
    """Smoothed by five taps down and across, every second sample kept."""
    for axis in (0, 1):
        size = x.shape[axis]
        middle = np.arange(0, size, 2)
        parts = [
            tap * x.take(mirror(middle + i, size), axis)
            for i, tap in zip(range(-2, 3), _TAPS, strict=True)
        ]
        x = np.sum(parts, axis=0)
    return x


def _doubled(x: Float32, shape: tuple[int, ...]) -> Float32:
    """Zeros between the samples, smoothed by the same taps, twice as large: up to `shape`."""
    for axis in (0, 1):
        size = x.shape[axis]
        before, here, after = (x.take(mirror(np.arange(size) + i, size), axis) for i in (-1, 0, 1))
        even = 2 * (_TAPS[0] * before + _TAPS[2] * here + _TAPS[4] * after)
        odd = 2 * (_TAPS[1] * here + _TAPS[3] * after)
        x = np.stack([even, odd], axis + 1).reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
        x = x.take(range(shape[axis]), axis)
    return x
