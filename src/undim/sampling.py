"""What a network is shown of an image: a thumbnail of the whole, or all of it in tiles."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from undim.curves import MAXIMUM, Float32, Image, to_unit

TILE = 768  # side in pixels: DCE-Net then takes about 0.5 GB


def thumbnail(image: Image, long_side: int) -> Float32:
    """The image in [0, 1], averaged over boxes down to `long_side` (never enlarged): (h, w, 3) float32.

    The boxes' edges are whole pixels, so that 12 megapixels are read once, in a few milliseconds and without
    a copy of the image.
    """
    height, width = image.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    if (h, w) == (height, width):
        return to_unit(image)
    down, across = np.arange(h + 1) * height // h, np.arange(w + 1) * width // w
    largest = int(MAXIMUM[image.dtype]) * int(np.diff(down).max())
    narrow = np.float32 if image.dtype == np.float32 else np.min_scalar_type(largest)  # the narrower, the faster
    rows = np.empty((h, width, 3), np.float32)
    for i in range(h):
        rows[i] = image[down[i] : down[i + 1]].sum(axis=0, dtype=narrow)
    boxes: Float32 = np.add.reduceat(rows, across[:-1], axis=1)
    count = np.diff(down)[:, None, None] * np.diff(across)[None, :, None]
    boxes /= (count * MAXIMUM[image.dtype]).astype(np.float32)
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
