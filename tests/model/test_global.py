"""On real photographs the default leaves well-lit ones nearly alone and brightens dark ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from undim.enhancer import Enhancer
from undim.images import decode
from undim.measure.metrics import psnr

# the mean level below which a night photograph counts as dark; some are long exposures, as bright
# as day
DARK = 70


@pytest.fixture(scope="module")
def enhancer() -> Enhancer:
    return Enhancer("undim-global")


def test_kodaks_photographs_are_left_nearly_alone(enhancer: Enhancer, shared: Path) -> None:
    pictures = [decode(path).pixels for path in sorted((shared / "data" / "kodak24").iterdir())]
    assert len(pictures) == 24
    distances = [psnr(enhancer(picture), picture, data_range=255) for picture in pictures]
    assert min(distances) >= 30, distances


def test_night_photographs_are_clearly_brightened(enhancer: Enhancer, shared: Path) -> None:
    photographs = sorted((shared / "data" / "cc0" / "night").glob("*.jpg"))
    thinned = [np.ascontiguousarray(decode(path).pixels[::8, ::8]) for path in photographs]
    dark = [picture for picture in thinned if picture.mean() < DARK]
    assert len(dark) >= 8
    gains = sorted(float(enhancer(picture).mean() / picture.mean()) for picture in dark)
    assert gains[len(gains) // 2] > 1.7, gains
    assert sum(gain > 1.3 for gain in gains) >= len(gains) - 2, (
        gains
    )  # a bright sky over a dark land, and a firework
