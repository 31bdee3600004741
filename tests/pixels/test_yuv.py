"""The curve on planes of YUV: the kernel equals its reference, a curve of nothing changes nothing,
colours stay.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undim.pixels import reference
from undim.pixels.boxes import thumbnail
from undim.pixels.curve import apply_curves
from undim.pixels.jobs import Curve, Levels, Yuv
from undim.pixels.yuv import brighten, yuv_thumbnail

native = pytest.importorskip("undim.pixels._native", reason="the native kernel was not built")

BT709 = (0.2126, 0.0722)
MATRICES = [BT709, (0.30, 0.11), (0.299, 0.114), (0.212, 0.087), (0.2627, 0.0593)]
CELLS = [(1, 1), (1, 2), (2, 1), (2, 2)]


def shapes(height: int, width: int, cell: tuple[int, int]) -> list[tuple[int, int]]:
    coarse = -(-height // cell[0]), -(-width // cell[1])
    return [(height, width), coarse, coarse]


def frame(
    height: int,
    width: int,
    cell: tuple[int, int] = (2, 2),
    depth: int = 8,
    full: bool = False,
    way: str = "padded",
    seed: int = 0,
    weights: tuple[float, float] = BT709,
) -> Yuv:
    """Random samples of the whole depth, also beyond black and white, in memory in one of several
    ways.
    """
    rng, dtype = np.random.default_rng(seed), np.uint8 if depth == 8 else np.uint16
    planes = []
    for h, w in shapes(height, width, cell):
        block = rng.integers(0, 2**depth, (h + 2, w + 5)).astype(dtype)
        planes.append(
            {
                "padded": block[:h, :w],
                "shifted": block[1 : h + 1, 3 : w + 3],
                "flipped": block[:h, :w][::-1],
            }[way]
        )
    return Yuv(planes, Levels.of(depth, full=full), weights)


def empty(like: Yuv) -> Yuv:
    return Yuv([np.empty_like(plane) for plane in like.planes], like.levels, like.weights)


def to_yuv(rgb: np.ndarray, levels: Levels, weights: tuple[float, float]) -> Yuv:
    """4:4:4, written down once more, in float64 and the other direction."""
    red, blue = weights
    y = rgb @ np.array([red, 1 - red - blue, blue])
    u, v = (rgb[..., 2] - y) / (2 - 2 * blue), (rgb[..., 0] - y) / (2 - 2 * red)
    planes = [
        levels.black + levels.luma * y,
        levels.grey + levels.chroma * u,
        levels.grey + levels.chroma * v,
    ]
    return Yuv([np.rint(plane).astype(np.uint16) for plane in planes], levels, weights)


frames = st.builds(
    frame,
    st.integers(1, 140),
    st.integers(1, 530),
    st.sampled_from(CELLS),
    st.sampled_from([8, 10, 12, 16]),
    st.booleans(),
    st.sampled_from(["padded", "shifted", "flipped"]),
    st.integers(0, 99),
    st.sampled_from(MATRICES),
)


def finer(frame: Yuv, seed: int) -> Yuv:
    """A frame of 8 bits as an average over time is, in 256ths of a level."""
    rng = np.random.default_rng(seed)
    planes = [
        256 * plane.astype(np.uint16) + rng.integers(0, 256, plane.shape, np.uint16)
        for plane in frame.planes
    ]
    return frame.replaced(planes, 256)


EXTREMES = {"1": [1.0], "-1": [-1.0], "-1 or 1": [-1.0, 1.0]}  # of a


def maps_of(
    kind: Any, iterations: int, size: tuple[int, int], values: str, rng: np.random.Generator
) -> Any:
    """Random maps in one of the layouts that `Curve.of` takes."""
    counts = {"n": iterations, "3 n": 3 * iterations}
    levels = [int(kind.split()[0])] if str(kind).endswith("levels") else []
    shape = (1, *levels, *size) if levels else (counts.get(kind, kind), *size)
    if values in EXTREMES:
        return rng.choice(EXTREMES[values], shape)
    return rng.uniform(-0.3, 0.5, shape) if levels else rng.uniform(-1, 1, shape)


@settings(max_examples=150, deadline=None)
@given(
    dark=frames,
    kind=st.sampled_from([1, 3, "n", "3 n", "2 levels", "8 levels", "16 levels"]),
    iterations=st.sampled_from([5, 8]),
    averaged=st.booleans(),
    size=st.sampled_from([(1, 1), (1, 7), (9, 16)]),
    values=st.sampled_from(["any", *EXTREMES]),
    seed=st.integers(0, 99),
    strength=st.floats(0.01, 1.5),
    instructions=st.sampled_from(native.instruction_sets()),
)
def test_the_kernel_equals_numpy(
    dark: Yuv,
    kind: Any,
    iterations: int,
    averaged: bool,
    size: tuple[int, int],
    values: str,
    seed: int,
    strength: float,
    instructions: str,
) -> None:
    """To a level; to four where 8 steps multiply the rounding of integers (8 bits) or of floats
    (16) by up to 256.
    """
    rng = np.random.default_rng(seed)
    maps = maps_of(kind, iterations, size, values, rng)
    curve = Curve.of(maps.astype(np.float32), iterations=iterations, strength=strength)
    source = finer(dark, seed) if averaged and dark.depth == 8 else dark
    got, wanted = empty(dark), empty(dark)
    native.brighten_yuv(source, got, curve, 1, instructions)
    reference.brighten_yuv(source, wanted, curve, 1)
    multiplied = iterations == 8 and dark.depth in (8, 16)
    for a, b in zip(got.planes, wanted.planes, strict=True):
        differences = np.abs(a.astype(int) - b)
        assert differences.max() <= (4 if multiplied else 1)
        share = 0.2 if values in EXTREMES else 0.05
        assert dark.depth > 8 or differences.sum() <= 10 + share * differences.size
    native.brighten_yuv(source, dark, curve, 1, instructions)  # in place, where it is the source
    for a, b in zip(got.planes, dark.planes, strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("a", [0.3, 0.6, 0.9])
def test_in_integers_grey_stays_grey_and_black_and_white_stay(full: bool, a: float) -> None:
    levels = Levels.of(8, full=full)
    black, white = int(levels.black), int(levels.black + levels.luma)
    luma = np.random.default_rng(0).integers(black, white + 1, (256, 512)).astype(np.uint8)
    dark = Yuv([luma, *(np.full((128, 256), 128, np.uint8) for _ in "uv")], levels, BT709)
    bright = empty(dark)
    brighten(dark, bright, np.full((1, 1, 1), a, np.float32), iterations=8)
    for end in (black, white):
        assert (bright.planes[0][luma == end] == end).all()
    for chroma in bright.planes[1:]:
        assert np.abs(chroma.astype(int) - 128).max() <= 1
        assert (chroma != 128).mean() < 0.005


@pytest.mark.parametrize("instructions", native.instruction_sets())
@pytest.mark.parametrize("depth", [8, 10])
def test_every_instruction_set_equals_numpy_on_any_number_of_threads(
    instructions: str, depth: int
) -> None:
    dark = frame(389, 1301, depth=depth)  # twelve tiles, enough for three threads
    for shape in ((24, 1, 1), (24, 5, 9), (1, 8, 5, 9)):
        maps = np.random.default_rng(1).uniform(-0.3, 0.5, shape).astype(np.float32)
        wanted, once, shared = empty(dark), empty(dark), empty(dark)
        reference.brighten_yuv(dark, wanted, Curve.of(maps), 1)
        for got, threads in ((once, 1), (shared, 3)):
            native.brighten_yuv(dark, got, Curve.of(maps), threads, instructions)
        for a, b, c in zip(once.planes, shared.planes, wanted.planes, strict=True):
            assert (a == b).all()
            assert np.abs(a.astype(int) - c).max() <= 1
            assert (a != c).mean() < 0.02


@settings(max_examples=30, deadline=None)
@given(dark=frames)
@pytest.mark.parametrize("kernel", [native, reference])
def test_a_curve_of_nothing_gives_back_every_sample(kernel: Any, dark: Yuv) -> None:
    result = empty(dark)
    kernel.brighten_yuv(dark, result, Curve.of(np.zeros((8, 2, 3), np.float32)), 1)
    for a, b in zip(result.planes, dark.planes, strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("full", [False, True])
def test_it_is_the_curve_on_rgb(depth: int, full: bool) -> None:
    """Where each pixel has a chroma sample of its own, the result is that of `apply_curves`, to the
    rounding.
    """
    rng, levels = np.random.default_rng(0), Levels.of(depth, full=full)
    rgb = rng.random((64, 64, 3)).astype(np.float32)
    maps = rng.uniform(-0.3, 0.6, (24, 3, 4)).astype(np.float32)
    dark = to_yuv(rgb, Levels.of(16, full=full), BT709)
    got = Yuv([np.empty((64, 64), np.uint16) for _ in range(3)], levels, BT709)
    brighten(dark, got, maps, iterations=8)
    wanted = to_yuv(apply_curves(rgb, maps).astype(np.float64), levels, BT709)
    for a, b in zip(got.planes, wanted.planes, strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1
        assert abs(a.mean() - b.mean()) < 0.03  # the dither's rounding is fair


def test_a_level_moves_by_less_than_one_at_a_time() -> None:
    """A video of one level, brightened a little more from frame to frame: its mean follows, and does
    not jump.
    """
    planes = [np.full((32, 32), 40, np.uint8), *(np.full((16, 16), 128, np.uint8) for _ in "uv")]
    dark = Yuv(planes, Levels.of(8, full=False), BT709)
    means = []
    for strength in np.linspace(0.9, 1.0, 40):
        bright = empty(dark)
        brighten(
            dark,
            bright,
            np.full((1, 1, 1), 0.3, np.float32),
            iterations=8,
            strength=float(strength),
        )
        means.append(bright.planes[0].mean())
    steps = np.diff(means)
    assert means[-1] - means[0] > 5
    assert steps.max() < 2 * steps.mean()
    assert steps.min() > 0.3 * steps.mean()


def test_grey_stays_grey_and_colour_does_not_bleed() -> None:
    planes = [
        np.full((16, 16), 40, np.uint8),
        np.full((8, 8), 128, np.uint8),
        np.full((8, 8), 128, np.uint8),
    ]
    planes[2][:, 4:] = 170
    dark = Yuv(planes, Levels.of(8, full=False), BT709)
    bright = empty(dark)
    brighten(dark, bright, np.full((1, 1, 1), 0.8, np.float32), iterations=8)
    y, u, v = bright.planes
    assert (y > 100).all()
    assert (u[:, :4] == 128).all()
    assert (v[:, :4] == 128).all()
    for plane in bright.planes:  # each half is of one colour up to the edge
        for half in np.split(plane.astype(int), 2, axis=1):
            assert np.ptp(half) <= 1


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", [(60, 100), (61, 101), (7, 12), (1, 1)])
def test_the_thumbnail_is_that_of_the_rgb_picture(
    cell: tuple[int, int], size: tuple[int, int]
) -> None:
    rng, levels = np.random.default_rng(0), Levels.of(16, full=True)
    coarse = shapes(*size, cell)[1]
    cells = 0.3 + 0.1 * rng.random((*coarse, 3))
    rgb = cells.repeat(cell[0], axis=0).repeat(cell[1], axis=1)[: size[0], : size[1]]
    flat = to_yuv(rgb, levels, BT709)
    coarse_planes = [flat.planes[0], *(plane[:: cell[0], :: cell[1]] for plane in flat.planes[1:])]
    small = yuv_thumbnail(Yuv(coarse_planes, levels, BT709), 12)
    wanted = thumbnail(rgb.astype(np.float32), 12)
    assert small.shape == wanted.shape
    assert np.abs(small - wanted).max() < (
        0.1 if cell != (1, 1) else 1e-4
    )  # boxes of chroma end on cells
    assert np.abs(small.mean((0, 1)) - wanted.mean((0, 1))).max() < 0.01


def test_arguments_that_do_not_fit_together_are_refused_by_name() -> None:
    dark = frame(6, 8)
    y, u, v = dark.planes
    nothing = Curve.of(np.zeros((1, 1, 1), np.float32))

    def call(planes: Any, out: Any, curve: Curve = nothing, threads: int = 1) -> None:
        given = (Yuv(p, dark.levels, dark.weights) for p in (planes, out))
        native.brighten_yuv(*given, curve, threads)

    call([y, u, v], [y, u, v])
    call([y, y, y], [y, y, y])
    steps = np.zeros((3, 1, 1, 1, 1), np.float32)
    for named, *wrong in (
        ("planes", [y, u[:2], v], [y, u, v]),
        ("planes", [y, u, v], [y, u, v[:, :3]]),
        ("planes", [y, u[:2], v[:2]], [y, u[:2], v[:2]]),
        ("planes", [y, u, v.astype(np.uint16)], [y, u, v]),
        ("planes", [y[:, ::2], u, v], [y[:, ::2], u, v]),
        ("planes", [y[:0], u[:0], v[:0]], [y[:0], u[:0], v[:0]]),
        ("steps", [y, u, v], [y, u, v], replace(nothing, steps=steps)),
        ("iterations", [y, u, v], [y, u, v], replace(nothing, iterations=0)),
        ("threads", [y, u, v], [y, u, v], nothing, 0),
    ):
        with pytest.raises(ValueError, match=f"got .*{named}.*expected"):
            call(*wrong)
