"""The learned denoiser corrects the filtered picture, whatever its size, and does little else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from undim.enhancer import Enhancer
from undim.errors import InputError
from undim.measure.metrics import psnr
from undim.model import tiles
from undim.model.denoiser import LearnedDenoiser
from undim.pixels.curve import apply_curves
from undim.pixels.filter import filter_and_apply
from undim.pixels.noise import matched_eps
from undim.pixels.samples import MAXIMUM, to_unit
from undim.video.sequence import FrameEnhancer

CURVE = np.full((8, 1, 1), 0.4, np.float32)
DTYPES = [np.uint8, np.uint16, np.float32]


@pytest.fixture(scope="module")
def denoiser() -> LearnedDenoiser:
    return LearnedDenoiser(threads=1)


def scene(height: int = 90, width: int = 130) -> np.ndarray:
    """Flat areas of several colours, a ramp and edges, (H, W, 3) in [0, 1]."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = [0.3, 0.35, 0.4]
    image[: height // 2, : width // 2] = [0.6, 0.5, 0.4]
    image[height // 2 :] += np.linspace(0, 0.3, width, dtype=np.float32)[:, None]
    return image


def noisy(
    image: np.ndarray, dtype: type = np.uint8, sigma: float = 0.05, seed: int = 0
) -> np.ndarray:
    samples = np.clip(image + np.random.default_rng(seed).normal(0, sigma, image.shape), 0, 1)
    if dtype == np.float32:
        return samples.astype(dtype)
    return np.round(samples * MAXIMUM[np.dtype(dtype)]).astype(dtype)


def both(
    image: np.ndarray, dtype: type = np.uint8, sigma: float = 0.012, seed: int = 0
) -> tuple[np.ndarray, ...]:
    """A dark, noisy capture of a scene, brightened; and the same filtered before that."""
    dark, eps = noisy(0.15 * image, dtype, sigma, seed), matched_eps(0.012)
    return apply_curves(dark, CURVE), filter_and_apply(
        dark, CURVE, eps=0.5 * eps, chroma_eps=2 * eps
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_noise_goes_and_the_scene_stays(denoiser: LearnedDenoiser, dtype: type) -> None:
    clean, pictures = apply_curves(0.15 * scene(), CURVE), both(scene(), dtype)
    before = [picture.copy() for picture in pictures]
    cleaned = denoiser(*pictures)
    assert cleaned.dtype == dtype
    assert cleaned.shape == clean.shape
    for picture, earlier in zip(pictures, before, strict=True):
        np.testing.assert_array_equal(picture, earlier)
    filtered, learned = (psnr(to_unit(x), clean, data_range=1) for x in (pictures[1], cleaned))
    assert learned > filtered + 0.1


def test_a_clean_picture_hardly_changes(denoiser: LearnedDenoiser) -> None:
    clean = apply_curves(noisy(0.15 * scene(), sigma=0), CURVE)
    assert psnr(denoiser(clean, clean), clean, data_range=255) > 40


def test_the_amount_blends_and_0_is_the_filtered_picture(denoiser: LearnedDenoiser) -> None:
    bright, filtered = both(scene(), np.float32)
    none, half, full = (denoiser(bright, filtered, amount) for amount in (0, 0.5, 1))
    np.testing.assert_array_equal(none, filtered)
    assert none is not filtered
    np.testing.assert_allclose(half, (filtered + full) / 2, atol=1e-5)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 100), (100, 1), (7, 3), (64, 64), (65, 121)]
)
def test_every_size_works(denoiser: LearnedDenoiser, height: int, width: int) -> None:
    cleaned = denoiser(*both(np.full((height, width, 3), 0.5)))
    assert cleaned.shape == (height, width, 3)
    assert (
        abs(
            cleaned.mean() / 255 - apply_curves(np.full((1, 1, 3), 0.075, np.float32), CURVE).mean()
        )
        < 0.1
    )


@pytest.mark.parametrize("tile", [16, 40])
def test_tiles_are_the_whole(
    denoiser: LearnedDenoiser, monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    pictures = both(scene(), np.float32)
    whole = denoiser(*pictures)
    monkeypatch.setattr(tiles, "TILE", tile)
    np.testing.assert_allclose(denoiser(*pictures), whole, atol=1e-5)
    monkeypatch.setattr("undim.model.denoiser.HALO", 8)
    assert np.abs(denoiser(*pictures) - whole).max() > 2e-5  # so that the test can fail


def test_strides_do_not_matter(denoiser: LearnedDenoiser) -> None:
    turned = [picture[::-1, ::2] for picture in both(scene(40, 60))]
    np.testing.assert_array_equal(
        denoiser(*turned), denoiser(*(picture.copy() for picture in turned))
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_newly_clips(denoiser: LearnedDenoiser, dtype: type) -> None:
    image = noisy(np.full((40, 40, 3), 0.99), dtype, sigma=0.02)
    cleaned = denoiser(image, image)
    maximum = MAXIMUM[image.dtype]
    assert (image == maximum).any()
    assert (cleaned[image < maximum] < maximum).all()


def test_threads_may_share_it(denoiser: LearnedDenoiser) -> None:
    pairs = [both(scene(40, 56), seed=seed) for seed in range(4)]
    alone = [denoiser(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: denoiser(*pairs[i % 4]), range(16)))
    for i, image in enumerate(together):
        np.testing.assert_array_equal(image, alone[i % 4])


def test_the_enhancer_loads_it_when_it_is_asked_for() -> None:
    enhancer, image = Enhancer(threads=1), noisy(scene() * 0.15, sigma=0.015)
    plain = enhancer(image, denoise="off")
    assert "_denoiser" not in vars(enhancer)
    cleaned = enhancer(image, denoise="learned")
    assert "_denoiser" in vars(enhancer)
    flat = np.s_[5:40, 5:60]
    assert cleaned[flat].std(axis=(0, 1)).mean() < 0.6 * plain[flat].std(axis=(0, 1)).mean()
    assert (cleaned != enhancer(image)).any()
    assert abs(cleaned.mean() - plain.mean()) < 3
    np.testing.assert_array_equal(enhancer(image, strength=0, denoise="learned"), image)


def test_what_is_hardly_brightened_is_hardly_cleaned() -> None:
    enhancer, image = Enhancer(threads=1), noisy(scene() * 0.15, sigma=0.015)
    changes = []
    for strength in (1e-3, 0.2, 1.0):
        plain = enhancer(image, strength=strength, denoise="auto").astype(int)
        changes.append(np.abs(enhancer(image, strength=strength, denoise="learned") - plain).mean())
    assert changes[0] == 0
    assert changes[0] < changes[1] < changes[2]


def test_maps_of_full_size_come_before_it() -> None:
    image = noisy(scene() * 0.15, sigma=0.015)
    cleaned = Enhancer(threads=1, maps="full")(image, denoise="learned")
    assert cleaned.shape == image.shape
    assert cleaned.mean() > 2 * image.mean()


def test_video_refuses_it() -> None:
    with pytest.raises(InputError, match="learned"):
        FrameEnhancer(Enhancer(threads=1), denoise="learned")
