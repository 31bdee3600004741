"""The metrics against independent references, their invariants, and the conventions that bite."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from undim.errors import InputError
from undim.measure.metrics import (
    METRICS,
    chroma_shift,
    clipped_fraction,
    gt_mean_psnr,
    mean_brightness,
    psnr,
    psnr_uint8_wrapped,
    ssim,
)

images = hnp.arrays(np.uint8, st.tuples(st.integers(11, 20), st.integers(11, 20), st.just(3)))


def picture(seed: int, shape: tuple[int, int] = (45, 62)) -> np.ndarray:
    """Smooth structure and noise, so that SSIM has something of both to see."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    waves = 110 + 60 * np.sin(rows / 5 + seed)[..., None] * np.cos(
        columns[..., None] / 7 + np.arange(3)
    )
    return np.clip(waves + rng.normal(0, 15, (*shape, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(45, 62), (11, 11), (11, 90), (75, 12), (42, 43)])
def test_convention_ssim_is_the_gaussian_window_of_wang(shape: tuple[int, int]) -> None:
    a, b = picture(0, shape), picture(1, shape)
    expected = structural_similarity(
        a,
        b,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(a, b, data_range=255) == pytest.approx(expected, abs=1e-6)
    assert ssim(a / 255, b / 255, data_range=1) == pytest.approx(expected, abs=1e-6)


def test_convention_ssim_is_not_the_uniform_window() -> None:
    a, b = picture(0), picture(1)
    uniform = structural_similarity(a, b, channel_axis=2, data_range=255)
    assert abs(ssim(a, b, data_range=255) - uniform) > 1e-3


def test_psnr_equals_an_independent_implementation() -> None:
    a, b = picture(0), picture(1)
    expected = peak_signal_noise_ratio(b, a, data_range=255)
    assert psnr(a, b, data_range=255) == pytest.approx(expected, abs=1e-9)
    wide = a.astype(np.uint16) * 257, b.astype(np.uint16) * 257
    assert psnr(*wide, data_range=65535) == pytest.approx(expected, abs=1e-9)
    unit = np.float32(a / 255), np.float32(b / 255)
    assert psnr(*unit, data_range=1) == pytest.approx(expected, abs=1e-4)


def test_convention_uint8_psnr_wraps_twice() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    naive = 20 * math.log10(255 / math.sqrt(np.mean((a - b) ** 2)))
    assert psnr_uint8_wrapped(a, b) == pytest.approx(naive, abs=1e-9)
    assert psnr_uint8_wrapped(a, b) == pytest.approx(27.9, abs=0.3)
    assert psnr_uint8_wrapped(np.zeros_like(a), b) == pytest.approx(27.9, abs=0.3)
    assert psnr(a, b, data_range=255) < 9


def test_convention_wrapped_psnr_is_only_on_request_and_only_for_uint8() -> None:
    assert [name for name, metric in METRICS.items() if metric.on_request] == ["psnr_uint8_wrapped"]
    half = np.full((12, 12, 3), 0.5, np.float32)
    with pytest.raises(InputError, match="use psnr"):
        psnr_uint8_wrapped(half, half, data_range=1)


def test_convention_gt_mean_is_a_column_of_its_own() -> None:
    reference = picture(3)
    dark = (reference * 0.25).astype(np.uint8)
    assert (
        gt_mean_psnr(dark, reference, data_range=255) > psnr(dark, reference, data_range=255) + 15
    )
    assert METRICS["psnr"].function is psnr
    black = np.zeros_like(reference)
    assert gt_mean_psnr(black, reference, data_range=255) == psnr(black, reference, data_range=255)


def test_convention_gt_mean_scales_luma_and_clips() -> None:
    image = np.zeros((12, 12, 3), np.uint8)
    image[:, :6], image[:, 6:] = (100, 100, 100), (200, 200, 200)  # mean 150
    reference = np.full((12, 12, 3), 225, np.uint8)  # gain 1.5: 150 and 300, clipped to 255
    error = ((225 - 150) ** 2 + (255 - 225) ** 2) / 2
    assert gt_mean_psnr(image, reference, data_range=255) == pytest.approx(
        10 * math.log10(255**2 / error)
    )


def test_the_page_lists_every_metric() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text("utf-8")
    for name, metric in METRICS.items():
        low, high = ("∞" if value == math.inf else f"{value:.3g}" for value in metric.range)
        row = (f"`{name}`", metric.heading, metric.title, f"{low} to {high}", metric.better or "")
        assert f"| {' | '.join(row)} |".replace("  ", " ") in page


@given(images)
def test_equal_images_are_perfect(image: np.ndarray) -> None:
    assert psnr(image, image, data_range=255) == math.inf
    assert gt_mean_psnr(image, image, data_range=255) == math.inf
    assert psnr_uint8_wrapped(image, image) == math.inf
    assert ssim(image, image, data_range=255) == pytest.approx(1, abs=1e-12)
    assert chroma_shift(image, image, data_range=255) == 0


@given(hnp.arrays(np.uint8, (2, 12, 13, 3)))
def test_every_metric_is_symmetric_and_within_its_range(pair: np.ndarray) -> None:
    for name, metric in METRICS.items():
        arguments = pair[: 1 if metric.compares_with is None else 2]
        value = metric.function(*arguments, data_range=255)
        low, high = metric.range
        assert low - 1e-9 <= value <= high, name
        if metric.compares_with and name != "gt_mean_psnr":
            assert value == pytest.approx(metric.function(pair[1], pair[0], data_range=255))


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_fidelity_worsens_when_the_image_does(metric) -> None:
    reference = picture(0)
    noise = np.random.default_rng(1).normal(0, 1, reference.shape)
    scores = [
        metric(np.clip(reference + s * noise, 0, 255).astype(np.uint8), reference, data_range=255)
        for s in (2, 5, 12, 30, 60)
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_plain_facts_about_one_image() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    image[:2, :, 0] = 255  # a fifth of the pixels, one channel
    assert mean_brightness(image, data_range=255) == pytest.approx(0.2 / 3)
    assert clipped_fraction(image, data_range=255) == pytest.approx(0.2)
    assert clipped_fraction(image, data_range=256) == 0


def test_chroma_shift_sees_casts_and_not_brightness() -> None:
    image = picture(2) // 2
    assert chroma_shift(image * 2, image, data_range=255) == pytest.approx(0, abs=1e-12)
    cast = image.copy()
    cast[..., 2] += 40
    assert chroma_shift(cast, image, data_range=255) > 0.05
    black = np.zeros_like(image)
    assert chroma_shift(black, np.full_like(image, 7), data_range=255) == 0


def test_convention_data_range_is_never_guessed() -> None:
    a = picture(0)
    for metric in METRICS.values():
        if metric.function is not psnr_uint8_wrapped:
            with pytest.raises(TypeError, match="data_range"):
                metric.function(a, a) if metric.compares_with else metric.function(a)
    with pytest.raises(InputError, match=r"255 for uint8"):
        psnr(a, a, data_range=1)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.compares_with])
def test_pairs_that_cannot_be_compared_are_refused(name: str) -> None:
    function, a = METRICS[name].function, picture(0)
    with pytest.raises(InputError, match="mixed dtypes: uint8 and float32"):
        function(a, np.float32(a / 255), data_range=255)
    with pytest.raises(InputError, match="unequal size"):
        function(a, a[:-1], data_range=255)
    with pytest.raises(InputError, match=r"\(H, W, 3\)"):
        function(a[..., 0], a[..., 0], data_range=255)


def test_nan_and_small_images_are_refused() -> None:
    bad = np.full((12, 12, 3), 0.5)
    bad[3, 3, 1] = np.nan
    with pytest.raises(InputError, match="data_range"):
        psnr(bad, np.zeros_like(bad), data_range=1)
    tiny = np.zeros((10, 40, 3), np.uint8)
    with pytest.raises(InputError, match="11 x 11 pixels, got 40 x 10"):
        ssim(tiny, tiny, data_range=255)
