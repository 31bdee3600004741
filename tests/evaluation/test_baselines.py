"""The trivial rows: what each does, on shapes and pictures that are not kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps
from skimage import data, exposure

from undim.evaluation.baselines import (
    BASELINES,
    clahe,
    constant_curve,
    exposed_to_045,
    gamma,
    null_model,
    own_fusion,
    shadow_lift,
)
from undim.evaluation.fusion import fuse

RAMP = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)


def dim_scene() -> np.ndarray:
    return (data.astronaut()[::4, ::4] * 0.12).astype(np.uint8)


@pytest.mark.parametrize("name", BASELINES)
@settings(max_examples=15, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 17), st.integers(1, 17), st.just(3))))
def test_every_baseline_takes_any_picture_and_leaves_it_alone(name: str, image: np.ndarray) -> None:
    before = image.copy()
    output = BASELINES[name](image)
    assert output.dtype == np.uint8
    assert output.shape == image.shape
    assert np.array_equal(image, before)
    assert not np.shares_memory(output, image)


def test_the_page_lists_every_baseline() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \|$", page, re.MULTILINE) == list(BASELINES)


def test_autocontrast_is_pillows() -> None:
    image = dim_scene()
    expected = np.asarray(ImageOps.autocontrast(Image.fromarray(image)))
    assert np.array_equal(BASELINES["autocontrast"](image), expected)


def test_gamma_and_curve_follow_their_formulas() -> None:
    x = RAMP / 255
    assert np.array_equal(gamma(RAMP), np.rint(x**0.4 * 255))
    for _ in range(8):
        x = x + 0.383 * x * (1 - x)
    assert (
        np.abs(constant_curve(RAMP) - np.minimum(x * 255, np.where(RAMP < 255, 254, 255))).max()
        <= 0.51
    )


def test_null_model_smooths_what_the_constant_curve_amplifies() -> None:
    noise = np.random.default_rng(0).normal(0, 2, (40, 40, 3))
    noisy = np.clip(20 + noise, 0, 255).astype(np.uint8)
    assert null_model(noisy).std() < 0.4 * constant_curve(noisy).std()


@pytest.mark.parametrize("level", [4, 30, 114, 180])
def test_exposed_to_045_reaches_its_mean_from_either_side(level: int) -> None:
    rng = np.random.default_rng(level)
    image = np.clip(rng.normal(level, level / 4, (50, 60, 3)), 0, 255).astype(np.uint8)
    assert exposed_to_045(image).mean() / 255 == pytest.approx(0.45, abs=0.003)


def test_exposed_to_045_leaves_black_black() -> None:
    black = np.zeros((20, 20, 3), np.uint8)
    assert np.array_equal(exposed_to_045(black), black)


@pytest.mark.parametrize("image", [data.astronaut(), data.coffee()], ids=["astronaut", "coffee"])
def test_clahe_agrees_with_scikit_image(image: np.ndarray) -> None:
    """The libraries differ in how what was cut is spread, hence a tolerance and not equality."""
    height, width = image.shape[:2]
    expected = exposure.equalize_adapthist(
        image, (height // 8, width // 8), clip_limit=2 / 256, nbins=256
    )
    difference = np.abs(clahe(image) / 255 - expected).mean()
    assert difference < 0.015
    assert difference < np.abs(image / 255 - expected).mean() / 3


def test_clahe_without_a_limit_on_one_tile_is_histogram_equalisation() -> None:
    image = dim_scene()
    value = image.max(axis=2)
    cumulative = np.array([(value <= v).mean() for v in range(256)])
    equalised = clahe(image, tiles=1, clip=256.0).max(axis=2)
    assert np.abs(equalised - cumulative[value] * 255)[value > 0].max() <= 0.51


def test_clahe_keeps_the_ratios_of_the_channels() -> None:
    image = np.random.default_rng(0).integers(40, 90, (32, 32, 3)).astype(np.uint8)
    before = image / image.max(axis=2, keepdims=True)
    output = clahe(image)
    after = output / output.max(axis=2, keepdims=True)
    assert np.abs(before - after).max() < 0.02


def backlit() -> np.ndarray:
    """A dark tower before a bright sky, both with some texture and colour."""
    rng = np.random.default_rng(0)
    image = (rng.integers(-6, 7, (120, 160, 3)) + np.array([170, 190, 225])).astype(np.uint8)
    image[30:, 60:100] = rng.integers(10, 30, (90, 40, 3))
    return image


@pytest.mark.parametrize("lift", [shadow_lift, own_fusion])
def test_mixed_light_is_lifted_where_it_is_dark(lift: Callable[..., np.ndarray]) -> None:
    before, after = backlit(), lift(backlit())
    tower, sky = np.s_[60:, 70:90], np.s_[:, :30]
    assert after[tower].mean() > 2 * before[tower].mean()
    assert abs(after[sky].mean() - before[sky].mean()) < 25


def test_fusing_a_picture_with_itself_gives_it_back() -> None:
    image = np.random.default_rng(0).random((37, 61, 3)).astype(np.float32)
    assert np.abs(fuse([image, image, image]) - image).max() < 1e-5


def test_fusion_takes_each_place_from_where_it_is_well_exposed() -> None:
    """The texture of either half is seen in one exposure only."""
    texture = np.random.default_rng(0).random((64, 128, 3)).astype(np.float32)
    dark, bright = 0.5 * texture, 0.5 + 0.5 * texture
    dark[:, :64], bright[:, 64:] = 0, 1
    fused = fuse([dark, bright])
    assert fused[8:-8, 8:56].std() > 0.8 * bright[8:-8, 8:56].std()
    assert fused[8:-8, 72:-8].std() > 0.8 * dark[8:-8, 72:-8].std()
