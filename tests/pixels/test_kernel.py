"""The native kernel against the NumPy references: any shape, strides, dtype, threads and instruction set."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undim.pixels.boxes import box_means, box_means_numpy
from undim.pixels.curve import MAXIMUM, apply_curves, apply_curves_numpy, curve_steps
from undim.pixels.filter import filter_and_apply, filter_and_apply_numpy, guided_filter, guided_filter_numpy

native = pytest.importorskip("undim.pixels._native", reason="the native kernel was not built")

NO_STEP = np.zeros((1, 1, 1, 1), np.float32)


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


@settings(max_examples=60, deadline=None)
@given(image=images, size=map_sizes, kind=st.sampled_from([1, 3, 5, 15]), strength=st.floats(0.01, 1.5))
def test_the_curve_equals_numpy(image: Any, size: tuple[int, int], kind: int, strength: float) -> None:
    maps = np.random.default_rng(kind).uniform(-1, 1, (kind, *size)).astype(np.float32)
    out = apply_curves(image, maps, iterations=5, strength=strength)
    assert worst(out, apply_curves_numpy(image, maps, iterations=5, strength=strength)) <= tolerance(image.dtype)
    assert out.flags.c_contiguous


@settings(max_examples=40, deadline=None)
@given(image=images, radius=st.integers(1, 9), eps=st.sampled_from([1e-8, 1e-6, 4e-4, 1e-2]))
def test_the_filter_equals_numpy(image: Any, radius: int, eps: float) -> None:
    out = guided_filter(image, radius=radius, eps=eps)
    assert worst(out, guided_filter_numpy(image, radius=radius, eps=eps)) <= tolerance(image.dtype)


@settings(max_examples=40, deadline=None)
@given(image=images, radius=st.integers(1, 4), eps=st.sampled_from([1e-8, 4e-4]), more=st.sampled_from([1e-8, 2e-3]))
def test_the_filter_of_colour_differences_equals_numpy(image: Any, radius: int, eps: float, more: float) -> None:
    out = guided_filter(image, radius=radius, eps=eps, chroma_eps=more)
    reference = guided_filter_numpy(image, radius=radius, eps=eps, chroma_eps=more)
    assert worst(out, reference) <= tolerance(image.dtype)


@settings(max_examples=40, deadline=None)
@given(image=images, size=map_sizes, radius=st.integers(1, 4))
def test_both_in_one_pass_equal_numpy(image: Any, size: tuple[int, int], radius: int) -> None:
    maps = np.random.default_rng(radius).uniform(-0.5, 0.5, (24, *size)).astype(np.float32)
    out = filter_and_apply(image, maps, radius=radius)
    assert worst(out, filter_and_apply_numpy(image, maps, radius=radius)) <= tolerance(image.dtype)


@settings(max_examples=60, deadline=None)
@given(image=images, rows=st.floats(0, 1), columns=st.floats(0, 1))
def test_box_means_equal_numpy(image: Any, rows: float, columns: float) -> None:
    height, width, _ = image.shape
    h, w = 1 + int(rows * (height - 1)), 1 + int(columns * (width - 1))
    unit = MAXIMUM[image.dtype]
    for samples in (image, image[..., 0], np.ascontiguousarray(image[..., 1])):
        means = box_means(samples, h, w, unit=unit)
        assert worst(means, box_means_numpy(samples, h, w, unit=unit)) <= 2e-6


@pytest.mark.parametrize("instructions", native.instruction_sets())
@pytest.mark.parametrize("dtype", MAXIMUM, ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_box_means_of_a_large_picture(instructions: str, dtype: Any, threads: int) -> None:
    image = filled((3001, 1999, 3), dtype, 0)
    means = np.empty((61, 41, 3), np.float32)
    native.box_means(image, means, MAXIMUM[np.dtype(dtype)], threads, instructions=instructions)
    assert worst(means, box_means_numpy(image, 61, 41, unit=MAXIMUM[np.dtype(dtype)])) <= 2e-6


def test_tall_boxes_do_not_overflow() -> None:
    for dtype in (np.uint8, np.uint16):
        column = np.full((140_001, 1), np.iinfo(dtype).max, dtype)
        np.testing.assert_allclose(box_means(column, 1, 1), [[np.iinfo(dtype).max]], rtol=1e-4)


@pytest.mark.parametrize("instructions", native.instruction_sets())
@pytest.mark.parametrize("dtype", MAXIMUM, ids=str)
def test_every_instruction_set_equals_numpy(instructions: str, dtype: Any) -> None:
    image = filled((301, 277, 3), dtype, 0)
    maps = np.random.default_rng(1).uniform(-0.5, 0.5, (24, 17, 19)).astype(np.float32)
    out = np.empty_like(image)
    assert native.enhance(
        image, out, curve_steps(maps, iterations=8, strength=1), 8, 2, 4e-4, 2, instructions=instructions
    )
    assert worst(out, filter_and_apply_numpy(image, maps)) <= tolerance(dtype)


@pytest.mark.parametrize("dtype", MAXIMUM, ids=str)
def test_the_number_of_threads_changes_nothing(dtype: Any) -> None:
    image = filled((400, 500, 3), dtype, 0)
    maps = np.random.default_rng(2).uniform(-1, 1, (24, 13, 17)).astype(np.float32)
    alone = filter_and_apply(image, maps, threads=1)
    for threads in (2, 3, 7, 64):
        assert np.array_equal(filter_and_apply(image, maps, threads=threads), alone)


def test_many_callers_at_once_get_their_own_results() -> None:
    pictures = [filled((100 + i, 200, 3), np.uint8, i) for i in range(16)]
    maps = np.random.default_rng(3).uniform(-1, 1, (24, 5, 5)).astype(np.float32)
    alone = [filter_and_apply(picture, maps) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda picture: filter_and_apply(picture, maps), pictures))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_every_level_of_8_and_16_bits_survives_a_curve_of_nothing() -> None:
    for dtype in (np.uint8, np.uint16):
        levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 1, 1).repeat(3, axis=2)
        assert np.array_equal(apply_curves(levels, np.zeros((1, 1, 1), np.float32)), levels)


def test_arguments_that_do_not_fit_together_are_refused() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    out = np.empty_like(image)
    native.enhance(image, out, NO_STEP, 0, 1, 1e-3, 1)
    for wrong in (
        (image, out[:3].copy(), NO_STEP, 0, 1, 1e-3, 1),
        (image, out.astype(np.uint16), NO_STEP, 0, 1, 1e-3, 1),
        (image, out, np.zeros((2, 1, 1, 1), np.float32), 8, 0, 0.0, 1),
        (image, out, np.zeros((1, 2, 1, 1), np.float32), 8, 0, 0.0, 1),
        (image, out, NO_STEP, 0, 1, 0.0, 1),
        (image, out, NO_STEP, 8, 0, 0.0, 0),
        (image, out, NO_STEP, 0, -1, 1e-3, 1),
        (image, out, NO_STEP, 0, 1, 1e-3, 1, "unheard-of"),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - the kernel says no; naming the reason is Python's part
            native.enhance(*wrong)
    for foreign in (image.astype(np.int32), image.tolist()):
        with pytest.raises(TypeError):
            native.enhance(foreign, out, NO_STEP, 0, 1, 1e-3, 1)


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
    extra = int(subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True).stdout)
    assert extra < 24e6  # a float copy of the image would take 288 MB
