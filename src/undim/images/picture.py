"""What a decoded photograph is: its pixels, and everything that must come back with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, TooManyPixelsError

Pixels = NDArray[Any]
"""An array of `uint8`, `uint16` or `float32` in [0, 1]."""

DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))

MAX_PIXELS = 250_000_000
"""Pictures of more pixels are refused as decompression bombs unless the caller raises the limit."""


@dataclass(frozen=True, slots=True)
class JpegCoding:
    """How a JPEG was compressed, so that its successor can be compressed alike."""

    tables: dict[int, list[int]]
    subsampling: int
    """Pillow's number: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0, -1 is any other."""
    segments: bytes = b""
    """Marker segments that are carried along untouched (IPTC, extended XMP)."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One upright photograph: RGB pixels (H, W, 3), and what the file said about them.

    `grey` tells that the three channels are copies of one; `alpha` (H, W) is straight, in the dtype of the
    pixels. `exif` is a bare TIFF structure whose orientation is 1 and which holds no thumbnail.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    grey: bool = False
    format: str = "PNG"
    name: str = "picture"
    exif: bytes | None = None
    xmp: bytes | None = None
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None
    jpeg: JpegCoding | None = None
    lossless: bool = False

    def with_pixels(self, pixels: Pixels) -> Picture:
        """The same picture with other pixels of the same shape and dtype."""
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            raise InputError(
                f"{self.name}: got pixels {pixels.shape} {pixels.dtype}, expected {self.pixels.shape} "
                f"{self.pixels.dtype}; an enhancer must keep the shape and dtype of its input"
            )
        return replace(self, pixels=pixels)


def check_size(width: int, height: int, max_pixels: int, name: str) -> None:
    """Refuse a decompression bomb before its pixels are decoded."""
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"{name}: {width} x {height} is {width * height / 1e6:.0f} megapixels, expected at most "
            f"{max_pixels / 1e6:.0f}; raise max_pixels if you trust this file"
        )
