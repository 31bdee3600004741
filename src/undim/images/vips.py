"""What libvips can and Pillow cannot: 16 bits in PNG, TIFF and colour, and WebP in less memory.

libvips comes in 8 MB wheels for Linux, macOS and Windows (LGPL-3.0, linked dynamically), reads
every TIFF that libtiff reads, and is loaded only when a picture needs it. Metadata are read and
written elsewhere.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from ..errors import InputError
from . import exif, tiff
from .colour import Pixels
from .picture import Decoded, Metadata, check_header

_SPACES = ("b-w", "grey16", "srgb", "rgb", "rgb16", "scrgb", "cmyk")
_FORMATS = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}


@functools.cache
def _vips() -> Any:
    import logging

    import pyvips  # type: ignore[import-untyped]

    # Its complaints about damaged files also come as exceptions.
    logging.getLogger("pyvips").addHandler(logging.NullHandler())
    # The cache of results would keep the bytes of the last hundred files in memory.
    pyvips.cache_set_max(0)
    return pyvips


def read_tiff(data: bytes, format: str, max_pixels: int) -> Decoded:
    """A TIFF file: grey, RGB, palette or CMYK, of 1 to 16 bits or float32 in [0, 1]."""
    image = open_image(data)
    check_header(image.width, image.height, image.get_n_pages(), max_pixels)
    # The profile, XMP and the orientation also where a BigTIFF or a damaged tag hides the rest from
    # `tiff`.
    xmp, icc_profile = _field(image, "xmp-data"), _field(image, "icc-profile-data")
    metadata = dataclasses.replace(tiff.metadata_of(data), xmp=xmp, icc_profile=icc_profile)
    return Decoded(
        samples(image),
        metadata,
        cmyk=image.interpretation == "cmyk",
        orientation=_field(image, "orientation") or exif.orientation(metadata.exif, metadata.xmp),
    )


def read_webp(data: bytes, format: str, max_pixels: int) -> Decoded:
    """A WebP file."""
    image = open_image(data)
    check_header(image.width, image.height, _field(image, "n-pages") or 1, max_pixels)
    block, xmp, icc_profile = (
        _field(image, f"{name}-data") for name in ("exif", "xmp", "icc-profile")
    )
    metadata = Metadata(block and block.removeprefix(b"Exif\0\0"), xmp, icc_profile)
    return Decoded(
        samples(image),
        metadata,
        orientation=exif.orientation(metadata.exif, metadata.xmp),
        lossless=_is_lossless_webp(data),
    )


def _field(image: Any, name: str) -> Any:
    return image.get(name) if image.get_typeof(name) else None


def _is_lossless_webp(data: bytes) -> bool:
    position = 12
    while position + 8 <= len(data):
        name, size = (
            data[position : position + 4],
            int.from_bytes(data[position + 4 : position + 8], "little"),
        )
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        position += 8 + size + size % 2
    return False


def open_image(data: bytes) -> Any:
    """The header of a PNG, TIFF or WebP file; no pixels yet."""
    return _vips().Image.new_from_buffer(data, "", access="sequential", fail_on="error")


def samples(image: Any) -> Pixels:
    """The pixels (H, W, C) of an opened image, uint8, uint16 or float32; alpha is made straight."""
    space, bands, depth = image.interpretation, image.bands, image.format
    if space not in _SPACES or bands > 4 + (space == "cmyk") or depth not in _FORMATS.values():
        raise InputError(
            f"{bands} channels of {space} in {depth}, expected grey, RGB or CMYK in 8 or 16 bits "
            "or float"
        )
    array: Pixels = image.numpy().reshape(image.height, image.width, bands)
    return array


def to_srgb(array: Pixels, icc_profile: bytes | None) -> tuple[Pixels, bytes]:
    """RGB or CMYK (H, W, 3 or 4) of a profile as sRGB of the same dtype, and sRGB's profile.

    Relative colorimetric with black point compensation; CMYK without a profile is taken for a
    generic press.
    """
    cmyk = array.shape[2] == 4
    image = _image(array, "cmyk" if cmyk else "rgb16" if array.dtype == np.uint16 else "srgb")
    if icc_profile is not None:
        image = image.copy()
        image.set_type(_vips().GValue.blob_type, "icc-profile-data", icc_profile)
    converted = image.icc_transform(
        "srgb",
        embedded=True,
        input_profile="cmyk" if cmyk else "srgb",
        intent="relative",
        black_point_compensation=True,
        depth=8 if array.dtype == np.uint8 else 16,
    )
    return converted.numpy(), converted.get("icc-profile-data")


def write_tiff(array: Pixels, alpha: bool) -> bytes:
    """A TIFF of (H, W, 1 to 4) uint8, uint16 or float32, deflated, without metadata."""
    predictor = "float" if array.dtype == np.float32 else "horizontal"
    data: bytes = _image(array, _interpretation(array, alpha)).tiffsave_buffer(
        compression="deflate", predictor=predictor, keep="none"
    )
    return data


def write_png(array: Pixels, alpha: bool) -> bytes:
    """A PNG without metadata of (H, W, 1 to 4) uint16."""
    data: bytes = _image(array, _interpretation(array, alpha)).pngsave_buffer(keep="none")
    return data


def _interpretation(array: Pixels, alpha: bool) -> str:
    grey = array.shape[2] - alpha == 1
    deep = array.dtype == np.uint16
    if array.dtype == np.float32:
        return "b-w" if grey else "srgb"
    return ("grey16" if deep else "b-w") if grey else ("rgb16" if deep else "srgb")


def _image(array: Pixels, interpretation: str) -> Any:
    height, width, bands = array.shape
    image = _vips().Image.new_from_memory(
        np.ascontiguousarray(array).data, width, height, bands, _FORMATS[array.dtype.name]
    )
    return image.copy(interpretation=interpretation)
