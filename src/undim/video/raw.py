"""Raw RGB frames through a pipe, between two programs that speak them, such as ffmpeg."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from undim.enhancer import Denoise, Enhancer
from undim.errors import InputError
from undim.video.ahead import ahead
from undim.video.sequence import enhance_stream

RAW_FORMATS: dict[str, np.dtype[Any]] = {"rgb24": np.dtype(np.uint8), "rgb48le": np.dtype("<u2")}


def enhance_raw(
    source: BinaryIO,
    target: BinaryIO,
    width: int,
    height: int,
    *,
    format: str = "rgb24",
    fps: float = 30.0,
    enhancer: Enhancer | None = None,
    strength: float = 1.0,
    denoise: Denoise = "auto",
    smooth: bool = True,
) -> int:
    """Brighten frames of `width` x `height` until the source ends, and return how many they were.

    format  FFmpeg's name for the layout of the samples, both ways: "rgb24" or "rgb48le"
    Raises InputError where the source ends within a frame; the frames before it are written.
    """
    count = 0
    with closing(ahead(_read(source, (height, width, 3), RAW_FORMATS[format]), 2)) as frames:
        bright = enhance_stream(
            frames, enhancer=enhancer, strength=strength, denoise=denoise, smooth=smooth, fps=fps
        )
        with closing(ahead(bright, 2)) as finished:
            for frame in finished:
                target.write(np.ascontiguousarray(frame).data)
                count += 1
    target.flush()
    return count


def _read(
    source: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    size = math.prod(shape) * dtype.itemsize
    while data := source.read(size):
        if len(data) < size:
            raise InputError(
                f"the input ends after {len(data)} of the {size} bytes of a frame "
                f"of {shape[1]}x{shape[0]}; "
                "check the size and that ffmpeg writes the pixel format that undim reads"
            )
        yield np.frombuffer(data, dtype).reshape(shape)
