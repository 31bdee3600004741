"""Photograph files to `Picture`: what is in the file is found by its first bytes, never by its name."""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from ..errors import InputError, UndimError
from . import metadata
from .picture import MAX_PIXELS, JpegCoding, Picture, Pixels, check_size

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

# The plugins are named one by one: Image.open() would judge sizes by a limit that is global to the process,
# and would offer every exotic format to hostile bytes.
_PLUGINS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}
_BAND = 1 << 22  # bytes copied at a time out of a Pillow image: a few MB stay in the cache


def decode(source: Source, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> Picture:
    """The photograph in a file (a path, its bytes, or an open binary file), upright.

    `name` stands for the picture in messages; the default is the path. Raises InputError for whatever is no
    whole, still picture of a known format with at most `max_pixels` pixels.
    """
    data, name = _read(source, name)
    format = sniff(data)
    if format is None:
        raise InputError(f"{name}: not a picture that undim knows; expected {', '.join(_PLUGINS)}")
    try:
        return _decode_with_pillow(data, format, max_pixels, name)
    except UndimError:
        raise
    except Exception as error:
        # A decoder that is fed damaged bytes raises nearly anything; to the caller it is one thing.
        raise InputError(
            f"{name}: a damaged or unusual {format} file ({type(error).__name__}: {error}); "
            "expected a whole picture, try to open and save it in another program"
        ) from error


def sniff(data: bytes) -> str | None:
    """The format that the first bytes of a file promise, None if unknown."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"BM"):
        return "BMP"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "AVIF"
    return None


def _read(source: Source, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), name or f"{len(source)} bytes"
    if isinstance(source, str | os.PathLike):
        try:
            return Path(source).read_bytes(), name or str(source)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"{source}: cannot be read ({reason}); expected the path of a picture"
            ) from error
    if hasattr(source, "read"):
        data = source.read()
        if isinstance(data, bytes):
            return data, name or str(getattr(source, "name", "file"))
        raise InputError(f"got a file that reads {type(data).__name__}, expected bytes: open it in 'rb' mode")
    raise InputError(f"got {type(source).__name__}, expected a path, bytes or a file open for reading")


def _decode_with_pillow(data: bytes, format: str, max_pixels: int, name: str) -> Picture:
    with _quiet():
        image = _PLUGINS[format](io.BytesIO(data))
    check_size(*image.size, max_pixels, name)
    if getattr(image, "n_frames", 1) > 1:
        raise InputError(
            f"{name}: an animation of {image.n_frames} frames, expected one picture; "  # type: ignore[attr-defined]
            "use `undim video`, or save the frame you want"
        )
    image.load()
    info = image.info
    exif, xmp = info.get("exif"), info.get("xmp")
    exif = exif.removeprefix(b"Exif\0\0") if exif else None
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    pixels, alpha, grey = unpack(image)
    orientation = metadata.exif_orientation(exif, xmp)
    pixels, alpha = upright(pixels, orientation), None if alpha is None else upright(alpha, orientation)
    height, width = pixels.shape[:2]
    return Picture(
        pixels,
        alpha,
        grey,
        format,
        name,
        exif=metadata.upright_exif(exif, width, height) if exif else None,
        xmp=metadata.upright_xmp(xmp) if xmp else None,
        icc_profile=info.get("icc_profile"),
        dpi=_dpi(info),
        jpeg=_jpeg_coding(image) if isinstance(image, JpegImagePlugin.JpegImageFile) else None,
        lossless=format == "WEBP" and b"VP8L" in data[12:4096],
    )


_warnings_lock = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings from Pillow's header parsers, which may meet damaged EXIF.

    `catch_warnings` swaps state of the whole process, hence one thread at a time and only for the header.
    """
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def unpack(image: Image.Image) -> tuple[Pixels, Pixels | None, bool]:
    """A loaded Pillow image as (RGB pixels, alpha or None, whether it was grey)."""
    if image.mode in ("P", "PA", "1") or "transparency" in image.info:
        image = image.convert(_plain_mode(image))
    if image.mode not in ("RGB", "RGBA", "L", "LA"):
        raise InputError(f"a picture of Pillow's mode {image.mode}, expected RGB, RGBA, L, LA, P or 1")
    channels = len(image.getbands())
    width, height = image.size
    array = np.empty((height, width, channels), np.uint8)
    rows = max(1, _BAND // (width * channels))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        array[top:bottom] = np.asarray(image.crop((0, top, width, bottom))).reshape(-1, width, channels)
    return split(array)


def split(array: Pixels) -> tuple[Pixels, Pixels | None, bool]:
    """(H, W, 1 to 4) as (RGB pixels, alpha or None, whether it was grey)."""
    channels = array.shape[2]
    alpha = array[..., -1].copy() if channels in (2, 4) else None
    if channels <= 2:
        return np.repeat(array[..., :1], 3, axis=2), alpha, True
    return np.ascontiguousarray(array[..., :3]), alpha, False


def upright(array: Pixels, orientation: int) -> Pixels:
    """The array (H, W) or (H, W, C) turned as Exif's orientation asks, contiguous."""
    if orientation == 1:
        return array
    # One opaque element per pixel: whole pixels are moved, several times faster than single samples.
    pixel = np.dtype((np.void, array.itemsize * (array.shape[2] if array.ndim == 3 else 1)))
    plane = np.ascontiguousarray(array).view(pixel).reshape(array.shape[:2])
    if orientation in (5, 6, 7, 8):
        plane = plane.T
    if orientation in (2, 3, 6, 7):
        plane = plane[:, ::-1]
    if orientation in (3, 4, 7, 8):
        plane = plane[::-1]
    plane = np.ascontiguousarray(plane)
    return plane.view(array.dtype).reshape(*plane.shape, *array.shape[2:])


def _plain_mode(image: Image.Image) -> str:
    if image.mode == "1":
        return "L"
    transparent = image.mode == "PA" or "transparency" in image.info
    return ("LA" if image.mode == "L" else "RGBA") if transparent else "RGB"


def _dpi(info: dict[Any, Any]) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _jpeg_coding(image: JpegImagePlugin.JpegImageFile) -> JpegCoding | None:
    if image.mode not in ("RGB", "L"):
        return None
    carried = (b"Photoshop 3.0\0", b"http://ns.adobe.com/xmp/extension/\0")
    segments = b"".join(
        b"\xff" + bytes([0xE0 + int(app[3:])]) + (len(content) + 2).to_bytes(2, "big") + content
        for app, content in image.applist
        if content.startswith(carried)
    )
    subsampling = JpegImagePlugin.get_sampling(image) if image.mode == "RGB" else -1
    return JpegCoding(dict(image.quantization), subsampling, segments)
