"""Maps over time: smooth where the scene stays, new at once where it changes, the same at any frame
rate.
"""

from __future__ import annotations

import numpy as np
import pytest

from undim.pixels.curve import apply_curves
from undim.video.steady import INTERVAL, SteadyMaps, is_cut

RNG = np.random.default_rng(5)


def scene(seed: int, mean: float, size: tuple[int, int] = (36, 64)) -> np.ndarray:
    """A blocky dark picture (h, w, 3) in [0, 1]."""
    blocks = np.random.default_rng(seed).uniform(0.2, 1.8, (6, 8, 3))
    picture = np.kron(blocks, np.ones((size[0] // 6, size[1] // 8, 1)))
    return (picture * mean).clip(0, 1).astype(np.float32)


class Estimator:
    """Gives maps of one value, which differs from call to call, as a nervous network would."""

    def __init__(self, *values: float) -> None:
        self.values, self.calls = values, 0

    def __call__(self, thumbnail: np.ndarray) -> np.ndarray:
        self.calls += 1
        return np.full((1, 4, 4), self.values[(self.calls - 1) % len(self.values)], np.float32)


def brightness(steady: SteadyMaps, frames: list[np.ndarray], fps: float = 30) -> np.ndarray:
    return np.array(
        [
            apply_curves(frame, steady(frame, i / fps), iterations=4).mean()
            for i, frame in enumerate(frames)
        ]
    )


def test_a_nervous_estimate_does_not_flicker() -> None:
    frames = [scene(0, 0.1)] * 90
    nervous, estimate = Estimator(0.3, 0.5), Estimator(0.3, 0.5)
    raw = np.array([apply_curves(frame, estimate(frame), iterations=4).mean() for frame in frames])
    steady = brightness(SteadyMaps(nervous, iterations=4), frames)
    assert np.diff(raw).std() > 0.05
    assert np.diff(steady).std() < np.diff(raw).std() / 50


def test_exposure_steps_of_the_video_are_not_amplified() -> None:
    steps = 1 + 0.01 * np.random.default_rng(2).standard_normal(120)
    frames = [scene(0, 0.1) * np.float32(step) for step in steps]
    steady = brightness(SteadyMaps(Estimator(0.4), iterations=4), frames)
    fixed = np.array(
        [apply_curves(f, np.full((1, 1, 1), 0.4, np.float32), iterations=4).mean() for f in frames]
    )
    dark = np.array([frame.mean() for frame in frames])
    assert np.diff(fixed).std() > 2 * np.diff(dark).std()  # what the curve alone would do
    assert np.diff(steady).std() < 0.5 * np.diff(dark).std()


def test_a_lasting_change_of_light_is_followed() -> None:
    frames = [scene(0, 0.1)] * 30 + [scene(0, 0.13)] * 120
    steady = brightness(SteadyMaps(Estimator(0.4), iterations=4), frames)
    alone = brightness(SteadyMaps(Estimator(0.4), iterations=4), [scene(0, 0.13)] * 3)
    assert abs(steady[-1] - alone[-1]) < 0.005


def test_a_hard_cut_settles_at_once() -> None:
    frames = [scene(0, 0.1)] * 20 + [scene(1, 0.2)] * 20
    steady = SteadyMaps(
        Estimator(0.5, 0.5, 0.5, 0.5, 0.1), iterations=4
    )  # four estimates before the cut
    values = [float(steady(frame, i / 30).mean()) for i, frame in enumerate(frames)]
    assert values[19] == pytest.approx(0.5, abs=1e-6)
    assert values[20] == pytest.approx(0.1, abs=1e-6)


def test_estimates_are_made_now_and_then() -> None:
    estimator = Estimator(0.4)
    steady = SteadyMaps(estimator, iterations=4)
    for i in range(60):
        steady(scene(0, 0.1), i / 30)
    assert estimator.calls == pytest.approx(2 / INTERVAL, abs=1)


def test_convention_smoothing_runs_in_seconds_not_frames() -> None:
    def after_a_second(fps: int) -> float:
        steady = SteadyMaps(Estimator(0.2, 0.6, 0.6, 0.6, 0.6, 0.6), iterations=4)
        return max(float(steady(scene(0, 0.1), i / fps).mean()) for i in range(fps + 1))

    assert after_a_second(20) == pytest.approx(after_a_second(120), rel=0.03)


def test_maps_stay_in_range_and_strength_0_changes_nothing() -> None:
    steady = SteadyMaps(Estimator(1.0, -1.0), iterations=4)
    for i in range(30):
        maps = steady(scene(0, 0.1) * np.float32(1 + 0.02 * (i % 2)), i / 10)
        assert maps.dtype == np.float32
        assert np.abs(maps).max() <= 1
    still = SteadyMaps(Estimator(0.4), iterations=4, strength=0)
    assert (still(scene(0, 0.1), 0.0) == np.float32(0.4)).all()


@pytest.mark.parametrize("mean", [0.02, 0.1, 0.5])
def test_only_other_scenes_and_switched_lights_are_cuts(mean: float) -> None:
    before = scene(0, mean).mean(axis=2)
    noise = 0.002 * RNG.standard_normal(before.shape)  # on means of thousands of pixels
    assert not is_cut(before, before)
    assert not is_cut(before, before + noise.astype(np.float32))
    assert not is_cut(before, before * 1.15)  # an exposure step
    assert not is_cut(before, np.roll(before, 1, axis=1))  # a pan
    assert is_cut(before, scene(1, mean).mean(axis=2))
    assert is_cut(before, before * 3)
    assert is_cut(before, before[:, :-1])


def test_black_frames_are_no_cuts_among_themselves() -> None:
    black = np.zeros((18, 32), np.float32)
    assert not is_cut(black, black)
    assert not is_cut(
        black, black + np.float32(0.001) * RNG.standard_normal(black.shape).astype(np.float32)
    )


def test_maps_that_are_nearly_clipped_are_held_as_well() -> None:
    """Of two steps one is at its limit: more strength moves only the other one, less moves both."""

    def estimate(thumbnail: np.ndarray) -> np.ndarray:
        return np.array([1.0, 0.2], np.float32)[:, None, None] * np.ones((2, 4, 4), np.float32)

    steps = 1 + 0.01 * np.random.default_rng(2).standard_normal(120)
    frames = [scene(0, 0.1) * np.float32(step) for step in steps]
    steady = SteadyMaps(estimate, iterations=2)
    bright = np.array(
        [apply_curves(f, steady(f, i / 30), iterations=2).mean() for i, f in enumerate(frames)]
    )
    assert np.diff(bright).std() < 0.25 * np.diff([frame.mean() for frame in frames]).std()


def test_maps_whose_steps_are_in_balance_are_held_as_well() -> None:
    """Scaled as one, what the first step would win the others would lose."""

    def estimate(thumbnail: np.ndarray) -> np.ndarray:
        return np.array([1.0, 0.9, -0.3, -0.3], np.float32)[:, None, None]

    steps = 1 + 0.01 * np.random.default_rng(2).standard_normal(120)
    frames = [scene(0, 0.1) * np.float32(step) for step in steps]
    steady = SteadyMaps(estimate, iterations=4)
    bright = np.array(
        [apply_curves(f, steady(f, i / 30), iterations=4).mean() for i, f in enumerate(frames)]
    )
    assert np.diff(bright).std() < 0.25 * np.diff([frame.mean() for frame in frames]).std()


def test_a_video_that_the_curve_leaves_alone_keeps_its_own_brightness() -> None:
    """Steps that undo each other could be trimmed, and would make the video another one."""
    maps = np.array([0.3, -0.3, 0.0, 0.0], np.float32)[:, None, None]
    while apply_curves(scene(0, 0.1), maps, iterations=4).mean() < scene(0, 0.1).mean():
        maps[1] += np.float32(0.001)
    steps = 1 + 0.01 * np.random.default_rng(2).standard_normal(120)
    frames = [scene(0, 0.1) * np.float32(step) for step in steps]
    bright = brightness(SteadyMaps(lambda _: maps, iterations=4), frames)
    np.testing.assert_allclose(bright, [frame.mean() for frame in frames], rtol=4e-3)


def grid(seed: int, highest: float = 0.5) -> np.ndarray:
    """Maps (1, 6, 3, 4) that lift the dark by up to `highest` and leave the bright."""
    places = np.random.default_rng(seed).uniform(0.7, 1, (1, 1, 3, 4)) * highest
    return (places * np.linspace(1, 0, 6)[:, None, None]).astype(np.float32)


def test_a_nervous_grid_does_not_flicker() -> None:
    frames = [scene(0, 0.1)] * 90
    answers = [grid(0, 0.3), grid(1, 0.5)]
    raw = [apply_curves(frame, answers[i % 2]).mean() for i, frame in enumerate(frames)]
    calls = iter(answers * 45)
    steady = SteadyMaps(lambda _: next(calls), iterations=8)
    bright = [apply_curves(frame, steady(frame, i / 30)).mean() for i, frame in enumerate(frames)]
    assert np.diff(raw).std() > 0.05
    assert np.diff(bright).std() < np.diff(raw).std() / 50


@pytest.mark.parametrize("highest", [0.5, 1.0])
def test_exposure_steps_are_not_amplified_by_a_grid(highest: float) -> None:
    """At 1 a trim that strengthens is clipped where it is darkest."""
    steps = 1 + 0.01 * np.random.default_rng(2).standard_normal(120)
    frames = [scene(0, 0.1) * np.float32(step) for step in steps]
    maps = grid(0, highest)
    steady = SteadyMaps(lambda _: maps, iterations=8)
    held = [steady(frame, i / 30) for i, frame in enumerate(frames)]
    bright = [apply_curves(*pair).mean() for pair in zip(frames, held, strict=True)]
    fixed = [apply_curves(frame, maps).mean() for frame in frames]
    assert {trimmed.shape for trimmed in held} == {maps.shape}
    assert max(np.abs(trimmed).max() for trimmed in held) <= 1
    assert np.diff(bright).std() < 0.4 * np.diff(fixed).std()


def test_a_grid_settles_at_once_at_a_cut() -> None:
    estimates = iter([grid(0, 0.5)] * 4 + [grid(1, 0.1)])
    steady = SteadyMaps(lambda _: next(estimates), iterations=8)
    frames = [scene(0, 0.1)] * 20 + [scene(1, 0.2)]
    *_, before, after = (steady(frame, i / 30) for i, frame in enumerate(frames))
    np.testing.assert_allclose(before, grid(0, 0.5), atol=1e-6)
    np.testing.assert_allclose(after, grid(1, 0.1), atol=1e-6)


def test_a_grid_follows_on_one_number_and_one_number_on_a_grid() -> None:
    number = np.full((1, 1, 1), 0.3, np.float32)
    estimates = iter([number, *[grid(0)] * 20, *[number] * 60])
    steady = SteadyMaps(lambda _: next(estimates), iterations=8, strength=0)  # 0: no trimming
    maps = [steady(scene(0, 0.1), i / 5) for i in range(81)]
    assert maps[0].shape == (1, 1, 1)
    np.testing.assert_allclose(maps[20], grid(0), atol=1e-3)
    np.testing.assert_allclose(maps[80], np.full_like(grid(0), 0.3), atol=1e-6)
