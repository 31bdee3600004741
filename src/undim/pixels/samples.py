"""What an image is here: types, ranges and checks of its samples, and the way to [0, 1] and back.

Two promises are kept where samples are rounded: a sample below the maximum of its type stays below
it, so that highlights never newly clip; bit depth comes from the dtype, never from the values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undim.errors import InputError

Image = NDArray[Any]  # (H, W, 3) uint8 | uint16 | float32
Float32 = NDArray[np.float32]

MAXIMUM = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}
# How far resampling may leave a float sample, or a curve map, outside of its range; it is clipped.
TOLERANCE = 1e-3
_BAND_PIXELS = 1 << 17  # NumPy works in bands of rows, so that its memory stays bounded


def check_image(image: Image) -> None:
    """Raise InputError unless image is (H, W, 3), not empty, of a known dtype, floats in [0, 1]."""
    check_layout(image)
    check_samples(image)


def check_layout(image: object) -> None:
    """Raise InputError unless image is an array of (H, W, 3), not empty, of a known dtype."""
    if not isinstance(image, np.ndarray):
        got = type(image).__name__
        raise InputError(
            f"got an image of type {got}, expected a NumPy array; use np.asarray(image)"
        )
    if image.dtype not in MAXIMUM:
        raise InputError(
            f"got an image of dtype {image.dtype}, expected uint8, uint16 or float32; "
            "scale other types to float32 in [0, 1]"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"got an image of shape {image.shape}, expected (height, width, 3); "
            "repeat a grey image three times, split alpha off, transpose channels-first arrays"
        )
    if image.size == 0:
        raise InputError(f"got an empty image of shape {image.shape}, expected at least one pixel")


def check_samples(image: Image) -> None:
    """Raise InputError where float32 samples are not in [0, 1]; integers always are."""
    if image.dtype == np.float32:
        low, high = float(image.min()), float(image.max())
        if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
            raise InputError(
                f"got a float32 image from {low} to {high}, expected 0 to 1 and no NaN; "
                "divide by its white level"
            )


def row_bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut an image's rows into bands of about `_BAND_PIXELS` pixels."""
    height = max(1, _BAND_PIXELS // shape[1])
    for top in range(0, shape[0], height):
        yield slice(top, min(top + height, shape[0]))


def to_unit(samples: Image) -> Float32:
    """Scale samples to float32 in [0, 1]."""
    scaled = samples.astype(np.float32) / np.float32(MAXIMUM[samples.dtype])
    unit: Float32 = np.clip(scaled, 0, 1)
    return unit


def from_unit(values: Float32, samples: Image) -> Image:
    """Scale values to the type of `samples`; one whose sample was below the maximum stays below."""
    dtype = samples.dtype
    maximum = MAXIMUM[dtype]
    if dtype == np.float32:
        below = np.nextafter(np.float32(1), np.float32(0))
    else:
        below = np.float32(maximum - 1)
        values = np.floor(values * np.float32(maximum) + np.float32(0.5))
    limit = np.where(samples < maximum, below, np.float32(maximum))
    return np.minimum(values, limit).astype(dtype)


def mirror(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Fold indices outside of [0, size) into it: ... 1 0 | 0 1 2 ... size-1 | size-1 ..."""
    folded = index % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def spread(cells: NDArray[Any], down: int, across: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """To each pixel the value of its cell of `down` x `across` pixels."""
    return cells.repeat(down, axis=0).repeat(across, axis=1)[: shape[0], : shape[1]]
