"""What one call of the kernel is told: plain data, read by the native kernel and by its reference.

What always travels together is one frozen dataclass, made and checked in one place: the curve with
its maps, the filter before it, the planes of a frame, an average over time with its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undim.errors import InputError
from undim.pixels.samples import TOLERANCE, Float32

Plane = NDArray[Any]  # (H, W) uint8 | uint16
Uint16 = NDArray[np.uint16]
Count = NDArray[np.uint8]


@dataclass(frozen=True)
class Curve:
    """`iterations` steps of x + a x (1 - x), as they are applied: checked, strength included.

    steps       (n or 1, 3 or 1, Z, h, w) float32 in [-1, 1], contiguous: a of each step and
                channel, at Z levels of brightness
    levels      (Z,) float32: where the levels stand, ascending from 0 to 1
    iterations  n; 0 leaves the curve out
    """

    steps: Float32
    levels: Float32
    iterations: int

    @classmethod
    def of(cls, curve_maps: Float32, *, iterations: int = 8, strength: float = 1.0) -> Curve:
        """Check maps, (C, h, w) or (1, Z, h, w) as `undim.apply_curves` takes them, times strength.

        Raises:
            InputError: an argument of the wrong dtype, shape or range, or a NaN.
        """
        if iterations < 1:
            raise InputError(f"got iterations={iterations}, expected at least 1")
        if not 0 <= strength <= 1.5:
            raise InputError(
                f"got strength={strength}, expected 0 (the input) to 1.5, "
                "with 1 for the model's own"
            )
        layout = _layout(curve_maps, iterations)
        low, high = float(curve_maps.min()), float(curve_maps.max())
        if not (low >= -1 - TOLERANCE and high <= 1 + TOLERANCE):
            raise InputError(
                f"got curve maps from {low} to {high}, expected -1 to 1 and no NaN; clip them first"
            )
        steps = curve_maps if strength == 1 else curve_maps * np.float32(strength)
        if max(-low, high) * strength > 1:
            steps = np.clip(steps, -1, 1)
        steps = np.ascontiguousarray(steps).reshape(*layout, *curve_maps.shape[-2:])
        return cls(steps, brightness_levels(layout[2]), iterations)


def _layout(curve_maps: Float32, iterations: int) -> tuple[int, int, int]:
    """How many steps, channels and levels the maps hold."""
    if not isinstance(curve_maps, np.ndarray) or curve_maps.dtype != np.float32:
        got = getattr(curve_maps, "dtype", type(curve_maps).__name__)
        raise InputError(
            f"got curve maps of {got}, expected a float32 array; "
            "convert with maps.astype('float32')"
        )
    if curve_maps.ndim == 4 and curve_maps.shape[0] == 1 and curve_maps.size:
        return 1, 1, curve_maps.shape[1]
    n = iterations
    channels = curve_maps.shape[0] if curve_maps.ndim == 3 and curve_maps.size else 0
    if channels in (1, 3):
        return 1, channels, 1
    if channels == n:
        return n, 1, 1
    if channels == 3 * n:
        return n, 3, 1
    counts = ", ".join(map(str, sorted({1, 3, n, 3 * n})))
    raise InputError(
        f"got curve maps of shape {curve_maps.shape}, expected (C, h, w) with C one of {counts} "
        f"for {n} iterations, or (1, Z, h, w) with Z levels of brightness; "
        "check that `iterations` is the model's"
    )


def brightness_levels(count: int) -> Float32:
    """Where `count` levels stand, (z / (count - 1))^2: closer together in the dark; a lone one at
    0.
    """
    return (np.linspace(0, 1, count) ** 2).astype(np.float32)


NO_CURVE = Curve(np.zeros((1, 1, 1, 1, 1), np.float32), brightness_levels(1), 0)


@dataclass(frozen=True)
class Filter:
    """The self-guided filter before the curve.

    radius      of its window in pixels, 1 to 64; 0 leaves the filter out
    eps         variance, in units of [0, 1] squared, under which texture is taken for noise
    chroma_eps  the same for the colour differences R - Y and B - Y, where eps is then that of
                Y = (R + G + B) / 3; 0 filters R, G and B, each with eps
    """

    radius: int = 2
    eps: float = 4e-4
    chroma_eps: float = 0.0

    @classmethod
    def of(cls, radius: int, eps: float, chroma_eps: float) -> Filter:
        """The filter, checked; raises InputError for a number out of range."""
        if not 1 <= radius <= 64:  # the kernel's memory grows with its square
            raise InputError(
                f"got radius={radius}, expected 1 to 64 pixels; shrink the image for a wider window"
            )
        if not 0 < eps < np.inf:
            raise InputError(f"got eps={eps}, expected a variance above 0, such as 4e-4")
        if not 0 <= chroma_eps < np.inf:
            raise InputError(
                f"got chroma_eps={chroma_eps}, expected a variance above 0, "
                "or 0 to filter R, G and B"
            )
        return cls(radius, eps, chroma_eps)


NO_FILTER = Filter(radius=0, eps=0.0)


class Levels(NamedTuple):
    """Samples are black + luma * y and grey + chroma * u, at most maximum."""

    black: float
    luma: float
    grey: float
    chroma: float
    maximum: float

    @classmethod
    def of(cls, depth: int, *, full: bool) -> Levels:
        """Those of a bit depth, 8 to 16, in either range (ITU-T H.273, equations 20 to 31)."""
        one, maximum = 2.0 ** (depth - 8), 2.0**depth - 1
        if full:
            return cls(0.0, maximum, 128 * one, maximum, maximum)
        return cls(16 * one, 219 * one, 128 * one, 224 * one, maximum)


@dataclass(frozen=True)
class Yuv:
    """A frame in YUV.

    planes   Y (H, W), U and V of that size or half of it, rounded up, in one direction or both;
             samples of a row lie side by side
    levels   what the samples mean
    weights  k_r and k_b of the matrix, of red and of blue
    """

    planes: Sequence[Plane]
    levels: Levels
    weights: tuple[float, float]

    @property
    def depth(self) -> int:
        """Bits of a sample that are in use."""
        return int(self.levels.maximum).bit_length()

    def replaced(self, planes: Sequence[Plane], factor: float) -> Yuv:
        """The same frame with other planes, whose samples are `factor` times as large."""
        return replace(
            self, planes=planes, levels=Levels(*(factor * level for level in self.levels))
        )

    def unit(self, plane: int, samples: Plane) -> Float32:
        """Samples of a plane as y in [0, 1], or as u or v in [-0.5, 0.5]."""
        levels = self.levels
        origin, scale = (levels.grey, levels.chroma) if plane else (levels.black, levels.luma)
        values: Float32 = (samples.astype(np.float32) - np.float32(origin)) / np.float32(scale)
        return values

    def rgb(self, y: Float32, u: Float32, v: Float32) -> Float32:
        """Red, green and blue (..., 3) of y, u and v."""
        red, blue = self.weights
        r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
        g = (y - red * r - blue * b) / (1 - red - blue)
        return np.stack([r, g, b], axis=2).astype(np.float32)


@dataclass(frozen=True)
class Average:
    """An average over time.

    planes  three of uint16, in units of 2^(depth - 16) of the frames' levels
    count   uint8, of the size of the last plane: how many frames it is of at each cell
    """

    planes: Sequence[Uint16]
    count: Count


@dataclass(frozen=True)
class MotionLimits:
    """From where on a difference from the average, summed over a window, is motion (for n =
    infinity).

    size    of the sum of |d|
    shift   of |the sum of d|
    share   of the sum of |d| that |the sum of d| exceeds too where something moved
    frames  averaged at most
    """

    size: float
    shift: float
    share: float
    frames: int
