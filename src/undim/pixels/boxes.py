"""Means over boxes of samples, and the thumbnail that a network is shown of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undim.pixels.kernel import kernel, thread_count
from undim.pixels.samples import MAXIMUM, Float32, Image, to_unit


def thumbnail(image: Image, long_side: int, *, threads: int | None = None) -> Float32:
    """The image in [0, 1], averaged down to `long_side`, never enlarged: (h, w, 3) float32.

    The boxes' edges are whole pixels, so that 12 megapixels are read once, in a few milliseconds
    and without a copy of the image.
    """
    height, width = image.shape[:2]
    h, w = reduced(height, width, long_side)
    if (h, w) == (height, width):
        return to_unit(image)
    return box_means(image, h, w, unit=MAXIMUM[image.dtype], threads=threads)


def reduced(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Height and width at that long side, at least 1 each, never enlarged."""
    scale = min(1.0, long_side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def box_means(
    samples: NDArray[Any], h: int, w: int, *, unit: float = 1.0, threads: int | None = None
) -> Float32:
    """Means over h x w boxes of samples (H, W, C) or (H, W), H >= h, W >= w: (h, w, C) or (h, w).

    samples   uint8, uint16 or float32
    unit      what the means are multiples of
    threads   None is every core
    """
    means = np.empty((h, w, *samples.shape[2:]), np.float32)
    if samples.ndim == 2:
        samples, out = samples[..., None], means[..., None]
    else:
        out = means
    aligned = samples.flags.aligned and samples.strides[0] % samples.itemsize == 0
    if not (aligned and samples[0].flags.c_contiguous):
        samples = np.array(samples, order="C")
    kernel().box_means(samples, out, unit, thread_count(threads))
    return means
