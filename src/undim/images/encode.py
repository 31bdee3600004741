"""`Picture` to the bytes of a file, with everything that the picture carries."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from ..errors import InputError, OutputError, UndimError
from . import colour, exif, extras, jpeg, pillow, png, tiff, vips
from .colour import Pixels, in_depth
from .picture import Metadata, Picture

EXTENSIONS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".heic": "HEIF",
    ".heif": "HEIF",
}
"""Suffix to the format that is written; the first suffix of a format is the one that new files get.
"""
RAW_EXTENSIONS = (
    ".dng",
    ".cr2",
    ".cr3",
    ".nef",
    ".nrw",
    ".arw",
    ".raf",
    ".orf",
    ".rw2",
    ".pef",
    ".srw",
)
"""Suffixes of camera raw files, which are read but never written: their pictures become TIFF files.
"""

_DEPTHS = {
    "JPEG": (np.uint8,),
    "WEBP": (np.uint8,),
    "AVIF": (np.uint8,),
    "BMP": (np.uint8,),
    "PNG": (np.uint8, np.uint16),
    "HEIF": (np.uint8, np.uint16),
    "TIFF": (np.uint8, np.uint16, np.float32),
}
_QUALITY = {"JPEG": 92, "WEBP": 90, "AVIF": 85, "HEIF": 90}
_NO_ALPHA, _NO_GREY_PROFILE = ("JPEG", "BMP"), ("WEBP", "AVIF", "HEIF", "BMP")


def encode(
    picture: Picture,
    format: str | None = None,
    quality: int | None = None,
    *,
    strip_gps: bool = False,
) -> bytes:
    """The picture as a file with its metadata.

    format     "jpeg", "png" ... ; default: the format of the picture, TIFF for camera raw files
    quality    1 to 100 for JPEG, WebP, AVIF and HEIC; by default a JPEG keeps its quantisation
               tables and subsampling and a lossless WebP stays lossless
    strip_gps  leave out where the picture was taken, in EXIF and XMP

    The depth is that of the file it came from, or the next one that the format can hold. JPEG and
    BMP cannot hold alpha: it is dropped. Raises InputError for a format or quality that is none,
    OutputError where the format has no pictures of this size.
    """
    format = (
        format_named(format) if format else "TIFF" if picture.format == "RAW" else picture.format
    )
    if quality is not None and not 1 <= quality <= 100:
        raise InputError(f"got quality {quality}, expected 1 to 100")
    try:
        return _encoded(picture, format, quality, strip_gps)
    except UndimError:
        raise
    except Exception as error:
        # Each of the encoders complains in its own way about sizes that its format does not have.
        height, width = picture.pixels.shape[:2]
        raise OutputError(
            f"{picture.name}: {width} x {height} pixels cannot be written as {format}: {error}"
        ) from error


def _encoded(picture: Picture, format: str, quality: int | None, strip_gps: bool) -> bytes:
    samples, metadata = _samples(picture, format)
    if strip_gps:
        metadata = _without_gps(metadata)
    if format == "TIFF":
        return tiff.with_metadata(vips.write_tiff(samples, picture.alpha is not None), metadata)
    if format == "PNG" and samples.dtype == np.uint16:
        return png.with_metadata(vips.write_png(samples, picture.alpha is not None), metadata)
    if format == "HEIF":
        return extras.write_heif(samples, metadata, quality or _QUALITY[format])
    options = _coding(picture, format, quality)
    if format == "PNG":
        return png.with_metadata(_saved(samples, format, options), metadata)
    return _saved(samples, format, options | _carried(picture, metadata, format, strip_gps))


def format_named(name: str) -> str:
    """The format for "jpg", ".JPG", "jpeg", "JPEG" and the like."""
    format = EXTENSIONS.get("." + name.lower().lstrip("."))
    if format is None:
        names = ", ".join(suffix[1:] for suffix in EXTENSIONS)
        raise InputError(f"got format {name!r}, expected one of {names}")
    return format


def output_suffix(source: Path, format: str | None = None) -> str:
    """The suffix of an output: the photograph's own or that of `format`; `.tif` for camera raw."""
    if format is not None and EXTENSIONS.get(source.suffix.lower()) != format_named(format):
        return "." + format.lower().lstrip(".")
    return ".tif" if source.suffix.lower() in RAW_EXTENSIONS else source.suffix


