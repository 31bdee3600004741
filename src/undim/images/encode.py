"""`Picture` to the bytes of a file, with everything that the picture carries."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import InputError
from . import metadata
from .picture import Picture, Pixels

EXTENSIONS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".bmp": "BMP",
}
"""Suffix to format; the first suffix of a format is the one that new files get."""
DEFAULT_QUALITY = {"JPEG": 92, "WEBP": 90, "AVIF": 85}
_LONGEST_SEGMENT = 65533


def encode(
    picture: Picture, format: str | None = None, quality: int | None = None, *, strip_gps: bool = False
) -> bytes:
    """The picture as a file of `format` (default: its own) with its metadata.

    `quality` 1 to 100 applies to JPEG, WebP and AVIF; by default a JPEG keeps its tables and subsampling,
    a lossless WebP stays lossless. `strip_gps` takes the place of the shot out of EXIF and XMP.
    """
    format = format_named(format) if format else picture.format
    if quality is not None and not 1 <= quality <= 100:
        raise InputError(f"got quality {quality}, expected 1 to 100")
    image = pack(picture.pixels, None if format in ("JPEG", "BMP") else picture.alpha, picture.grey)
    options = _coding(picture, format, quality) | _carried(picture, format, strip_gps)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def format_named(name: str) -> str:
    """The format for "jpg", ".JPG", "jpeg", "JPEG" and the like."""
    format = EXTENSIONS.get("." + name.lower().lstrip("."))
    if format is None:
        names = ", ".join(suffix[1:] for suffix in EXTENSIONS)
        raise InputError(f"got format {name!r}, expected one of {names}")
    return format


def pack(pixels: Pixels, alpha: Pixels | None, grey: bool) -> Image.Image:
    """RGB pixels of 8 bits, and alpha, as a Pillow image of mode RGB, RGBA, L or LA."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if grey:
        image = image.convert("L")
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    return image


def _coding(picture: Picture, format: str, quality: int | None) -> dict[str, Any]:
    """How the pixels are compressed."""
    if format == "JPEG" and quality is None and picture.jpeg is not None:
        return {"qtables": picture.jpeg.tables, "subsampling": picture.jpeg.subsampling}
    if format == "JPEG":
        return {"quality": quality or DEFAULT_QUALITY[format], "subsampling": 0}
    if format == "WEBP" and quality is None and picture.lossless:
        return {"lossless": True}
    return {"quality": quality or DEFAULT_QUALITY[format]} if format in DEFAULT_QUALITY else {}


def _carried(picture: Picture, format: str, strip_gps: bool) -> dict[str, Any]:
    """The metadata, as Pillow's writer of the format wants it."""
    exif, xmp = picture.exif, picture.xmp
    segments = picture.jpeg.segments if picture.jpeg is not None else b""
    if strip_gps:
        exif = metadata.without_tag(exif, metadata.GPS_IFD) if exif else None
        xmp = metadata.xmp_without_gps(xmp) if xmp else None
        segments = b"" if b"GPS" in segments else segments
    if exif and format == "AVIF":
        # Pillow would rebuild a block that names an orientation, and lose maker notes on the way.
        exif = metadata.without_tag(exif, metadata.ORIENTATION)
    options: dict[str, Any] = {"icc_profile": picture.icc_profile, "dpi": picture.dpi}
    if format == "BMP":
        del options["icc_profile"]
    elif format == "PNG":
        text = PngImagePlugin.PngInfo()
        if xmp:
            text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
        options |= {"exif": exif, "pnginfo": text}
    elif format == "JPEG":
        options |= {"exif": b"Exif\0\0" + exif if exif else b"", "xmp": xmp, "extra": segments}
    else:
        options |= {"exif": exif, "xmp": xmp}
    return {key: value for key, value in options.items() if value is not None}
