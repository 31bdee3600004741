"""A before/after still from a video: one frame as it is and as it becomes, side by side."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undim.enhancer import Denoise, Enhancer
from undim.errors import InputError
from undim.pixels.average import FRAMES
from undim.video.frames import Brightener, upright_rgb
from undim.video.pyav import VideoFrame, av
from undim.video.sequence import FrameEnhancer
from undim.video.source import Source


def before_after(
    path: str | Path,
    *,
    enhancer: Enhancer | None = None,
    strength: float = 1.0,
    denoise: Denoise = "auto",
    start: float = 0.0,
    end: float | None = None,
) -> NDArray[np.uint8]:
    """The frame in the middle of the video, dark at the left, bright at the right: (H, 2 W, 3)
    uint8, upright.

    As many frames before it are used as the average over time needs. Arguments as for
    `enhance_video`.
    """
    length = Source(Path(path)).container.duration or 0
    middle = (start + (length / av.time_base if end is None else end)) / 2
    reader = Source(Path(path), start=middle, end=end) if length else Source(Path(path))
    frames = list(islice((item for item in reader if isinstance(item, VideoFrame)), FRAMES))
    if not frames:
        raise InputError(
            f"{path}: no frame could be decoded in the middle of the part that was asked for"
        )
    brightener = Brightener(
        FrameEnhancer(enhancer or Enhancer(), strength=strength, denoise=denoise, smooth=False)
    )
    for frame in frames:
        bright = brightener(frame, size=(frame.width, frame.height), format="gbrp16le")
    return np.concatenate([upright_rgb(frames[-1]), upright_rgb(bright)], axis=1)
