"""Averaging over time: less noise at rest, no ghosts of what moves, and a kernel that equals its reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undim.kernel import native_kernel
from undim.metrics import psnr
from undim.video.averaging import FAINT, FRAMES, TemporalAverage, average, average_numpy, noise


def noisy(clean: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """uint16 frames with normal noise, sigma in units of the full range."""
    grain = np.random.default_rng(seed).normal(0, 65535 * sigma, clean.shape)
    return np.rint(clean + grain).clip(0, 65535).astype(np.uint16)


def gradient(height: int = 64, width: int = 96) -> np.ndarray:
    ramp = np.linspace(3000, 9000, width)[None, :, None] + np.linspace(0, 2000, height)[:, None, None]
    return np.rint(ramp * np.array([1.0, 0.9, 0.7])).astype(np.uint16)


def test_noise_falls_as_in_an_average_of_eight() -> None:
    clean, filtered = gradient(), TemporalAverage()
    for i in range(20):
        result = filtered(noisy(clean, 0.01, i))
    error = (result.astype(float) - clean).std() / (65535 * 0.01)
    # A running average of gain 1/8 leaves sqrt((1/8) / (2 - 1/8)) = 0.26 of the noise.
    assert 0.2 < error < 0.36


def test_the_first_frame_and_a_still_film_come_out_as_they_are() -> None:
    filtered = TemporalAverage()
    frame = noisy(gradient(), 0.01, 0)
    for _ in range(5):
        assert (filtered(frame) == frame).all()


def test_a_moving_thing_leaves_no_ghost() -> None:
    filtered = TemporalAverage()
    for i in range(12):
        clean = gradient()
        clean[20:36, 4 * i : 4 * i + 12] = 14000
        result = filtered(noisy(clean, 0.01, i))
    passed = (result.astype(float) - clean)[20:36, : 4 * 11 - 3]  # where it was before
    assert abs(passed.mean()) < 0.1 * 65535 * 0.01
    inside = (result.astype(float) - clean)[22:34, 4 * 11 + 2 : 4 * 11 + 10]
    assert abs(inside.mean()) < 0.5 * 65535 * 0.01


def test_a_slow_change_under_the_noise_is_followed() -> None:
    filtered = TemporalAverage()
    for i in range(60):
        clean = gradient() + np.uint16(30 * i)  # a twentieth of sigma from frame to frame
        result = filtered(noisy(clean, 0.01, i))
    lag = (clean.astype(float) - result).mean()
    assert 0 <= lag < 30 * FRAMES


def test_it_beats_the_noisy_frames_in_psnr_at_once() -> None:
    clean, filtered = gradient(), TemporalAverage()
    gains = []
    for i in range(6):
        frame = noisy(clean, 0.01, i)
        gains.append(psnr(filtered(frame), clean, data_range=65535) - psnr(frame, clean, data_range=65535))
    assert gains[0] == 0
    assert gains[1] > 2
    assert gains[5] > 6


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_dtype_and_shape_stay(dtype: type) -> None:
    filtered = TemporalAverage()
    scale = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    frame = (np.random.default_rng(0).random((9, 7, 3)) * scale).astype(dtype)
    for _ in range(3):
        result = filtered(frame)
        assert result.dtype == dtype
        assert np.abs(result.astype(float) - frame).max() <= 1e-4 * scale * (dtype == np.float32)
    assert filtered(np.zeros((5, 5, 3), dtype)).shape == (5, 5, 3)


@pytest.mark.parametrize("sigma", [0.003, 0.01, 0.03])
def test_noise_is_measured_within_a_tenth(sigma: float) -> None:
    clean = np.full((200, 300, 3), 20000, np.uint16)
    clean[:, 150:] = 40000
    assert noise(noisy(clean, sigma, 0)) == pytest.approx(sigma, rel=0.1)


def test_a_film_without_noise_is_left_alone() -> None:
    assert noise(gradient()) < FAINT
    assert noise(np.zeros((2, 2, 3), np.uint8)) == 0
    filtered, frames = TemporalAverage(), [gradient(), gradient() + np.uint16(20)]
    for frame in frames:
        assert filtered(frame) is frame


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 40),
    sigma=st.sampled_from([1e-4, 0.002, 0.02]),
    threads=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_native_equals_numpy(height: int, width: int, sigma: float, threads: int, seed: int) -> None:
    if native_kernel() is None:
        pytest.skip("the native kernel was not built")
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 65536, (height, width, 3)).astype(np.uint16)
    before = noisy(frame, sigma, seed)
    before[: height // 3] = rng.integers(0, 65536)  # a part that moved
    count = rng.integers(1, FRAMES + 1, (height, width)).astype(np.uint8)
    expected, expected_count = average_numpy(frame, before, count, sigma)
    result, result_count = average(frame, before, count, sigma, threads)
    same = result_count == expected_count  # the thresholds are float32 in one, float64 in the other
    assert same.mean() > 0.999 or (~same).sum() <= 1
    assert np.abs(result.astype(int) - expected)[same].max(initial=0) <= 1
