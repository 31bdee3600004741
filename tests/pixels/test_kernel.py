"""The native kernel against the NumPy references: any shape, strides, dtype, threads and instruction set."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undim.pixels import reference
from undim.pixels.boxes import box_means
from undim.pixels.filter import filter_and_apply
from undim.pixels.jobs import NO_CURVE, NO_FILTER, Curve, Filter, brightness_levels
from undim.pixels.samples import MAXIMUM

native = pytest.importorskip("undim.pixels._native", reason="the native kernel was not built")


def tolerance(dtype: Any) -> float:
    return 1e-5 if dtype == np.float32 else 1


def worst(a: Any, b: Any) -> float:
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())


def filled(shape: tuple[int, ...], dtype: Any, seed: int) -> Any:
    """Dark with every contrast; odd seeds are bright with little, where a variance is hard to tell from nothing."""
    unit = np.random.default_rng(seed).random(shape, np.float32) ** 2
    if seed % 2:
        unit = np.float32(0.95) - unit * np.float32(0.002)
    return unit if dtype == np.float32 else np.rint(unit * MAXIMUM[np.dtype(dtype)]).astype(dtype)


def view(height: int, width: int, dtype: Any, way: str, seed: int) -> Any:
    """An image of (height, width, 3) whose samples lie in memory in one of many ways."""
    match way:
        case "plain":
            return filled((height, width, 3), dtype, seed)
        case "flipped":
            return filled((height, width, 3), dtype, seed)[::-1, ::-1]
        case "bgr":
            return filled((height, width, 3), dtype, seed)[..., ::-1]
        case "cropped":
            return filled((height + 3, width + 5, 4), dtype, seed)[2:-1, 1:-4, :3]
        case "every other":
            return filled((2 * height, 3 * width, 3), dtype, seed)[::2, ::3]
        case "transposed":
            return filled((width, height, 3), dtype, seed).transpose(1, 0, 2)
        case "channels first":
            return filled((3, height, width), dtype, seed).transpose(1, 2, 0)
        case "one grey":
            return np.broadcast_to(filled((height, width, 1), dtype, seed), (height, width, 3))
        case "unaligned":
            image = filled((height, width, 3), dtype, seed)
            return np.frombuffer(b"\0" + image.tobytes(), dtype, offset=1).reshape(image.shape)
    raise AssertionError(way)


WAYS = (
    "plain", "flipped", "bgr", "cropped", "every other", "transposed", "channels first", "one grey", "unaligned",
)  # fmt: skip

images = st.builds(
    view,
    st.integers(1, 150),
    st.integers(1, 290),
    st.sampled_from(list(MAXIMUM)),
    st.sampled_from(WAYS),
    st.integers(0, 99),
)
map_sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


filters = st.builds(
    Filter,
    st.integers(1, 9),
    st.sampled_from([1e-8, 1e-6, 4e-4, 1e-2]),
    st.sampled_from([0.0, 1e-8, 2e-3]),
)


def both(image: Any, curve: Curve, filter: Filter, threads: int = 2) -> tuple[Any, Any]:
    """What the kernel and its reference make of an image."""
    image = image if image.flags.aligned else image.copy()
    got, wanted = (np.empty(image.shape, image.dtype) for _ in range(2))
    assert native.enhance(image, got, curve, filter, threads)
    assert reference.enhance(image, wanted, curve, filter, threads)
    return got, wanted


def maps(*shape: int, low: float = -1.0, high: float = 1.0) -> Any:
    return np.random.default_rng(shape[0]).uniform(low, high, shape).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    image=images,
    size=map_sizes,
    kind=st.sampled_from([1, 3, 5, 15]),
    strength=st.floats(0.01, 1.5),
)
def test_the_curve_equals_numpy(
    image: Any, size: tuple[int, int], kind: int, strength: float
) -> None:
    curve = Curve.of(maps(kind, *size), iterations=5, strength=strength)
    assert worst(*both(image, curve, NO_FILTER)) <= tolerance(image.dtype)


@settings(max_examples=80, deadline=None)
@given(
    image=images,
    size=map_sizes,
    levels=st.sampled_from([2, 3, 8, 9, 16]),
    iterations=st.sampled_from([5, 8]),
    filter=st.one_of(st.just(NO_FILTER), st.just(Filter(2, 4e-4, 2e-3))),
    strength=st.floats(0.01, 1.5),
)
def test_the_curve_with_levels_of_brightness_equals_numpy(
    image: Any,
    size: tuple[int, int],
    levels: int,
    iterations: int,
    filter: Filter,
    strength: float,
) -> None:
    grid = maps(levels, *size, low=-0.3, high=0.5)[None]
    curve = Curve.of(grid, iterations=iterations, strength=strength)
    assert worst(*both(image, curve, filter)) <= tolerance(image.dtype)


@settings(max_examples=80, deadline=None)
@given(image=images, filter=filters)
def test_the_filter_equals_numpy(image: Any, filter: Filter) -> None:
    assert worst(*both(image, NO_CURVE, filter)) <= tolerance(image.dtype)


@settings(max_examples=40, deadline=None)
@given(image=images, size=map_sizes, radius=st.integers(1, 4))
def test_both_in_one_pass_equal_numpy(image: Any, size: tuple[int, int], radius: int) -> None:
    curve = Curve.of(maps(24, *size, low=-0.5, high=0.5))
    assert worst(*both(image, curve, Filter(radius))) <= tolerance(image.dtype)


@settings(max_examples=60, deadline=None)
@given(image=images, rows=st.floats(0, 1), columns=st.floats(0, 1))
def test_box_means_equal_numpy(image: Any, rows: float, columns: float) -> None:
    height, width, _ = image.shape
    h, w = 1 + int(rows * (height - 1)), 1 + int(columns * (width - 1))
    unit = MAXIMUM[image.dtype]
    for samples in (image, image[..., 0], np.ascontiguousarray(image[..., 1])):
        means = box_means(samples, h, w, unit=unit)
        wanted = np.empty((h, w, samples[0, 0].size), np.float32)
        reference.box_means(samples.reshape(height, width, -1), wanted, unit, 1)
        assert worst(means.reshape(wanted.shape), wanted) <= 2e-6


@pytest.mark.parametrize("instructions", native.instruction_sets())
@pytest.mark.parametrize("dtype", MAXIMUM, ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_box_means_of_a_large_picture(instructions: str, dtype: Any, threads: int) -> None:
    image = filled((3001, 1999, 3), dtype, 0)
    unit = MAXIMUM[np.dtype(dtype)]
    means, wanted = (np.empty((61, 41, 3), np.float32) for _ in range(2))
    native.box_means(image, means, unit, threads, instructions=instructions)
    reference.box_means(image, wanted, unit, 1)
    assert worst(means, wanted) <= 2e-6


def test_tall_boxes_do_not_overflow() -> None:
    for dtype in (np.uint8, np.uint16):
        column = np.full((140_001, 1), np.iinfo(dtype).max, dtype)
        np.testing.assert_allclose(box_means(column, 1, 1), [[np.iinfo(dtype).max]], rtol=1e-4)


both_kinds = pytest.mark.parametrize(
    "shape", [(24, 13, 17), (1, 8, 13, 17)], ids=["maps", "levels"]
)


@pytest.mark.parametrize("instructions", native.instruction_sets())
@pytest.mark.parametrize("dtype", MAXIMUM, ids=str)
@both_kinds
def test_every_instruction_set_equals_numpy(
    instructions: str, dtype: Any, shape: tuple[int, ...]
) -> None:
    image = filled((301, 277, 3), dtype, 0)
    curve = Curve.of(maps(*shape, low=-0.3, high=0.5))
    got, wanted = np.empty_like(image), np.empty_like(image)
    assert native.enhance(image, got, curve, Filter(), 2, instructions=instructions)
    assert reference.enhance(image, wanted, curve, Filter(), 1)
    assert worst(got, wanted) <= tolerance(dtype)


@pytest.mark.parametrize("dtype", MAXIMUM, ids=str)
@both_kinds
def test_the_number_of_threads_changes_nothing(dtype: Any, shape: tuple[int, ...]) -> None:
    image = filled((400, 500, 3), dtype, 0)
    alone = filter_and_apply(image, maps(*shape), threads=1)
    for threads in (2, 3, 7, 64):
        assert np.array_equal(filter_and_apply(image, maps(*shape), threads=threads), alone)


def test_many_callers_at_once_get_their_own_results() -> None:
    pictures = [filled((100 + i, 200, 3), np.uint8, i) for i in range(16)]
    alone = [filter_and_apply(picture, maps(24, 5, 5)) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda picture: filter_and_apply(picture, maps(24, 5, 5)), pictures)
        )
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_every_level_of_8_and_16_bits_survives_a_curve_of_nothing() -> None:
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        levels = np.arange(top + 1, dtype=dtype).reshape(-1, 1, 1).repeat(3, axis=2)
        curve = Curve.of(np.full((1, 1, 1), 1e-9, np.float32))
        assert np.array_equal(both(levels, curve, NO_FILTER)[0], levels)


def curve(*shape: int, iterations: int = 8, levels: int = 1) -> Curve:
    """A curve of nothing with steps of any shape, whether they fit or not."""
    return Curve(np.zeros(shape, np.float32), brightness_levels(levels), iterations)


GOOD = curve(1, 1, 1, 1, 1)
FALLING = np.array([0, 0.6, 0.4], np.float32)
SAME = (4, 5, 3), np.uint8


@pytest.mark.parametrize(
    ("out", "curve", "filter", "threads", "named"),
    [
        (((3, 5, 3), np.uint8), GOOD, Filter(), 1, "out"),
        (((4, 5, 3), np.uint16), GOOD, Filter(), 1, "out"),
        (SAME, curve(2, 1, 1, 1, 1), NO_FILTER, 1, "steps"),
        (SAME, curve(1, 2, 1, 1, 1), NO_FILTER, 1, "steps"),
        (SAME, curve(1, 1, 2, 1, 1), NO_FILTER, 1, "levels"),
        (SAME, curve(8, 1, 2, 1, 1, levels=2), NO_FILTER, 1, "levels"),
        (SAME, curve(1, 3, 2, 1, 1, levels=2), NO_FILTER, 1, "levels"),
        (SAME, replace(curve(1, 1, 3, 1, 1), levels=FALLING), NO_FILTER, 1, "levels"),
        (SAME, curve(1, 1, 1, 1, 1, iterations=-1), NO_FILTER, 1, "iterations"),
        (SAME, GOOD, Filter(1, 0.0), 1, "eps"),
        (SAME, GOOD, Filter(-1, 1e-3), 1, "radius"),
        (SAME, GOOD, NO_FILTER, 0, "threads"),
    ],
)
def test_arguments_that_do_not_fit_together_are_refused_by_name(
    out: tuple[Any, Any], curve: Curve, filter: Filter, threads: int, named: str
) -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match=f"got .*{named}.*expected"):
        native.enhance(image, np.empty(*out), curve, filter, threads)


def test_boxes_that_do_not_fit_are_refused_by_name() -> None:
    image, means = np.zeros((4, 5, 3), np.uint8), np.empty((2, 2, 3), np.float32)
    for named, *wrong in (
        ("out", image, np.empty((5, 2, 3), np.float32), 1.0, 1),
        ("out", image, np.empty((2, 2, 1), np.float32), 1.0, 1),
        ("side by side", image[:, ::2], means, 1.0, 1),
        ("unit", image, means, 0.0, 1),
        ("threads", image, means, 1.0, 0),
    ):
        with pytest.raises(ValueError, match=f"got .*{named}"):
            native.box_means(*wrong)


def test_levels_may_stand_anywhere() -> None:
    image = filled((60, 70, 3), np.float32, 0)
    levels = np.array([0, 0.01, 0.5, 0.51, 1], np.float32)
    curve = replace(Curve.of(maps(5, 4, 6)[None]), levels=levels)
    assert worst(*both(image, curve, NO_FILTER)) <= tolerance(image.dtype)


def test_foreign_arguments_are_refused() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    out = np.empty_like(image)
    with pytest.raises(ValueError, match="instruction set"):
        native.enhance(image, out, GOOD, NO_FILTER, 1, "unheard-of")
    for foreign in (image.astype(np.int32), image.tolist()):
        with pytest.raises(TypeError):
            native.enhance(foreign, out, GOOD, NO_FILTER, 1)


MEMORY = """
import resource, sys
import numpy as np
from undim.pixels.filter import filter_and_apply
small = np.zeros((64, 64, 3), np.uint8)
maps = np.zeros((24, 8, 8), np.float32)
filter_and_apply(small, maps)
image = np.zeros((4000, 6000, 3), np.uint8) + np.uint8(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
out = filter_and_apply(image, maps)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * (1 if sys.platform == "darwin" else 1024) - out.nbytes)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
def test_24_megapixels_need_no_memory_beside_the_result() -> None:
    extra = int(
        subprocess.run(
            [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
        ).stdout
    )
    assert extra < 24e6  # a float copy of the image would take 288 MB
