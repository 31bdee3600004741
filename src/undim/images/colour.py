"""Colour profiles: what they mean for a curve that was learnt on sRGB photographs.

A picture keeps its own primaries and its profile, so that no colour of a wide gamut is clipped;
only its tone curve is exchanged for sRGB's while it is enhanced, and put back when it is encoded:

    working = srgb_encode(trc(value))          value = trc^-1(srgb_decode(working))

Where the profile's tone curve is sRGB's (sRGB, Display P3) nothing is done. Other profiles of 8-bit
pictures are worked on in 16 bits, which makes the way there and back exact. Profiles without tone
curves (CMYK, look-up tables) cannot be undone this way: such pictures are converted to sRGB, see
`vips.to_srgb`.

Sources: ICC.1:2022, 10.6 curveType, 10.18 parametricCurveType; IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]
"""An array of `uint8`, `uint16` or `float32` in [0, 1]."""
_Curve = npt.NDArray[np.float64]
_NODES = 4096
_SAME_TONE = 1.5 / 255
"""Curves that stay within this of sRGB's are sRGB's: profiles state it with tables and roundings of
their own.
"""


def white(dtype: np.dtype[Any]) -> float:
    """The value of white: 255, 65535 or 1."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def in_depth(samples: Pixels, depth: np.dtype[Any]) -> Pixels:
    """Samples in another depth, rounded to nearest."""
    if samples.dtype == depth:
        return samples
    scale, result = np.float32(white(depth) / white(samples.dtype)), np.empty(samples.shape, depth)
    for row, target in zip(
        samples, result, strict=True
    ):  # row by row: no float copy of the whole picture
        target[:] = row * scale if depth.kind == "f" else np.rint(row * scale)
    return result


def luma(pixels: Pixels) -> Pixels:
    """(H, W) luma of ITU-R BT.601: (299 R + 587 G + 114 B) / 1000, which leaves grey as it is."""
    result = np.empty(pixels.shape[:2], pixels.dtype)
    for row, target in zip(pixels, result, strict=True):
        red, green, blue = row.T if row.dtype.kind == "f" else row.T.astype(np.int32)
        if row.dtype.kind == "f":
            target[:] = red + (green - red) * np.float32(0.587) + (blue - red) * np.float32(0.114)
        else:
            target[:] = (299 * red + 587 * green + 114 * blue + 500) // 1000
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Tone:
    """The tone curves of a profile that are not sRGB's: `_NODES` samples in [0, 1] per channel."""

    curves: tuple[_Curve, ...]
    depth: np.dtype[Any]
    """The dtype of the pixels in the file."""

    def to_working(self, pixels: Pixels) -> Pixels:
        """Pixels (H, W, 3) of the file with sRGB's tone curve, uint16 (float32 if they were)."""
        nodes = np.linspace(0, 1, _NODES)
        depth = np.dtype(np.float32 if pixels.dtype.kind == "f" else np.uint16)
        return _mapped(pixels, depth, [(nodes, curve) for curve in self.curves])

    def to_file(self, pixels: Pixels) -> Pixels:
        """Working pixels with the tone curve of the profile, in the depth of the file."""
        nodes = np.linspace(0, 1, _NODES)
        return _mapped(pixels, self.depth, [(curve, nodes) for curve in self.curves])


def _mapped(pixels: Pixels, depth: np.dtype[Any], curves: list[tuple[_Curve, _Curve]]) -> Pixels:
    """Each channel through the curve (x, y), by a table; a small one where the samples are few."""
    result = np.empty(pixels.shape, depth)
    steps = 65535 if pixels.dtype.kind == "f" else int(white(pixels.dtype))
    for channel in range(3):
        values = np.interp(np.linspace(0, 1, steps + 1), *curves[channel % len(curves)])
        table = (values if depth.kind == "f" else np.rint(values * white(depth))).astype(depth)
        for row, target in zip(pixels[..., channel], result[..., channel], strict=True):
            np.take(
                table,
                row if row.dtype.kind == "u" else np.rint(row * steps).astype(np.intp),
                out=target,
            )
    return result


def profile_space(icc_profile: bytes | None) -> str | None:
    """ "RGB", "GRAY", "CMYK" ... as the profile's header says."""
    if icc_profile is None or len(icc_profile) < 132 or icc_profile[36:40] != b"acsp":
        return None
    return icc_profile[16:20].decode("ascii", "replace").strip()


def tone_of(icc_profile: bytes, depth: np.dtype[Any]) -> Tone | None:
    """The tone curves of a profile; None where they are sRGB's.

    A profile without any raises ValueError.
    """
    tags = (b"kTRC",) if profile_space(icc_profile) == "GRAY" else (b"rTRC", b"gTRC", b"bTRC")
    x = np.linspace(0, 1, _NODES)
    try:
        curves = [_evaluate(_tag(icc_profile, tag), x) for tag in tags]
    except (struct.error, IndexError) as error:
        raise ValueError("a truncated colour profile") from error
    encoded = tuple(np.maximum.accumulate(_srgb_encode(np.clip(curve, 0, 1))) for curve in curves)
    if all(np.abs(curve - x).max() < _SAME_TONE for curve in encoded):
        return None
    return Tone(encoded, depth)


def _tag(profile: bytes, signature: bytes) -> bytes:
    for index in range(struct.unpack_from(">I", profile, 128)[0]):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if name == signature:
            return profile[offset : offset + size]
    raise ValueError(f"a colour profile without {signature.decode()}")


def _evaluate(tag: bytes, x: _Curve) -> _Curve:
    """The curve of a `curv` or `para` tag at x, both in [0, 1]."""
    if tag[:4] == b"curv":
        count = struct.unpack_from(">I", tag, 8)[0]
        if count == 0:
            return x
        table: _Curve = np.array(struct.unpack_from(f">{count}H", tag, 12), np.float64)
        if count == 1:
            return x ** float(table[0] / 256)
        return np.interp(x, np.linspace(0, 1, count), table / 65535)
    if tag[:4] == b"para":
        kind = struct.unpack_from(">H", tag, 8)[0]
        count = (1, 3, 4, 5, 7)[kind]
        g, a, b, c, d, e, f = _parameters(
            kind, [v / 65536 for v in struct.unpack_from(f">{count}i", tag, 12)]
        )
        curve: _Curve = np.where(x >= d, np.power(np.maximum(a * x + b, 0), g) + e, c * x + f)
        return curve
    raise ValueError(f"a tone curve of type {tag[:4]!r}")


def _parameters(kind: int, p: list[float]) -> tuple[float, ...]:
    """The general form of any of the five kinds of parameters.

    y = (a x + b)^g + e if x >= d else c x + f
    """
    if kind == 0:
        return p[0], 1, 0, 0, 0, 0, 0
    if kind == 1:
        return *p, 0, -p[2] / (p[1] or 1), 0, 0
    if kind == 2:
        g, a, b, c = p
        return g, a, b, 0, -b / (a or 1), c, c
    return (*p, 0, 0) if kind == 3 else tuple(p)


def _srgb_encode(linear: _Curve) -> _Curve:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1 / 2.4) - 0.055)
