"""Scores of a clip, frame by frame, and how much its brightness flickers.

    flicker = std over t of m(t) - m(t - 1),    m(t) the mean of frame t in levels of 255

The relative figure is the same of 100 log m, in percent: a video that is twice as bright may move
twice as much in levels and looks as steady. A method that is measured is stateful, and sees the
frames in their order, once.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from undim.errors import InputError
from undim.measure.metrics import mean_brightness, psnr, ssim
from undim.pixels.samples import Image
from undim.video.frames import eight_bits, rgb16
from undim.video.pyav import VideoFrame
from undim.video.source import Source

FrameMethod = Callable[
    [Image, float], Image
]  # a frame (H, W, 3) uint16 and its time in seconds -> the same, bright


@dataclass(frozen=True)
class FrameScore:
    """One frame under one method; without a reference PSNR and SSIM are NaN."""

    frame: int
    seconds: float
    method: str
    psnr: float
    ssim: float
    brightness: float  # mean, 0 to 255


@dataclass(frozen=True)
class ClipScore:
    """One method over the whole clip: means of the frames' scores, and the flicker."""

    method: str
    psnr: float
    ssim: float
    brightness: float
    flicker: float
    flicker_percent: float


@dataclass(frozen=True)
class ClipEvaluation:
    """All scores of a clip."""

    frames: list[FrameScore]

    def scores(self) -> list[ClipScore]:
        return [
            self._score(method) for method in dict.fromkeys(score.method for score in self.frames)
        ]

    def _score(self, method: str) -> ClipScore:
        mine = [score for score in self.frames if score.method == method]
        brightness = np.array([score.brightness for score in mine])
        return ClipScore(
            method,
            float(np.mean([score.psnr for score in mine])),
            float(np.mean([score.ssim for score in mine])),
            float(brightness.mean()),
            flicker(brightness),
            flicker(100 * np.log(np.maximum(brightness, 1e-3))),
        )

    def table(self) -> str:
        """The clip's scores as plain text."""
        lines = [f"{'method':<32}{'PSNR':>8}{'SSIM':>8}{'mean':>8}{'flicker':>10}{'flicker %':>11}"]
        lines += [
            f"{s.method:<32}{s.psnr:8.2f}{s.ssim:8.4f}{s.brightness:8.1f}{s.flicker:10.4f}{s.flicker_percent:11.4f}"
            for s in self.scores()
        ]
        return "\n".join(lines)

    def csv(self) -> str:
        """One line per frame and method."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(FrameScore.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(score) for score in self.frames)
        return text.getvalue()

    def record(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "clip": [_plain(s) for s in self.scores()],
            "frames": [_plain(s) for s in self.frames],
        }


def evaluate_clip(
    dark: Path, reference: Path | None, methods: Mapping[str, FrameMethod]
) -> ClipEvaluation:
    """Score each frame of each method's result, rounded to 8 bits, against the reference's.

    Raises InputError where the two clips differ in size or in their number of frames.
    """
    scores = []
    for index, (frame, truth) in enumerate(_pairs(dark, reference)):
        pixels, seconds = rgb16(frame), float(frame.time)
        target = None if truth is None else eight_bits(rgb16(truth))
        if target is not None and target.shape != pixels.shape:
            raise InputError(
                f"{dark} has frames of {pixels.shape[:2]}, {reference} of {target.shape[:2]} "
                "(height, width)"
            )
        for name, method in methods.items():
            result = eight_bits(method(pixels, seconds))
            fidelity = (np.nan, np.nan)
            if target is not None:
                fidelity = (
                    psnr(result, target, data_range=255),
                    ssim(result, target, data_range=255),
                )
            brightness = 255 * mean_brightness(result, data_range=255)
            scores.append(FrameScore(index, seconds, name, *fidelity, brightness))
    return ClipEvaluation(scores)


def flicker(brightness: ArrayLike) -> float:
    """The standard deviation over time of the change from frame to frame.

    0 for fewer than two frames.
    """
    changes = np.diff(np.asarray(brightness, dtype=float))
    return float(changes.std()) if changes.size else 0.0


def _plain(score: FrameScore | ClipScore) -> dict[str, Any]:
    """JSON has neither NaN nor infinity."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(score).items()
    }


def _pairs(dark: Path, reference: Path | None) -> Iterator[tuple[VideoFrame, VideoFrame | None]]:
    if reference is None:
        yield from ((frame, None) for frame in _frames(dark))
        return
    for frame, truth in zip_longest(_frames(dark), _frames(reference)):
        if frame is None or truth is None:
            shorter, longer = (dark, reference) if frame is None else (reference, dark)
            raise InputError(
                f"{shorter} ends before {longer}; a clip and its reference need the same frames"
            )
        yield frame, truth


def _frames(path: Path) -> Iterator[VideoFrame]:
    return (item for item in Source(path) if isinstance(item, VideoFrame))
