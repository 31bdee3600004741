"""HEIC and camera raw files, read by optional packages.

Licences: the wheels of pillow-heif carry x265 (GPL-2.0), those of rawpy carry LibRaw (LGPL-2.1 or
    CDDL-1.0).
"""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np

from ..errors import MissingExtraError
from . import pillow, tiff
from .colour import Pixels
from .picture import Decoded, Metadata, check_header


def read_heif(data: bytes, format: str, max_pixels: int) -> Decoded:
    """The primary picture of a HEIC file, upright; 10 and 12 bits come as 16."""
    heif = _module("pillow_heif", "heic", "to read HEIC files")
    file = heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    width, height = file.size
    check_header(width, height, 1, max_pixels)
    block = file.info.get("exif")
    samples: Pixels = np.asarray(file)
    return Decoded(
        samples.reshape(*samples.shape[:2], -1),
        Metadata(
            block.removeprefix(b"Exif\0\0") if block else None,
            file.info.get("xmp"),
            file.info.get("icc_profile"),
        ),
    )


def write_heif(samples: Pixels, metadata: Metadata, quality: int) -> bytes:
    """A HEIC file of (H, W, 1 to 4) samples; 16 bits are stored as 10."""
    heif = _module("pillow_heif", "heic", "to write HEIC files")
    height, width, channels = samples.shape
    mode = ("L", "LA", "RGB", "RGBA")[channels - 1] + (";16" if samples.dtype == np.uint16 else "")
    image = heif.from_bytes(mode, (width, height), np.ascontiguousarray(samples).tobytes())
    if metadata.icc_profile:
        image.info["icc_profile"] = metadata.icc_profile
    file = io.BytesIO()
    image.save(file, quality=quality, exif=metadata.exif, xmp=metadata.xmp)
    return file.getvalue()


def read_raw(data: bytes, format: str, max_pixels: int) -> Decoded:
    """A camera's raw file, developed to 16-bit sRGB with the camera's white balance, upright.

    No automatic brightening: how bright the picture is to be is the model's decision.
    """
    rawpy = _module("rawpy", "raw", "to read camera raw files")
    with rawpy.imread(io.BytesIO(data)) as raw:
        check_header(raw.sizes.width, raw.sizes.height, 1, max_pixels)
        exif = _raw_exif(data, raw, rawpy)
        samples: Pixels = raw.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            output_bps=16,
            output_color=rawpy.ColorSpace.sRGB,
            gamma=(2.4, 12.92),
        )
    return Decoded(samples, Metadata(exif))


def _raw_exif(data: bytes, raw: Any, rawpy: Any) -> bytes | None:
    """EXIF from the raw file where it is a TIFF, else from the camera's JPEG preview in it."""
    exif = tiff.metadata_of(data).exif
    if exif is None:
        try:
            preview = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
            return None
        if preview.format == rawpy.ThumbFormat.JPEG:
            exif = pillow.read(preview.data, "JPEG", 1 << 40).metadata.exif
    return exif


def _module(name: str, extra: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(extra, purpose) from error
