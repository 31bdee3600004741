"""The self-guided filter, the filter fused with the curve, and the estimate of the noise."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from undim.errors import InputError
from undim.pixels.curve import apply_curves
from undim.pixels.filter import filter_and_apply, guided_filter
from undim.pixels.noise import estimate_noise, matched_eps, noise_added
from undim.pixels.samples import MAXIMUM

both = pytest.mark.usefixtures("each_kernel")


def noise(shape: tuple[int, ...], sigma: float, mean: float = 0.3, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(mean, sigma, shape).clip(0, 1).astype(np.float32)


@both
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 9, 3), (40, 3, 3), (37, 61, 3)])
@pytest.mark.parametrize(("radius", "eps"), [(1, 1e-4), (2, 4e-4), (7, 1e-2)])
def test_it_is_the_filter_of_the_paper_with_mirrored_borders(
    shape: tuple[int, ...], radius: int, eps: float
) -> None:
    box = pytest.importorskip("scipy.ndimage").uniform_filter
    image = np.random.default_rng(3).random(shape).astype(np.float32)
    x, size = image.astype(np.float64), (2 * radius + 1, 2 * radius + 1, 1)
    mean = box(x, size, mode="reflect")
    variance = box(x * x, size, mode="reflect") - mean**2
    a = variance / (variance + eps)
    expected = box(a, size, mode="reflect") * x + box(mean - a * mean, size, mode="reflect")
    assert np.abs(guided_filter(image, radius=radius, eps=eps) - expected).max() < 1e-5


@both
@pytest.mark.parametrize("dtype", MAXIMUM, ids=str)
def test_a_flat_image_stays_as_it_is(dtype: Any) -> None:
    level = 0.3 if dtype == np.float32 else 77
    image = np.full((30, 40, 3), level, dtype)
    assert np.allclose(guided_filter(image), image, rtol=1e-6, atol=0)


@both
def test_noise_goes_and_edges_stay() -> None:
    image = noise((64, 64, 3), 0.01, mean=0.2)
    image[:, 32:] += np.float32(0.5)
    out = guided_filter(image)
    assert out[:, 8:24].std() < 0.4 * image[:, 8:24].std()
    step = out[:, 32].mean() - out[:, 31].mean()
    assert step == pytest.approx(0.5, abs=0.02)


@both
@pytest.mark.parametrize(
    "arguments",
    [{"radius": 0}, {"radius": 65}, {"eps": 0.0}, {"eps": float("nan")}, {"eps": float("inf")}],
)
def test_bad_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(arguments))}=.*expected"):
        guided_filter(np.zeros((4, 4, 3), np.uint8), **arguments)


@both
def test_bad_samples_are_refused() -> None:
    image = np.zeros((4, 4, 3), np.float32)
    image[2, 1, 0] = np.nan
    with pytest.raises(InputError, match="no NaN"):
        guided_filter(image)


@both
def test_fused_equals_filter_then_curve() -> None:
    image = noise((50, 60, 3), 0.05)
    maps = np.random.default_rng(4).uniform(-1, 1, (24, 5, 6)).astype(np.float32)
    expected = apply_curves(guided_filter(image, radius=3, eps=1e-3), maps, strength=0.7)
    out = filter_and_apply(image, maps, strength=0.7, radius=3, eps=1e-3)
    assert np.abs(out - expected).max() < 1e-5


@both
def test_fused_keeps_highlights_below_the_maximum() -> None:
    image = np.full((12, 12, 3), 254, np.uint8)
    image[4:8, 4:8] = 255
    out = filter_and_apply(image, np.ones((1, 1, 1), np.float32))
    assert out[image < 255].max() == 254


@both
def test_the_null_model_scores_what_it_should_on_eval15(shared: Path) -> None:
    with (shared / "calibration" / "eval15_expected.csv").open() as file:
        expected = {row["image"]: float(row["null_model_psnr"]) for row in csv.DictReader(file)}
    folder = shared / "data" / "lol-v1" / "eval15"
    for name in ("1.png", "493.png", "780.png"):
        low, high = (
            np.asarray(Image.open(folder / side / name).convert("RGB")) for side in ("low", "high")
        )
        out = filter_and_apply(low, np.full((1, 1, 1), 0.383, np.float32))
        error = np.mean((out / 255 - high / 255) ** 2)
        assert -10 * np.log10(error) == pytest.approx(expected[name], abs=0.001)


@both
def test_colour_noise_is_smoothed_more_than_brightness_and_a_grey_picture_alike() -> None:
    coloured = noise((96, 96, 3), 0.01)
    brightness, colour = coloured.mean(axis=2), coloured - coloured.mean(axis=2, keepdims=True)
    out = guided_filter(coloured, eps=1e-6, chroma_eps=1e-3)
    assert np.abs(out.mean(axis=2) - brightness).max() < 0.1 * brightness.std()
    assert (out - out.mean(axis=2, keepdims=True)).std() < 0.4 * colour.std()
    grey = np.repeat(noise((96, 96, 1), 0.01), 3, axis=2)
    np.testing.assert_allclose(
        guided_filter(grey, eps=1e-4, chroma_eps=1e-3), guided_filter(grey, eps=1e-4), atol=1e-6
    )


@both
def test_white_stays_white_where_colour_differences_are_filtered() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    image[10:30, 10:30] = 255
    out = guided_filter(image, eps=1e-4, chroma_eps=1e-3)
    assert (out[15:25, 15:25] == 255).all()
    assert (out[image < 255] < 255).all()


@pytest.mark.parametrize("sigma", [0.004, 0.01, 0.03])
@pytest.mark.parametrize("dtype", MAXIMUM, ids=str)
def test_noise_on_a_smooth_picture_is_measured(sigma: float, dtype: Any) -> None:
    ramp = np.linspace(-0.2, 0.2, 300, dtype=np.float32)[:, None, None]
    image = (noise((300, 260, 3), sigma, mean=0.5) + ramp).clip(0, 1) * MAXIMUM[np.dtype(dtype)]
    image = image.astype(dtype) if dtype == np.float32 else np.rint(image).astype(dtype)
    assert estimate_noise(image) == pytest.approx(sigma, rel=0.2)


def test_texture_in_half_of_the_picture_does_not_count_as_noise() -> None:
    image = noise((256, 256, 3), 0.005)
    image[:, :128] = np.random.default_rng(5).random((256, 128, 3)).astype(np.float32)
    assert estimate_noise(image) == pytest.approx(0.005, rel=0.3)


def test_no_noise_is_found_where_there_is_none() -> None:
    assert estimate_noise(np.full((64, 64, 3), 90, np.uint8)) == 0
    assert estimate_noise(np.zeros((64, 64, 3), np.uint8)) == 0
    assert estimate_noise(np.full((5, 400, 3), 90, np.uint8)) == 0


def test_the_matched_eps_grows_with_the_noise_and_removes_most_of_it() -> None:
    image = noise((256, 256, 3), 0.01)
    eps = matched_eps(estimate_noise(image))
    assert guided_filter(image, eps=eps).std() < 0.4 * image.std()
    assert matched_eps(0.02) > matched_eps(0.01) > matched_eps(0) == 0


def test_a_curve_adds_the_noise_that_its_gain_says() -> None:
    dark = np.full((8, 8, 3), 0.1, np.float32)
    assert noise_added(dark, 2 * dark) == pytest.approx(1 - 1 / 4)
    assert noise_added(dark, 4 * dark) == pytest.approx(1 - 1 / 16)
    assert noise_added(dark, dark) == noise_added(dark, dark / 2) == 0
    assert 0 < noise_added(0 * dark, 0 * dark + 0.002) + 1e-9 < noise_added(0 * dark, dark) < 1


def test_shadows_that_are_lifted_beside_lights_that_stay_count_in_full() -> None:
    dark = np.full((8, 8, 3), 0.8, np.float32)
    dark[:2] = 0.02
    bright = dark.copy()
    bright[:2] = 0.16
    assert bright.mean() < 1.06 * dark.mean()
    assert noise_added(dark, bright) == pytest.approx(1 - 1 / 64)


def test_of_a_picture_that_is_lifted_evenly_the_added_noise_follows_from_its_mean() -> None:
    dark = np.random.default_rng(0).beta(1.5, 8, (64, 64, 3)).astype(np.float32)
    for a in (0.05, 0.2, 0.4):
        bright = apply_curves(dark, np.full((1, 1, 1), a, np.float32))
        share = 1 - (dark.mean() / bright.mean()) ** 2
        assert noise_added(dark, bright) == pytest.approx(share, abs=0.05)
