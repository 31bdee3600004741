"""Arrays and Pillow images as pictures, and back: the type that goes in comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError
from . import pillow
from .colour import Pixels, in_depth
from .decode import assemble, check_range, split
from .encode import join, output_suffix
from .picture import Decoded, Metadata, Picture

_DTYPES = (np.uint8, np.uint16, np.float32)


def output_beside(source: Path) -> Path:
    """`night.undim.jpg` for `night.jpg`, `night.undim.tif` for a camera raw file."""
    return source.with_name(f"{source.stem}.undim{output_suffix(source)}")


def from_array(array: Pixels) -> Picture:
    """An array (H, W) or (H, W, 1 to 4) of uint8, uint16 or float32 as a picture.

    The channels are grey, grey and alpha, RGB or RGBA.

    float32 must be finite and lie in [0, 1]. Raises InputError.
    """
    if array.dtype not in _DTYPES:
        raise InputError(
            f"got an array of {array.dtype}, expected uint8, uint16 or float32 in [0, 1]"
        )
    if (
        array.ndim not in (2, 3)
        or (array.ndim == 3 and not 1 <= array.shape[2] <= 4)
        or array.size == 0
    ):
        raise InputError(f"got an array of shape {array.shape}, expected (height, width[, 1 to 4])")
    check_range(array)
    pixels, alpha, grey = split(array if array.ndim == 3 else array[..., None])
    return Picture(pixels, alpha, grey, name="array")


def to_array(picture: Picture, like: Pixels) -> Pixels:
    """The pixels of a picture in the shape of the array that it was made from."""
    return join(picture.pixels, picture.alpha, picture.grey).reshape(like.shape)


def from_pil(image: Image.Image) -> Picture:
    """A Pillow image as a picture; its orientation is left alone.

    Modes are RGB, RGBA, L, LA, P, PA, 1, CMYK, I;16 and F.
    """
    decoded = Decoded(
        pillow.unpack(image),
        Metadata(icc_profile=image.info.get("icc_profile")),
        cmyk=image.mode == "CMYK",
    )
    return assemble(decoded, "PNG", "image")


def to_pil(picture: Picture, like: Image.Image) -> Image.Image:
    """A Pillow image of the mode that the picture was made from.

    But palettes became RGB or RGBA, 1 became L, CMYK became RGB.
    """
    pixels, depth = picture.pixels, picture.pixels.dtype
    if picture.tone is not None:
        pixels, depth = picture.tone.to_file(pixels), picture.tone.depth
    alpha = None if picture.alpha is None else in_depth(picture.alpha, depth)
    image = pillow.pack(join(pixels, alpha, picture.grey))
    info: dict[Any, Any] = {key: value for key, value in like.info.items() if key != "transparency"}
    image.info = info | ({"icc_profile": p} if (p := picture.metadata.icc_profile) else {})
    return image
