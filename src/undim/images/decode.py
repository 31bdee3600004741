"""Photograph files to `Picture`. What a file is, its first bytes say; its name does not matter."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import InputError, UndimError
from . import colour, exif, extras, pillow, tiff, vips
from .colour import Pixels
from .picture import MAX_PIXELS, Decoded, Picture

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

_DECODERS: dict[str, Callable[[bytes, str, int], Decoded]] = {
    "JPEG": pillow.read,
    "PNG": pillow.read,
    "WEBP": vips.read_webp,
    "AVIF": pillow.read,
    "BMP": pillow.read,
    "TIFF": vips.read_tiff,
    "HEIF": extras.read_heif,
    "RAW": extras.read_raw,
}
_RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")  # RAF, ORF (three), RW2
_CR2_HEADER = b"II*\0\x10\0\0\0CR"
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def decode(source: Source, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> Picture:
    """The photograph in a file (a path, its bytes, or an open binary file), upright.

    `name` stands for the picture in messages; the default is the path. Raises InputError for
    whatever is not a whole, still picture of a known format with at most `max_pixels` pixels, and
    MissingExtraError for HEIC and RAW files while their extra is not installed.
    """
    data, name = _read(source, name)
    try:
        format = sniff(data)
        return assemble(_DECODERS[format](data, format, max_pixels), format, name)
    except InputError as error:
        raise type(error)(f"{name}: {error}") from error
    except UndimError:
        raise
    except Exception as error:
        # A decoder that is fed damaged bytes raises nearly anything; to the caller it is one thing.
        raise InputError(
            f"{name}: damaged or of an unusual kind "
            f"({type(error).__name__}: {' '.join(str(error).split())}); "
            "expected a whole picture, try to open and save it in another program"
        ) from error


def sniff(data: bytes) -> str:
    """The format that the first bytes of a file promise, a key of the decoders; else InputError."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"BM"):
        return "BMP"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in (b"avif", b"avis") or (brand in (b"mif1", b"msf1") and b"avif" in data[16:64]):
            return "AVIF"
        if brand == b"crx ":
            return "RAW"
        if brand in _HEIF_BRANDS:
            return "HEIF"
    if data.startswith(_RAW_MAGIC) or data[:10] == _CR2_HEADER or tiff.is_raw(data):
        return "RAW"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    nature = (
        "a GIF"
        if data.startswith(b"GIF8")
        else "not a picture that undim knows"
        if data
        else "empty"
    )
    raise InputError(f"{nature}; expected {', '.join(_DECODERS)}")


def _read(source: Source, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), name or f"{len(source)} bytes"
    if isinstance(source, str | os.PathLike):
        try:
            return Path(source).read_bytes(), name or str(source)
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"{source}: cannot be read ({reason}); expected the path of a picture"
            ) from error
    if hasattr(source, "read"):
        data = source.read()
        if isinstance(data, bytes):
            return data, name or str(getattr(source, "name", "file"))
        raise InputError(
            f"got a file that reads {type(data).__name__}, expected bytes: open it in 'rb' mode"
        )
    raise InputError(
        f"got {type(source).__name__}, expected a path, bytes or a file open for reading"
    )


def assemble(decoded: Decoded, format: str, name: str) -> Picture:
    """The samples of a file as an upright RGB picture in working tones."""
    samples, metadata = decoded.samples, decoded.metadata
    check_range(samples)
    space = colour.profile_space(metadata.icc_profile)
    if decoded.cmyk:
        samples, profile = vips.to_srgb(samples, metadata.icc_profile if space == "CMYK" else None)
        metadata = dataclasses.replace(metadata, icc_profile=profile)
    samples = _turned(samples, decoded.orientation)
    pixels, alpha, grey = split(samples)
    tone = None
    if metadata.icc_profile is not None and (space == "RGB" or (space == "GRAY" and grey)):
        try:
            tone = colour.tone_of(metadata.icc_profile, pixels.dtype)
        except ValueError:
            if pixels.dtype.kind == "f":
                pixels = colour.in_depth(pixels, np.dtype(np.uint16))
            pixels, profile = vips.to_srgb(pixels, metadata.icc_profile)
            metadata = dataclasses.replace(metadata, icc_profile=profile)
    height, width = pixels.shape[:2]
    metadata = dataclasses.replace(
        metadata,
        exif=exif.upright(metadata.exif, width, height) if metadata.exif else None,
        xmp=exif.upright_xmp(metadata.xmp) if metadata.xmp else None,
    )
    if tone is not None:
        pixels = tone.to_working(pixels)
    return Picture(
        pixels, alpha, grey, format, name, metadata, tone, decoded.jpeg, decoded.lossless
    )


def check_range(samples: Pixels) -> None:
    """Refuse float samples that are not finite or not in [0, 1]."""
    if samples.dtype.kind == "f":
        low, high = float(samples.min()), float(samples.max())
        if not (low >= 0 and high <= 1):  # also true of NaN
            raise InputError(
                f"got float samples from {low:g} to {high:g}, expected finite values in [0, 1]; "
                "scale them first"
            )


def split(samples: Pixels) -> tuple[Pixels, Pixels | None, bool]:
    """(H, W, 1 to 4) as (RGB pixels, alpha or None, whether it was grey)."""
    channels = samples.shape[2]
    alpha = samples[..., -1].copy() if channels in (2, 4) else None
    if channels <= 2:
        return np.repeat(samples[..., :1], 3, axis=2), alpha, True
    return np.ascontiguousarray(samples[..., :3]), alpha, False


def _turned(samples: Pixels, orientation: int) -> Pixels:
    """The samples (H, W, C) turned upright from one of Exif's orientations, contiguous."""
    if orientation == 1:
        return samples
    # One opaque element per pixel: whole pixels are moved, several times faster than single
    # samples.
    pixel = np.dtype((np.void, samples.itemsize * samples.shape[2]))
    plane = np.ascontiguousarray(samples).view(pixel)[..., 0]
    if orientation in (5, 6, 7, 8):
        plane = plane.T
    if orientation in (2, 3, 6, 7):
        plane = plane[:, ::-1]
    if orientation in (3, 4, 7, 8):
        plane = plane[::-1]
    return np.ascontiguousarray(plane)[..., None].view(samples.dtype)
