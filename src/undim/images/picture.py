"""What a decoded photograph is: its pixels, and everything that must come back with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..errors import InputError, TooManyPixelsError
from .colour import Pixels, Tone

MAX_PIXELS = 250_000_000
"""Pictures of more pixels are refused as decompression bombs unless the caller raises the limit."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says about its picture.

    `exif` is a bare TIFF structure. In a `Picture` its orientation is 1 and it holds no thumbnail.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class JpegCoding:
    """How a JPEG was compressed, so that its successor can be compressed alike."""

    tables: dict[int, list[int]]
    subsampling: int
    """Pillow's number: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0, -1 is any other."""
    segments: bytes = b""
    """Marker segments that are carried along untouched (comments, IPTC, extended XMP)."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One upright photograph: RGB pixels (H, W, 3), and what the file said about them.

    `pixels` are uint8, uint16 or float32 in [0, 1], with sRGB's tone curve and the primaries of the
    profile; `tone` leads back to the file's own tone curve and depth, None where that is nothing to
    do. `grey` tells that the three channels are copies of one; `alpha` (H, W) is straight, in the
    depth of the file.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    grey: bool = False
    format: str = "PNG"
    name: str = "picture"
    metadata: Metadata = field(default_factory=Metadata)
    tone: Tone | None = None
    jpeg: JpegCoding | None = None
    lossless: bool = False

    def with_pixels(self, pixels: Pixels) -> Picture:
        """The same picture with other pixels of the same shape and dtype."""
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            raise InputError(
                f"{self.name}: got pixels {pixels.shape} {pixels.dtype}, expected "
                f"{self.pixels.shape} "
                f"{self.pixels.dtype}; an enhancer must keep the shape and dtype of its input"
            )
        return replace(self, pixels=pixels)


class Decoded(NamedTuple):
    """What a decoder hands over: the samples as they are stored, and what was said about them."""

    samples: Pixels
    """(H, W, C): grey, grey and alpha, RGB, or RGB and alpha; with `cmyk` the four inks, 0 is no
    ink.
    """
    metadata: Metadata
    cmyk: bool = False
    orientation: int = 1
    jpeg: JpegCoding | None = None
    lossless: bool = False


def check_header(width: int, height: int, frames: int, max_pixels: int) -> None:
    """Refuse decompression bombs and animations before any pixel is decoded."""
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"{width} x {height} are {width * height:,} pixels, expected at most {max_pixels:,}; "
            "raise max_pixels (--max-pixels) if you trust this file"
        )
    if frames > 1:
        raise InputError(f"{frames} frames or pages, expected one picture; save the one you want")
