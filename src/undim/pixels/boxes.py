"""What a network is shown of an image: a thumbnail of the whole, or all of it in tiles."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undim.curves import MAXIMUM, Float32, Image, to_unit
from undim.kernel import native_kernel, thread_count

TILE = 768  # side in pixels: DCE-Net then takes about 0.5 GB


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


class Tile(NamedTuple):
    """A part of an image: where it lies, where it lies with its halo, and where it lies in the latter."""

    core: tuple[slice, slice]
    around: tuple[slice, slice]
    inner: tuple[slice, slice]


def tiles(height: int, width: int, *, halo: int | None) -> Iterator[Tile]:
    """Cut an image into tiles with `halo` more pixels around each; None leaves it whole."""
    step, margin = (max(height, width), 0) if halo is None else (TILE, halo)

    def cut(length: int) -> list[tuple[slice, slice, slice]]:
        cuts = []
        for start in range(0, length, step):
            stop, first = min(start + step, length), max(start - margin, 0)
            cuts.append((slice(start, stop), slice(first, stop + margin), slice(start - first, stop - first)))
        return cuts

    for rows, columns in itertools.product(cut(height), cut(width)):
        yield Tile(*zip(rows, columns, strict=True))