def _samples(picture: Picture, format: str) -> tuple[Pixels, Metadata]:
    """The samples (H, W, C) to be stored, and the metadata with the profile that they are in."""
    pixels, metadata = picture.pixels, picture.metadata
    if format in _NO_GREY_PROFILE and colour.profile_space(metadata.icc_profile) == "GRAY":
        metadata = dataclasses.replace(metadata, icc_profile=None)  # working tones are sRGB's
    elif picture.tone is not None:
        pixels = picture.tone.to_file(pixels)
    depth = _depth(picture, format)
    pixels = in_depth(pixels, depth)
    if format == "BMP" and metadata.icc_profile is not None:
        pixels, _ = vips.to_srgb(pixels, metadata.icc_profile)
    alpha = None if picture.alpha is None or format in _NO_ALPHA else in_depth(picture.alpha, depth)
    return join(pixels, alpha, picture.grey), metadata


def _depth(picture: Picture, format: str) -> np.dtype[Any]:
    depth = picture.pixels.dtype if picture.tone is None else picture.tone.depth
    return depth if depth in _DEPTHS[format] else np.dtype(_DEPTHS[format][-1])


def join(pixels: Pixels, alpha: Pixels | None, grey: bool) -> Pixels:
    """RGB pixels and alpha as samples (H, W, C).

    Where the picture is grey there is one colour channel, the luma.
    """
    if grey:
        pixels = colour.luma(pixels)[..., None]
    return pixels if alpha is None else np.dstack((pixels, alpha))


def _saved(samples: Pixels, format: str, options: dict[str, Any]) -> bytes:
    image = pillow.pack(samples)
    del samples
    pillow.plugin(format)
    # Pillow lets other threads run while it encodes into a real file, not while it encodes into a
    # BytesIO.
    with _scratch() as file:
        # What `image.save` comes to, once it has imported the plugins of five formats.
        image.encoderinfo, image.encoderconfig = options, ()
        Image.SAVE[format](image, file, "")
        file.seek(0)
        return file.read()


def _scratch() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("undim"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


def _coding(picture: Picture, format: str, quality: int | None) -> dict[str, Any]:
    """How the pixels are compressed."""
    if format == "JPEG" and quality is None and picture.jpeg is not None:
        return {"qtables": picture.jpeg.tables, "subsampling": picture.jpeg.subsampling}
    if format == "JPEG":
        return {"quality": quality or _QUALITY[format], "subsampling": 0}
    if format == "WEBP" and quality is None and picture.lossless:
        return {"lossless": True}
    if format == "AVIF" and not picture.grey:
        return {"quality": quality or _QUALITY[format], "subsampling": "4:4:4"}
    return {"quality": quality or _QUALITY[format]} if format in _QUALITY else {}


def _carried(picture: Picture, metadata: Metadata, format: str, strip_gps: bool) -> dict[str, Any]:
    """The metadata, as Pillow's writer of the format wants it."""
    block, xmp = metadata.exif, metadata.xmp
    options: dict[str, Any] = {"dpi": metadata.dpi}
    if format == "BMP":
        pass
    elif format == "JPEG":
        segments = picture.jpeg.segments if picture.jpeg is not None else b""
        if strip_gps and b"GPS" in segments:
            segments = b""
        first, more = jpeg.exif_segments(block) if block else (None, b"")
        xmp, extension = jpeg.xmp_segments(xmp) if xmp else (None, b"")
        options |= {"exif": first, "xmp": xmp, "extra": more + extension + segments}
        options |= {"icc_profile": metadata.icc_profile}
    else:
        # Pillow's AVIF writer would rebuild a block that names an orientation, and lose maker
        # notes.
        block = exif.without_tag(block, exif.ORIENTATION) if block and format == "AVIF" else block
        options |= {"exif": block, "xmp": xmp, "icc_profile": metadata.icc_profile}
    return {key: value for key, value in options.items() if value is not None}


def _without_gps(metadata: Metadata) -> Metadata:
    return dataclasses.replace(
        metadata,
        exif=exif.without_tag(metadata.exif, exif.GPS_IFD) if metadata.exif else None,
        xmp=exif.xmp_without_gps(metadata.xmp) if metadata.xmp else None,
    )
