"""Means over boxes of samples, and the thumbnail that a network is shown of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undim.pixels.curve import MAXIMUM, Float32, Image, to_unit
from undim.pixels.kernel import native_kernel, thread_count


def thumbnail(image: Image, long_side: int, *, threads: int | None = None) -> Float32:
    """The image in [0, 1], averaged over boxes down to `long_side` (never enlarged): (h, w, 3) float32.

    The boxes' edges are whole pixels, so that 12 megapixels are read once, in a few milliseconds and without
    a copy of the image.
    """
    height, width = image.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    if (h, w) == (height, width):
        return to_unit(image)
    return box_means(image, h, w, unit=MAXIMUM[image.dtype], threads=threads)


def box_means(samples: NDArray[Any], h: int, w: int, *, unit: float = 1.0, threads: int | None = None) -> Float32:
    """Means over h x w boxes of samples (H, W, C) or (H, W), H >= h, W >= w, in multiples of `unit`: (h, w, C), (h, w).

    samples   uint8, uint16 or float32
    threads   of the native kernel; None is every core
    """
    native = native_kernel()
    aligned = samples.flags.aligned and samples.strides[0] % samples.itemsize == 0
    if native is None or not (aligned and samples[0].flags.c_contiguous):
        return box_means_numpy(samples, h, w, unit=unit)
    means = np.empty((h, w, *samples.shape[2:]), np.float32)
    solid = samples.ndim == 3
    native.box_means(
        samples if solid else samples[..., None], means if solid else means[..., None], unit, thread_count(threads)
    )
    return means


def box_means_numpy(samples: NDArray[Any], h: int, w: int, *, unit: float = 1.0) -> Float32:
    """The reference for `box_means`; it runs where there is no kernel, or samples of a row do not lie side by side."""
    height, width, *rest = samples.shape
    down, across = np.arange(h + 1) * height // h, np.arange(w + 1) * width // w
    floating = samples.dtype == np.float32
    largest = 1 if floating else np.iinfo(samples.dtype).max * int(np.diff(down).max())
    narrow = np.float32 if floating else np.min_scalar_type(largest)  # the narrower, the faster
    rows = np.empty((h, width, *rest), np.float32)
    for i in range(h):
        rows[i] = samples[down[i] : down[i + 1]].sum(axis=0, dtype=narrow)
    boxes: Float32 = np.add.reduceat(rows, across[:-1], axis=1)
    count = np.diff(down)[:, None] * np.diff(across)
    boxes /= (count * unit).astype(np.float32).reshape(h, w, *(1 for _ in rest))
    return boxes
