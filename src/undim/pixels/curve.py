"""The light-enhancement curve, applied to an image of any size from curve maps of any size.

    LE(x) = x + a x (1 - x),   x in [0, 1],   a in [-1, 1],   walked n times  (Guo et al., CVPR 2020, eq. 1-3)

Positive `a` brightens. The curve keeps [0, 1], fixes 0 and 1, and is monotone in x and in a. The maps of `a`
are smooth, so they are estimated on a thumbnail and interpolated here: bilinear, half-pixel centres, edges
clamped.

Three promises beyond the paper: strength 0 returns the samples bit for bit; a sample below the maximum of its
type stays below it, so highlights never newly clip; bit depth comes from the dtype, never from the values.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undim.errors import InputError
from undim.pixels.kernel import native_kernel, thread_count

Image = NDArray[Any]  # (H, W, 3) uint8 | uint16 | float32
Float32 = NDArray[np.float32]

MAXIMUM = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}
TOLERANCE = 1e-3  # how far resampling may leave a float sample, or a map, outside of its range; it is clipped
_BAND_PIXELS = 1 << 17  # the NumPy reference works in bands of rows, so that its memory stays bounded


def apply_curves(
    image: Image,
    curve_maps: Float32,
    *,
    iterations: int = 8,
    strength: float = 1.0,
    threads: int | None = None,
) -> Image:
    """Brighten an image: `x <- x + a x (1 - x)`, `iterations` times, with `a` from the interpolated maps.

    Args:
        image: (H, W, 3) RGB, uint8, uint16 or float32 in [0, 1], any strides.
        curve_maps: (C, h, w) float32 in [-1, 1], any h and w. C is 3 * iterations (step k uses maps 3k to
            3k + 2), 3 (one per channel, shared by the steps), iterations (one per step, shared by the
            channels) or 1. With iterations = 3, three maps are read as one per channel.
        iterations: n, at least 1.
        strength: in [0, 1.5], multiplies the maps, which are then clipped to [-1, 1].
        threads: how many to use; None uses every core this process may run on.

    Returns:
        A new C-contiguous array of the image's shape and dtype.

    Raises:
        InputError: an argument of the wrong dtype, shape or range, or a NaN.

    Example:
        >>> apply_curves(np.full((2, 2, 3), 51, np.uint8), np.ones((1, 1, 1), np.float32), iterations=1)[0, 0]
        array([92, 92, 92], dtype=uint8)
    """
    threads = thread_count(threads)
    native = native_kernel()
    if native is None or strength == 0:
        return apply_curves_numpy(image, curve_maps, iterations=iterations, strength=strength)
    steps = curve_steps(curve_maps, iterations=iterations, strength=strength)
    return run_native(native, image, steps, iterations=iterations, threads=threads)


def apply_curves_numpy(image: Image, curve_maps: Float32, *, iterations: int = 8, strength: float = 1.0) -> Image:
    """The reference for `apply_curves`, and what runs where the native kernel was not built."""
    check_image(image)
    steps = curve_steps(curve_maps, iterations=iterations, strength=strength)
    out = np.empty(image.shape, image.dtype)
    if strength == 0:
        out[...] = image
        return out
    for rows in row_bands(image.shape):
        walked = walk_rows(to_unit(image[rows]), steps, rows, image.shape[0], iterations)
        out[rows] = from_unit(walked, image[rows])
    return out


def run_native(
    native: ModuleType,
    image: Image,
    steps: Float32,
    *,
    iterations: int,
    threads: int,
    radius: int = 0,
    eps: float = 0.0,
    chroma_eps: float = 0.0,
) -> Image:
    """Check the image and hand it to the kernel: the filter unless radius is 0, then `iterations` steps."""
    check_layout(image)
    if not image.flags.aligned or any(stride % image.itemsize for stride in image.strides):
        image = image.copy()
    out = np.empty(image.shape, image.dtype)
    if not native.enhance(image, out, steps, iterations, radius, eps, threads, chroma_eps=chroma_eps):
        check_samples(image)
    return out


def curve_steps(curve_maps: Float32, *, iterations: int, strength: float) -> Float32:
    """Check the maps and return them as (n or 1, 3 or 1, h, w), times strength, clipped to [-1, 1]."""
    if iterations < 1:
        raise InputError(f"got iterations={iterations}, expected at least 1")
    if not 0 <= strength <= 1.5:
        raise InputError(f"got strength={strength}, expected 0 (the input) to 1.5, with 1 for the model's own")
    if not isinstance(curve_maps, np.ndarray) or curve_maps.dtype != np.float32:
        got = getattr(curve_maps, "dtype", type(curve_maps).__name__)
        raise InputError(f"got curve maps of {got}, expected a float32 array; convert with maps.astype('float32')")
    layouts = {1: (1, 1), iterations: (iterations, 1), 3: (1, 3), 3 * iterations: (iterations, 3)}
    if curve_maps.ndim != 3 or curve_maps.size == 0 or curve_maps.shape[0] not in layouts:
        counts = ", ".join(map(str, sorted(layouts)))
        raise InputError(
            f"got curve maps of shape {curve_maps.shape}, expected (C, h, w) with C one of {counts} "
            f"for {iterations} iterations; check that `iterations` is the model's"
        )
    low, high = float(curve_maps.min()), float(curve_maps.max())
    if not (low >= -1 - TOLERANCE and high <= 1 + TOLERANCE):
        raise InputError(f"got curve maps from {low} to {high}, expected -1 to 1 and no NaN; clip them first")
    steps = curve_maps if strength == 1 else curve_maps * np.float32(strength)
    if max(-low, high) * strength > 1:
        steps = np.clip(steps, -1, 1)
    return np.ascontiguousarray(steps).reshape(*layouts[len(curve_maps)], *curve_maps.shape[1:])


def check_image(image: Image) -> None:
    """Raise InputError unless image is (H, W, 3), not empty, of a known dtype and, if float32, in [0, 1]."""
    check_layout(image)
    check_samples(image)


def check_layout(image: object) -> None:
    """Raise InputError unless image is an array of (H, W, 3), not empty, of a known dtype."""
    if not isinstance(image, np.ndarray):
        got = type(image).__name__
        raise InputError(f"got an image of type {got}, expected a NumPy array; use np.asarray(image)")
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
                f"got a float32 image from {low} to {high}, expected 0 to 1 and no NaN; divide by its white level"
            )


def row_bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut an image's rows into bands of about `_BAND_PIXELS` pixels."""
    height = max(1, _BAND_PIXELS // shape[1])
    for top in range(0, shape[0], height):
        yield slice(top, min(top + height, shape[0]))


def to_unit(samples: Image) -> Float32:
    """Scale samples to float32 in [0, 1]."""
    unit: Float32 = np.clip(samples.astype(np.float32) / np.float32(MAXIMUM[samples.dtype]), 0, 1)
    return unit


def from_unit(values: Float32, samples: Image) -> Image:
    """Scale values back to the type of `samples`; where a sample was below the maximum, the result is too."""
    dtype = samples.dtype
    maximum = MAXIMUM[dtype]
    if dtype == np.float32:
        below = np.nextafter(np.float32(1), np.float32(0))
    else:
        values, below = np.floor(values * np.float32(maximum) + np.float32(0.5)), np.float32(maximum - 1)
    limit = np.where(samples < maximum, below, np.float32(maximum))
    return np.minimum(values, limit).astype(dtype)


def walk_rows(x: Float32, steps: Float32, rows: slice, height: int, iterations: int) -> Float32:
    """Walk the n steps over some rows of an image of that height; x is (rows, W, 3) in [0, 1]."""
    row0, row1, fy = _source_positions(steps.shape[2], height)
    col0, col1, fx = _source_positions(steps.shape[3], x.shape[1])
    fy = fy[rows, None, None]
    a = x
    for k in range(iterations):
        if k < len(steps):
            maps = steps[k].transpose(1, 2, 0)  # (h, w, 3 or 1)
            a = maps[row0[rows]] * (1 - fy) + maps[row1[rows]] * fy
            a = a[:, col0] * (1 - fx[:, None]) + a[:, col1] * fx[:, None]
        x = x + a * x * (1 - x)
    return x


def _source_positions(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Float32]:
    """Where each of `target` cells falls among `source` ones: lower index, upper index, upper's weight."""
    position = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    lower = position.astype(np.intp)
    return lower, np.minimum(lower + 1, source - 1), (position - lower).astype(np.float32)
