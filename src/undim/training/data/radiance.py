"""Files of scene-linear radiance, Radiance .hdr and OpenEXR, as arrays."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undim.errors import DataError, MissingExtraError

Radiance = NDArray[np.float32]  # (H, W, 3), linear, in any unit


def read_radiance(path: Path) -> Radiance:
    """The radiance of a picture, (H, W, 3) float32, finite and not negative."""
    pixels = _read_exr(path) if path.suffix == ".exr" else _read_hdr(path)
    finite = np.nan_to_num(pixels[..., :3], nan=0.0, posinf=6e4, neginf=0.0)
    return finite.clip(0, None).astype(np.float32)


def _read_hdr(path: Path) -> Radiance:
    """A Radiance picture: lines of text, the size, then scanlines of shared-exponent pixels,
    run-length encoded.

    A pixel (r, g, b, e) stands for (r, g, b) 2^(e - 136), and nothing for e = 0 (Ward, "Real
    Pixels", Graphics Gems II, 1991; the encoding is that of Radiance's color.c).
    """
    data = path.read_bytes()
    head, _, rest = data.partition(b"\n\n")
    size, _, body = rest.partition(b"\n")
    match = re.fullmatch(rb"-Y (\d+) \+X (\d+)", size)
    if not (head.startswith(b"#?") and match):
        raise DataError(f"{path} is no Radiance picture whose first row is its upper one")
    height, width = int(match[1]), int(match[2])
    try:
        rgbe = _scanlines(body, height, width)
    except (IndexError, ValueError) as error:
        raise DataError(f"{path} is damaged or not run-length encoded") from error
    scale = np.where(rgbe[..., 3:] > 0, np.ldexp(1.0, rgbe[..., 3:].astype(int) - 136), 0)
    return (rgbe[..., :3] * scale).astype(np.float32)


def _scanlines(body: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Each scanline: 2, 2, its width in two bytes, then its four planes in runs (128 + count,
    value) and copies.
    """
    rgbe = np.empty((height, 4, width), np.uint8)
    at = 0
    for row in rgbe:
        if body[at : at + 4] != bytes((2, 2, width >> 8, width & 255)):
            raise ValueError("no scanline of the new form")
        at += 4
        for plane in row:
            x = 0
            while x < width:
                count = body[at]
                if count > 128:
                    count -= 128
                    plane[x : x + count] = body[at + 1]
                    at += 2
                else:
                    plane[x : x + count] = np.frombuffer(body, np.uint8, count, at + 1)
                    at += 1 + count
                if count == 0:
                    raise ValueError("an empty run")
                x += count
    return rgbe.transpose(0, 2, 1)


def _read_exr(path: Path) -> Radiance:
    try:
        reader = importlib.import_module("OpenEXR")
    except ImportError as error:
        raise MissingExtraError("train", f"to read {path.name}") from error
    channels = reader.File(str(path)).channels()
    pixels = channels.get("RGB") or channels["RGBA"]
    return np.asarray(pixels.pixels, np.float32)
