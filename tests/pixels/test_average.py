"""Averaging over time: less noise at rest, no ghosts of what moves, and a kernel that equals its
reference.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undim.measure.metrics import psnr
from undim.pixels import reference
from undim.pixels.average import FAINT, FRAMES, TemporalAverage, average, motion_limits, noise
from undim.pixels.jobs import Average, MotionLimits
from undim.pixels.samples import spread

Frame = np.ndarray  # (H, W, 3)


class Filtered:
    """TemporalAverage on RGB frames of 16 bits."""

    def __init__(self) -> None:
        self.average = TemporalAverage()

    def __call__(self, frame: Frame) -> Frame:
        planes = self.average([frame[..., c] for c in range(3)], 16)
        return frame if planes is None else np.stack(planes, axis=2)


def noisy(clean: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """uint16 frames with normal noise, sigma in units of the full range."""
    grain = np.random.default_rng(seed).normal(0, 65535 * sigma, clean.shape)
    return np.rint(clean + grain).clip(0, 65535).astype(np.uint16)


def gradient(height: int = 64, width: int = 96) -> np.ndarray:
    ramp = (
        np.linspace(3000, 9000, width)[None, :, None] + np.linspace(0, 2000, height)[:, None, None]
    )
    return np.rint(ramp * np.array([1.0, 0.9, 0.7])).astype(np.uint16)


def test_noise_falls_as_in_an_average_of_eight() -> None:
    clean, filtered = gradient(), Filtered()
    for i in range(20):
        result = filtered(noisy(clean, 0.01, i))
    error = (result.astype(float) - clean).std() / (65535 * 0.01)
    # A running average of gain 1/8 leaves sqrt((1/8) / (2 - 1/8)) = 0.26 of the noise.
    assert 0.2 < error < 0.36


def test_the_first_frame_and_a_still_video_come_out_as_they_are() -> None:
    filtered = Filtered()
    frame = noisy(gradient(), 0.01, 0)
    for _ in range(5):
        assert (filtered(frame) == frame).all()


def still(shapes: list[tuple[int, int]]) -> Average:
    """The average of one frame of level 60."""
    planes = [np.full(shape, 60 * 256, np.uint16) for shape in shapes]
    return Average(planes, np.ones(shapes[2], np.uint8))


def test_noise_half_as_strong_again_as_was_measured_is_not_taken_for_motion() -> None:
    rng, shapes = np.random.default_rng(0), [(128, 128), (64, 64), (64, 64)]
    states = [still(shapes), still(shapes)]
    for i in range(24):
        frame = [np.rint(rng.normal(60, 3, shape)).astype(np.uint8) for shape in shapes]
        average(frame, 8, states[i % 2], states[1 - i % 2], [2 / 255] * 3)
    assert (states[0].count < FRAMES).mean() < 0.01


@pytest.mark.parametrize("cell", [(1, 1), (2, 2)])
def test_a_step_under_noise_in_luma_alone_is_followed_at_once(cell: tuple[int, int]) -> None:
    rng, shapes = np.random.default_rng(0), [(128, 128), *[(128 // cell[0], 128 // cell[1])] * 2]
    states = [still(shapes), still(shapes)]
    for i in range(24):
        luma = 66 if i == 23 else 60  # one and a half times the noise
        frame = [np.rint(rng.normal(luma, 4, shapes[0])).astype(np.uint8)]
        frame += [np.full(shape, 60, np.uint8) for shape in shapes[1:]]
        average(frame, 8, states[i % 2], states[1 - i % 2], [4 / 255, 0, 0])
    assert states[0].planes[0].mean() / 256 > 65.5


def test_a_moving_thing_leaves_no_ghost() -> None:
    filtered = Filtered()
    for i in range(12):
        clean = gradient()
        clean[20:36, 4 * i : 4 * i + 12] = 14000
        result = filtered(noisy(clean, 0.01, i))
    passed = (result.astype(float) - clean)[20:36, : 4 * 11 - 3]  # where it was before
    assert abs(passed.mean()) < 0.1 * 65535 * 0.01
    inside = (result.astype(float) - clean)[22:34, 4 * 11 + 2 : 4 * 11 + 10]
    assert abs(inside.mean()) < 0.5 * 65535 * 0.01


def test_a_slow_change_under_the_noise_is_followed() -> None:
    filtered = Filtered()
    for i in range(60):
        clean = gradient() + np.uint16(30 * i)  # a twentieth of sigma from frame to frame
        result = filtered(noisy(clean, 0.01, i))
    lag = (clean.astype(float) - result).mean()
    assert 0 <= lag < 30 * FRAMES


def test_it_beats_the_noisy_frames_in_psnr_at_once() -> None:
    clean, filtered = gradient(), Filtered()
    gains = []
    for i in range(6):
        frame = noisy(clean, 0.01, i)
        gains.append(
            psnr(filtered(frame), clean, data_range=65535) - psnr(frame, clean, data_range=65535)
        )
    assert gains[0] == 0
    assert gains[1] > 2
    assert gains[5] > 6


def yuv(height: int, width: int, cell: tuple[int, int], depth: int, seed: int) -> list[np.ndarray]:
    """Three planes of random samples, the last two coarser by a cell's size."""
    rng, coarse = np.random.default_rng(seed), (-(-height // cell[0]), -(-width // cell[1]))
    dtype = np.uint8 if depth == 8 else np.uint16
    return [
        rng.integers(0, 2**depth, shape).astype(dtype)
        for shape in ((height, width), coarse, coarse)
    ]


@pytest.mark.parametrize("depth", [8, 10, 16])
def test_a_still_video_of_any_depth_keeps_its_samples(depth: int) -> None:
    planes, filtered = yuv(9, 7, (2, 2), depth, 0), TemporalAverage()
    for _ in range(3):
        result = filtered(planes, depth)
        assert result is not None
        for got, samples in zip(result, planes, strict=True):
            assert (got == samples.astype(np.uint16) << (16 - depth)).all()
    smaller = filtered(yuv(5, 5, (2, 2), depth, 0), depth)
    assert smaller is not None
    assert smaller[0].shape == (5, 5)


def test_motion_in_colour_alone_leaves_no_ghost() -> None:
    filtered, rng = TemporalAverage(), np.random.default_rng(0)
    for i in range(10):
        planes = [rng.normal(60, 2, shape) for shape in ((64, 96), (32, 48), (32, 48))]
        planes[1][10:18, 4 * i : 4 * i + 6] += 25
        result = filtered([np.rint(plane).astype(np.uint8) for plane in planes], 8)
    assert result is not None
    assert abs(result[1][10:18, : 4 * 9 - 3] / 256 - 60).mean() < 2


@pytest.mark.parametrize("sigma", [0.003, 0.01, 0.03])
def test_noise_is_measured_within_a_tenth(sigma: float) -> None:
    clean = np.full((200, 300, 3), 20000, np.uint16)
    clean[:, 150:] = 40000
    assert noise(noisy(clean, sigma, 0)[..., 1]) / 65535 == pytest.approx(sigma, rel=0.1)


def test_a_video_without_noise_is_left_alone() -> None:
    assert noise(gradient()[..., 0]) / 65535 < FAINT
    assert noise(np.zeros((2, 2), np.uint8)) == 0
    filtered = TemporalAverage()
    for frame in (gradient(), gradient() + np.uint16(20)):
        assert filtered([frame[..., c] for c in range(3)], 16) is None


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 40),
    cell=st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2)]),
    depth=st.sampled_from([8, 10, 16]),
    way=st.sampled_from(["plain", "every third", "flipped"]),
    sigma=st.sampled_from([1e-4, 0.002, 0.02]),
    threads=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_native_equals_numpy(
    height: int, width: int, cell: tuple[int, int], depth: int, way: str, sigma: float, threads: int, seed: int
) -> None:  # fmt: skip
    native = pytest.importorskip("undim.pixels._native", reason="the kernel was not built")
    rng, frame = np.random.default_rng(seed), yuv(height, width, cell, depth, seed)
    before = [noisy(plane.astype(np.uint16) << (16 - depth), sigma, seed) for plane in frame]
    before[0][: height // 3] = rng.integers(0, 65536)  # a part that moved
    if way == "every third":
        frame = [plane.repeat(3, axis=1)[:, ::3] for plane in frame]
    if way == "flipped":
        frame = [plane[::-1, ::-1].copy()[::-1, ::-1] for plane in frame]
    count = rng.integers(1, FRAMES + 1, frame[2].shape).astype(np.uint8)
    limits = motion_limits(frame[0].shape, count.shape, [sigma] * 3)
    results = []
    for kernel in (native, reference):
        after = Average([np.empty_like(plane) for plane in before], np.empty_like(count))
        kernel.average_planes(frame, depth, Average(before, count), after, limits, threads)
        results.append(after)
    result, expected = results
    same = result.count == expected.count  # the thresholds are float32 in one, float64 in the other
    assert same.mean() > 0.999 or (~same).sum() <= 1
    for got, wanted in zip(result.planes, expected.planes, strict=True):
        scale = [-(-got.shape[i] // same.shape[i]) for i in (0, 1)]
        pixels = spread(same, *scale, got.shape)
        assert np.abs(got.astype(int) - wanted)[pixels].max(initial=0) <= 1


def test_arguments_that_do_not_fit_together_are_refused_by_name() -> None:
    native = pytest.importorskip("undim.pixels._native", reason="the kernel was not built")
    frame, good = yuv(6, 8, (2, 2), 8, 0), still([(6, 8), (3, 4), (3, 4)])
    limits = motion_limits((6, 8), (3, 4), [0.01] * 3)

    def call(
        frame: list[np.ndarray] = frame,
        depth: int = 8,
        before: Average = good,
        limits: MotionLimits = limits,
        threads: int = 1,
    ) -> None:
        after = still([(6, 8), (3, 4), (3, 4)])
        native.average_planes(frame, depth, before, after, limits, threads)

    call()
    for named, wrong in (
        ("planes", {"frame": frame[:2]}),
        ("planes", {"frame": [frame[0], frame[1].astype(np.uint16), frame[2]]}),
        ("planes", {"before": still([(6, 8), (3, 4), (3, 3)])}),
        ("count", {"before": replace(good, count=good.count[:2].copy())}),
        ("depth", {"depth": 7}),
        ("frames", {"limits": replace(limits, frames=0)}),
        ("threads", {"threads": 0}),
    ):
        with pytest.raises(ValueError, match=f"got .*{named}.*expected"):
            call(**wrong)  # type: ignore[arg-type]
