"""The curve: its formula, its promises, its map layouts and its errors, for the kernel and for
NumPy alike.
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from undim.errors import InputError
from undim.pixels import reference
from undim.pixels.curve import apply_curves
from undim.pixels.jobs import NO_FILTER, Curve
from undim.pixels.kernel import SlowKernelWarning, kernel, thread_count
from undim.pixels.samples import MAXIMUM

both = pytest.mark.usefixtures("each_kernel")
dtypes = pytest.mark.parametrize("dtype", MAXIMUM, ids=str)


def picture(dtype: Any, shape: tuple[int, ...] = (23, 31, 3), seed: int = 0) -> Any:
    """Every brightness, the darkest most of all, with both ends present."""
    unit = np.random.default_rng(seed).random(shape) ** 3
    unit.flat[:2] = 0, 1
    maximum = MAXIMUM[np.dtype(dtype)]
    return (unit * maximum).round(0 if maximum > 1 else 9).astype(dtype)


def random_maps(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@both
def test_one_map_follows_the_formula() -> None:
    image = picture(np.float32)
    expected = image.astype(np.float64)
    for a in (0.9, -0.4, 0.25, 1.0):
        expected = expected + a * expected * (1 - expected)
    maps = np.array([0.9, -0.4, 0.25, 1.0], np.float32).reshape(4, 1, 1)
    assert np.abs(apply_curves(image, maps, iterations=4) - expected).max() < 1e-6


@both
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 7), (23, 31), (40, 50)])
def test_convention_maps_are_interpolated_with_half_pixel_centres(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    image, maps = picture(np.float32), random_maps(24, *size)
    full = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None], image.shape[:2], mode="bilinear"
    )[0]
    expected = image.astype(np.float64)
    for step in (
        full.numpy().astype(np.float64).reshape(8, 3, *image.shape[:2]).transpose(0, 2, 3, 1)
    ):
        expected = expected + step * expected * (1 - expected)
    assert np.abs(apply_curves(image, maps) - expected).max() < 1e-5


@both
@dtypes
def test_layouts_that_mean_the_same_give_the_same(dtype: Any) -> None:
    image = picture(dtype)
    per_channel, per_step, one = random_maps(3, 4, 5), random_maps(8, 4, 5), random_maps(1, 4, 5)
    assert np.array_equal(
        apply_curves(image, per_channel), apply_curves(image, np.tile(per_channel, (8, 1, 1)))
    )
    assert np.array_equal(
        apply_curves(image, per_step), apply_curves(image, np.repeat(per_step, 3, axis=0))
    )
    assert np.array_equal(apply_curves(image, one), apply_curves(image, np.tile(one, (24, 1, 1))))


@both
def test_convention_three_maps_for_three_iterations_are_one_per_channel() -> None:
    image, maps = picture(np.uint8), random_maps(3, 4, 5)
    assert np.array_equal(
        apply_curves(image, maps, iterations=3),
        apply_curves(image, np.tile(maps, (3, 1, 1)), iterations=3),
    )


@both
@dtypes
def test_strength_zero_is_the_input_bit_for_bit(dtype: Any) -> None:
    image = picture(dtype)
    if dtype == np.float32:
        image[1, 1] = -0.0, np.finfo(np.float32).tiny, 1 - 2**-24
    out = apply_curves(image, random_maps(24, 4, 5), strength=0)
    assert out.tobytes() == image.tobytes()
    assert not np.shares_memory(out, image)


@both
@dtypes
def test_brightening_grows_with_strength_up_to_the_clip(dtype: Any) -> None:
    image, maps = picture(dtype), np.abs(random_maps(24, 4, 5)) * np.float32(0.8)
    results = [
        apply_curves(image, maps, strength=s).astype(np.float64)
        for s in (0, 0.2, 0.5, 1, 1.25, 1.5)
    ]
    for less, more in pairwise(results):
        assert (more >= less).all()
        assert (more > less).any()
    full = np.ones((1, 1, 1), np.float32)
    assert np.array_equal(apply_curves(image, full, strength=1.5), apply_curves(image, full))


@both
@dtypes
def test_highlights_never_newly_clip(dtype: Any) -> None:
    maximum = MAXIMUM[np.dtype(dtype)]
    image = (np.linspace(0.9, 1, 300).reshape(10, 10, 3) * maximum).astype(dtype)
    out = apply_curves(image, np.ones((1, 1, 1), np.float32))
    assert (out[image == maximum] == maximum).all()
    assert (out[image < maximum] < maximum).all()
    assert out[image < maximum].max() >= maximum - 1


@both
@dtypes
def test_black_and_white_are_fixed_points(dtype: Any) -> None:
    image = np.zeros((4, 5, 3), dtype)
    image[:, 2:] = MAXIMUM[np.dtype(dtype)]
    for maps in (
        random_maps(24, 3, 3),
        -np.ones((1, 1, 1), np.float32),
        np.ones((1, 1, 1), np.float32),
    ):
        assert np.array_equal(apply_curves(image, maps), image)


@given(a=st.floats(-1, 1, width=32), iterations=st.integers(1, 12))
def test_the_curve_keeps_the_order_of_the_levels(a: float, iterations: int) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    out = apply_curves(levels, np.full((1, 1, 1), a, np.float32), iterations=iterations)[
        0, :, 0
    ].astype(int)
    assert (np.diff(out) >= 0).all()


@both
def test_the_input_is_left_alone_and_may_be_read_only() -> None:
    image = picture(np.uint8)
    before = image.copy()
    image.flags.writeable = False
    apply_curves(image, random_maps(24, 4, 5))
    assert np.array_equal(image, before)


GOOD = np.zeros((4, 5, 3), np.uint8)
MAPS = np.zeros((24, 2, 2), np.float32)


@both
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": [[0]]}, "NumPy array"),
        ({"image": GOOD.astype(np.float64)}, "float64"),
        ({"image": GOOD.astype(">u2")}, ">u2"),
        ({"image": GOOD[..., 0]}, "height, width, 3"),
        ({"image": GOOD.transpose(2, 0, 1)}, "height, width, 3"),
        ({"image": GOOD[:0]}, "empty"),
        ({"image": GOOD[:, :0]}, "empty"),
        ({"image": np.full((4, 5, 3), np.nan, np.float32)}, "nan"),
        ({"image": np.full((4, 5, 3), np.inf, np.float32)}, "inf"),
        ({"image": np.full((4, 5, 3), 1.01, np.float32)}, "0 to 1"),
        ({"image": np.full((4, 5, 3), -0.01, np.float32)}, "0 to 1"),
        ({"curve_maps": MAPS.astype(np.float64)}, "float64"),
        ({"curve_maps": MAPS[:5]}, "1, 3, 8, 24"),
        ({"curve_maps": MAPS[0]}, "C, h, w"),
        ({"curve_maps": MAPS[:, :0]}, "C, h, w"),
        ({"curve_maps": MAPS + np.float32(np.nan)}, "no NaN"),
        ({"curve_maps": MAPS + np.float32(1.5)}, "-1 to 1"),
        ({"iterations": 0}, "iterations=0"),
        ({"iterations": 4}, "C one of 1, 3, 4, 12"),
        ({"strength": -0.1}, "strength=-0.1"),
        ({"strength": 1.6}, "strength=1.6"),
        ({"strength": float("nan")}, "strength=nan"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match="expected") as error:
        apply_curves(**{"image": GOOD, "curve_maps": MAPS, **arguments})
    assert message in str(error.value)


@both
def test_float_samples_slightly_out_of_range_are_clipped() -> None:
    image = np.array([[[-5e-4, 0.5, 1 + 5e-4]]], np.float32)
    out = apply_curves(image, np.full((1, 1, 1), 0.5, np.float32))
    assert np.array_equal(out, apply_curves(image.clip(0, 1), np.full((1, 1, 1), 0.5, np.float32)))


def test_threads_are_counted_from_one() -> None:
    assert thread_count(None) >= 1
    assert thread_count(3) == 3
    with pytest.raises(InputError, match="threads=0"):
        apply_curves(GOOD, MAPS, threads=0)


@pytest.fixture
def without_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "undim.pixels._native", None)
    kernel.cache_clear()
    yield
    kernel.cache_clear()


@pytest.mark.usefixtures("without_kernel")
def test_numpy_stands_in_for_the_kernel_with_one_warning() -> None:
    image, maps = picture(np.uint8), random_maps(24, 4, 5)
    with pytest.warns(SlowKernelWarning, match="compiler"):
        out = apply_curves(image, maps)
    assert kernel() is reference
    expected = np.empty_like(image)
    reference.enhance(image, expected, Curve.of(maps), NO_FILTER, 1)
    assert np.array_equal(out, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apply_curves(image, maps)


def test_the_constant_curve_scores_what_it_should_on_eval15(shared: Path) -> None:
    with (shared / "calibration" / "eval15_expected.csv").open() as file:
        expected = {row["image"]: float(row["constant_curve_psnr"]) for row in csv.DictReader(file)}
    folder = shared / "data" / "lol-v1" / "eval15"
    for name in ("1.png", "493.png", "780.png"):
        low, high = (
            np.asarray(Image.open(folder / side / name).convert("RGB")) for side in ("low", "high")
        )
        out = apply_curves(low, np.full((1, 1, 1), 0.383, np.float32))
        error = np.mean((out / 255 - high / 255) ** 2)
        assert -10 * np.log10(error) == pytest.approx(expected[name], abs=0.001)
