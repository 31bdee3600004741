"""What Pillow reads: JPEG, AVIF, BMP, PNG of 8 bits, and Pillow's images themselves."""

from __future__ import annotations

import importlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError
from . import exif, jpeg, vips
from .colour import Pixels
from .picture import Decoded, Metadata, check_header

# The plugins are named one by one: Image.open() would judge sizes by a limit that is global to the
# process, would offer every exotic format to hostile bytes, and would import all of them first.
_PLUGINS = {"JPEG": "Jpeg", "PNG": "Png", "WEBP": "WebP", "AVIF": "Avif", "BMP": "Bmp"}
# bytes: beyond 128 KB a fresh process asks the system for each piece anew, in thrice the time
_BAND = 120_000


def read(data: bytes, format: str, max_pixels: int) -> Decoded:
    """A file of one of Pillow's formats.

    libvips decodes PNG pixels of 16 bits, which Pillow cannot hold.
    """
    with _quiet():
        image = getattr(plugin(format), f"{_PLUGINS[format]}ImageFile")(io.BytesIO(data))
    width, height = image.size
    check_header(width, height, getattr(image, "n_frames", 1), max_pixels)
    if format == "PNG" and data[24] == 16:
        samples = vips.samples(vips.open_image(data))
    else:
        image.decodermaxblock = len(
            data
        )  # one piece: between pieces, other threads would hold the interpreter
        image.load()
        samples = unpack(image)
    info: dict[Any, Any] = image.info
    block, xmp = info.get("exif"), info.get("xmp")
    metadata = Metadata(
        block.removeprefix(b"Exif\0\0") if block else None,
        xmp.encode() if isinstance(xmp, str) else xmp,
        info.get("icc_profile"),
        _dpi(info),
    )
    return Decoded(
        samples,
        metadata,
        cmyk=image.mode == "CMYK",
        orientation=exif.orientation(metadata.exif, metadata.xmp),
        jpeg=jpeg.coding_of(image) if format == "JPEG" else None,
    )


def plugin(format: str) -> Any:
    """Pillow's module for a format, imported and thereby ready to read and write it."""
    return importlib.import_module(f"PIL.{_PLUGINS[format]}ImagePlugin")


_warnings_lock = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings from Pillow's header parsers, which may meet damaged EXIF.

    `catch_warnings` swaps state of the whole process, hence one thread at a time and only for the
    header.
    """
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def unpack(image: Image.Image) -> Pixels:
    """The samples (H, W, 1 to 4) of a Pillow image: palettes resolved, colour keys made alpha."""
    transparent = image.mode == "PA" or "transparency" in image.info
    if image.mode in ("1", "L", "I;16") and not transparent:
        mode = "L" if image.mode == "1" else image.mode
    elif image.mode in ("1", "L", "LA"):
        mode = "LA"
    elif image.mode in ("F", "RGBA", "CMYK"):
        mode = image.mode
    elif image.mode in ("P", "PA", "RGB", "RGBX", "RGBa", "YCbCr", "HSV"):
        mode = "RGBA" if transparent or image.mode == "RGBa" else "RGB"
    else:
        raise InputError(
            f"got Pillow's mode {image.mode}, expected RGB, RGBA, L, LA, P, CMYK, 1, I;16 or F"
        )
    if mode != image.mode:
        image = image.convert(mode)
    image.load()
    width, height = image.size
    dtype = {"I;16": np.uint16, "F": np.float32}.get(mode, np.uint8)
    samples = np.empty((height, width, len(image.getbands())), dtype)
    # As `tobytes` does it, but each piece goes to its place while it is in the cache.
    encoder = Image._getencoder(mode, "raw", mode)
    encoder.setimage(image.im, None)
    flat, done, status = samples.reshape(-1).view(np.uint8), 0, 0
    while status == 0:
        _, status, packed = encoder.encode(max(_BAND, 4 * width))
        flat[done : done + len(packed)] = np.frombuffer(packed, np.uint8)
        done += len(packed)
    if done != flat.size:
        raise OSError(f"Pillow handed over {done} of {flat.size} bytes, its status is {status}")
    return samples


def pack(samples: Pixels) -> Image.Image:
    """Samples (H, W, 1 to 4) of 8 bits as a Pillow image of mode L, LA, RGB or RGBA.

    Grey may be deeper.
    """
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def _dpi(info: dict[Any, Any]) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 65536 and 0 < y < 65536 else None
