"""What the default model promises of mixed light: order, edges, texture, noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undim.enhancer import Enhancer
from undim.images import decode
from undim.measure.metrics import psnr
from undim.pixels.curve import apply_curves

TOWER, GROUND = np.s_[150:, 330:470], np.s_[500:]
PLACES = {"tower": TOWER, "sky": np.s_[:140]}


@pytest.fixture(scope="module")
def enhancer() -> Enhancer:
    return Enhancer()


def tower(level: float, contrast: float = 0.2) -> np.ndarray:
    """A tower with texture, before a sky of 0.6 to 0.7: (600, 800, 3) uint8."""
    sky = np.linspace(0.7, 0.6, 600)[:, None, None] * np.array([0.85, 0.93, 1.0])
    image = np.broadcast_to(sky, (600, 800, 3)).copy()
    texture = 1 + contrast * np.random.default_rng(0).standard_normal((450, 140, 1))
    image[TOWER] = level * texture
    image[GROUND] = level
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("level", [0.02, 0.05, 0.1])
def test_a_sky_beside_a_dark_tower_is_that_far_away(enhancer: Enhancer, level: float) -> None:
    dark = tower(level)
    bright = enhancer(dark, denoise="off").astype(int)
    beside = bright[200:480, [*range(300, 329), *range(471, 500)]].mean(axis=1)
    away = bright[200:480, [*range(40, 140), *range(660, 760)]].mean(axis=1)
    assert np.abs(beside - away).max() <= 2
    gain = {name: bright[at].mean() / dark[at].mean() for name, at in PLACES.items()}
    assert gain["tower"] > 1.4
    assert gain["tower"] > 1.2 * gain["sky"]


def equal_gain(dark: np.ndarray, mean: float) -> np.ndarray:
    """The picture by one constant for all, so strong that its mean is this."""
    constants = np.linspace(0, 1, 201, dtype=np.float32)
    results = [apply_curves(dark, np.full((1, 1, 1), a, np.float32)) for a in constants]
    return min(results, key=lambda x: abs(float(x.mean()) - mean))


def test_texture_in_the_lifted_place_keeps_its_gain(enhancer: Enhancer) -> None:
    dark = tower(0.06, contrast=0.1)
    lifted = enhancer(dark, denoise="off")[TOWER][40:300, 20:120]
    plain = equal_gain(dark[TOWER][40:300, 20:120], float(lifted.mean()))
    assert lifted.std() > 0.75 * plain.std()


@pytest.mark.parametrize("level", [12, 40])
def test_noise_does_not_choose_the_level(enhancer: Enhancer, level: int) -> None:
    noise = np.random.default_rng(0).normal(level, 3, (240, 320, 3))
    patch = np.rint(noise.clip(0, 255)).astype(np.uint8)
    lifted = enhancer(patch, denoise="off")
    assert lifted.mean() > 1.2 * patch.mean()
    assert lifted.std() <= 1.02 * equal_gain(patch, float(lifted.mean())).std()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), strength=st.sampled_from([0.5, 1.0, 1.5]))
def test_no_sample_gets_darker(enhancer: Enhancer, seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3)) * rng.uniform(0.05, 1)
    image = np.kron(coarse, np.ones((12, 12, 1))).astype(np.uint8)
    bright = enhancer(image, strength=strength, denoise="off")
    assert (bright >= image).all()


def test_a_well_lit_picture_comes_back() -> None:
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.uniform(0.35, 0.75, (12, 16, 1)), np.ones((25, 25, 1)))
    image = np.rint(255 * (coarse + rng.normal(0, 0.01, (300, 400, 3))).clip(0, 1)).astype(np.uint8)
    error = np.mean((Enhancer()(image).astype(float) - image) ** 2)
    assert error < 255**2 / 10**3.8


def test_kodaks_well_lit_photographs_come_back(enhancer: Enhancer, shared: Path) -> None:
    """Those that lack light are lifted; those of which at most a tenth is dark are left alone."""
    files = sorted((shared / "data" / "kodak24").iterdir())
    pictures = [decode(path).pixels for path in files]
    assert len(pictures) == 24
    distances = np.array([min(psnr(enhancer(x), x, data_range=255), 60) for x in pictures])
    dark = np.array([(x.max(axis=2) < 64).mean() for x in pictures])
    assert distances.mean() >= 30
    assert distances[dark < 0.1].mean() >= 38, distances.round(1)
    assert (dark < 0.1).sum() >= 10


def test_night_photographs_are_lifted_and_do_not_burn_out(enhancer: Enhancer, shared: Path) -> None:
    newly, gains = [], []
    for path in sorted((shared / "data" / "cc0" / "night").glob("*.jpg")):
        dark = np.ascontiguousarray(decode(path).pixels[::4, ::4])
        bright = enhancer(dark)
        newly.append(((bright >= 250) & (dark < 250)).mean())
        gains.append(bright.mean() / dark.mean())
    assert len(gains) == 11
    assert np.mean(newly) <= 0.01
    assert sum(gain > 1.2 for gain in gains) >= 9, gains
