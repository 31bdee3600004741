"""Arrays and raw pipes: one frame out for each frame in, of the same type, at once."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from helpers.standin import write_model
from undim.enhancer import Enhancer
from undim.errors import InputError
from undim.pixels.curve import apply_curves
from undim.pixels.jobs import Levels, Yuv
from undim.video import FrameEnhancer, enhance_stream, sequence
from undim.video.ahead import ahead, stoppable
from undim.video.raw import enhance_raw

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def enhancer() -> Enhancer:
    return Enhancer()


@pytest.fixture(scope="module")
def with_levels(tmp_path_factory: pytest.TempPathFactory) -> Enhancer:
    return Enhancer(write_model(tmp_path_factory.mktemp("model") / "levels.onnx", levels=6))


def dark(
    dtype: type = np.uint8, count: int = 3, size: tuple[int, int] = (24, 40)
) -> list[np.ndarray]:
    scale = {np.uint8: 60, np.uint16: 15000, np.float32: 0.2}[dtype]
    return [(RNG.random((*size, 3)) * scale).astype(dtype) for _ in range(count)]


@pytest.mark.parametrize("denoise", ["off", "auto", 0.3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_each_frame_comes_out_bright_in_its_own_type(
    enhancer: Enhancer, dtype: type, denoise: object
) -> None:
    frames = dark(dtype)
    bright = list(enhance_stream(frames, enhancer=enhancer, denoise=denoise))  # type: ignore[arg-type]
    assert len(bright) == len(frames)
    for before, after in zip(frames, bright, strict=True):
        assert after.dtype == dtype
        assert after.shape == before.shape
        assert after.mean() > before.mean()


def test_frames_are_not_read_ahead(enhancer: Enhancer) -> None:
    read = 0

    def source() -> Iterator[np.ndarray]:
        nonlocal read
        for frame in dark():
            read += 1
            yield frame

    stream = enhance_stream(source(), enhancer=enhancer)
    for given in range(1, 4):
        next(stream)
        assert read == given


def test_without_smoothing_frames_are_what_the_enhancer_makes(enhancer: Enhancer) -> None:
    frames = dark()
    alone = [enhancer(frame, denoise="off") for frame in frames]
    for got, expected in zip(
        enhance_stream(frames, enhancer=enhancer, denoise="off", smooth=False), alone, strict=True
    ):
        assert (got == expected).all()
    first = next(iter(enhance_stream(frames, enhancer=enhancer, denoise="off")))
    assert (first == alone[0]).all()  # smoothing begins where the first frame is


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_maps_with_levels_are_those_of_the_enhancer_too(with_levels: Enhancer, dtype: type) -> None:
    frames = dark(dtype)
    for got, frame in zip(
        enhance_stream(frames, enhancer=with_levels, denoise="off", smooth=False),
        frames,
        strict=True,
    ):
        assert (got == with_levels(frame, denoise="off")).all()


def test_maps_with_levels_lift_the_dark_of_planes_and_leave_the_bright(
    with_levels: Enhancer,
) -> None:
    brightener = FrameEnhancer(with_levels, denoise="off")
    for index in range(3):
        y = RNG.integers(20, 40, (64, 64)).astype(np.uint8)
        y[:, 32:] += 180
        before = y.astype(int)
        brightener.yuv(in_yuv(y), index / 10)
        assert y[:, :32].mean() > 2 * before[:, :32].mean()
        assert y[:, 32:].mean() < 1.15 * before[:, 32:].mean()


@pytest.mark.parametrize(
    ("varies", "shape"),
    [
        ((), (1, 1, 1)),
        ((1,), (1, 6, 1, 1)),
        ((2, 3), (1, 4, 5)),
        ((1, 3), (1, 6, 4, 5)),
    ],
)
def test_maps_fold_along_what_they_do_not_vary_over(
    varies: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    sizes = [size if axis in varies else 1 for axis, size in enumerate((1, 6, 4, 5))]
    maps = np.zeros((1, 6, 4, 5), np.float32) + RNG.random(sizes).astype(np.float32)
    folded = sequence._folded(maps)
    assert folded.shape == shape
    frame = RNG.random((24, 40, 3)).astype(np.float32)
    np.testing.assert_allclose(apply_curves(frame, folded), apply_curves(frame, maps), atol=1e-5)


def test_maps_with_levels_are_smoothed_between_frames_that_need_them_and_frames_that_do_not(
    with_levels: Enhancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = RNG.uniform(0.2, 0.4, (1, 6, 4, 5)).astype(np.float32)
    given = {0: grid[:, :1, :1, :1] * np.ones_like(grid), 1: grid, 2: np.zeros_like(grid)}
    brightener, shapes = FrameEnhancer(with_levels, denoise="off"), []
    scene = RNG.integers(20, 70, (64, 64)).astype(np.uint8)
    monkeypatch.setattr(
        sequence, "brighten", lambda dark, bright, maps, **_: shapes.append(maps.shape)
    )
    for index in range(300):
        maps = given[min(index // 20, 2)]
        monkeypatch.setattr(Enhancer, "curve_maps", lambda *_, maps=maps: maps)
        brightener.yuv(in_yuv(scene.copy()), index / 10)
    assert shapes[0] == (1, 1, 1)
    assert shapes[30] == (1, 6, 4, 5)
    assert 60 < len(shapes) < 200  # from then on it is left alone


@pytest.mark.parametrize("smooth", [True, False])
def test_maps_that_do_not_vary_reach_the_curve_as_one_number_each(
    monkeypatch: pytest.MonkeyPatch, smooth: bool
) -> None:
    """A lamp comes and goes, too slowly for a cut."""
    shapes = []
    monkeypatch.setattr(
        sequence, "brighten", lambda dark, bright, maps, **_: shapes.append(maps.shape)
    )
    brightener = FrameEnhancer(Enhancer("undim-global"), denoise="off", smooth=smooth)
    scene = RNG.integers(20, 70, (64, 64)).astype(np.uint8)
    grey = np.full((64, 64), 128, np.uint8)
    for index, light in enumerate([0, *range(0, 240, 8), *range(240, 0, -8), *([0] * 150)]):
        y = scene.copy()
        y[24:40, 24:40] = np.maximum(y[24:40, 24:40], light)
        brightener.yuv(Yuv((y, grey, grey), Levels.of(8, full=True), (0.2126, 0.0722)), index / 10)
    assert shapes[0] == shapes[-1] == (8, 1, 1)
    assert (8, 64, 64) in shapes


def uniform(monkeypatch: pytest.MonkeyPatch, a: float) -> None:
    """From here on every map of every frame is a."""
    monkeypatch.setattr(Enhancer, "curve_maps", lambda *_: np.full((8, 3, 5), a, np.float32))


def in_yuv(y: np.ndarray) -> Yuv:
    return Yuv(
        (y, *(np.full(y.shape, 128, np.uint8) for _ in "uv")),
        Levels.of(8, full=True),
        (0.2126, 0.0722),
    )


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize(("a", "levels"), [(0.0009, 0), (0.0012, 1), (-0.0009, 0), (-0.0012, 1)])
def test_a_video_that_would_change_by_less_than_half_a_level_is_left_alone(
    enhancer: Enhancer, monkeypatch: pytest.MonkeyPatch, a: float, levels: int, smooth: bool
) -> None:
    """Eight steps of a add at most 2 a: 0.46 levels of 8 bits, or 0.61. A dither would show both,
    16 bits too.
    """
    uniform(monkeypatch, a)
    brightener = FrameEnhancer(enhancer, denoise="off", smooth=smooth)
    for index in range(3):
        y, rgb = RNG.integers(0, 256, (64, 64)).astype(np.uint8), dark(np.uint16)[0]
        before = y.copy()
        brightener.yuv(in_yuv(y), index / 10)
        assert np.abs(y.astype(int) - before).max() == levels
        (after,) = enhance_stream([rgb], enhancer=enhancer, denoise="off", smooth=smooth)
        assert (after == rgb).all() == (levels == 0)


@pytest.mark.parametrize(("a", "levels"), [(0.0009, 0), (0.3, 1)])
def test_a_lift_of_the_darkest_level_alone_is_not_overlooked(
    with_levels: Enhancer, monkeypatch: pytest.MonkeyPatch, a: float, levels: int
) -> None:
    """Of twelve levels the second stands at 2 of 255, the third at 8."""
    maps = np.zeros((1, 12, 4, 5), np.float32)
    maps[:, 1, 0, 0] = a
    monkeypatch.setattr(Enhancer, "curve_maps", lambda *_: maps)
    frame = RNG.integers(0, 6, (64, 64, 3)).astype(np.uint8)
    (bright,) = enhance_stream([frame], enhancer=with_levels, denoise="off")
    assert (bright == frame).all() == (levels == 0)


def test_a_curve_that_is_needed_no_more_fades_until_a_video_is_left_alone(
    enhancer: Enhancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    brightener = FrameEnhancer(enhancer, denoise="off")
    scene, added = RNG.integers(20, 70, (64, 64)).astype(np.uint8), []
    for index in range(120):
        uniform(monkeypatch, 0.2 if index < 10 else 0.0005)
        y = scene.copy()
        brightener.yuv(in_yuv(y), index / 10)
        added.append(float(y.mean() - scene.mean()))
    assert added[9] > 5
    assert 0 < added[20] < added[15] < added[9]
    assert added[-20:] == [0.0] * 20


def test_a_video_that_needs_no_curve_is_averaged_all_the_same(
    enhancer: Enhancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    uniform(monkeypatch, 0.0)
    brightener = FrameEnhancer(enhancer, denoise="auto")
    for index in range(10):
        y = (128 + 5 * RNG.standard_normal((128, 128))).round().astype(np.uint8)
        before = y.copy()
        brightener.yuv(in_yuv(y), index / 10)
    assert y.std() < 0.5 * before.std()


def test_a_number_is_the_filter_for_photographs(enhancer: Enhancer) -> None:
    frame = dark()[0]
    for amount in (0.3, 1.0):
        (got,) = enhance_stream([frame], enhancer=enhancer, denoise=amount, smooth=False)
        assert (got == enhancer(frame, denoise=amount)).all()


def test_strength_0_gives_back_the_input(enhancer: Enhancer) -> None:
    frames = dark(np.uint16)
    for before, after in zip(
        frames, enhance_stream(frames, enhancer=enhancer, strength=0), strict=True
    ):
        assert (before == after).all()


def test_wrong_arguments_are_refused(enhancer: Enhancer) -> None:
    with pytest.raises(InputError, match="denoise"):
        FrameEnhancer(enhancer, denoise=2.0)
    with pytest.raises(InputError, match="fps"):
        enhance_stream([], enhancer=enhancer, fps=0)
    with pytest.raises(InputError, match="expected"):
        list(enhance_stream([np.zeros((4, 4), np.uint8)], enhancer=enhancer))


@pytest.mark.parametrize(("format", "dtype"), [("rgb24", np.uint8), ("rgb48le", np.uint16)])
def test_a_raw_pipe_gives_the_frames_of_the_generator(
    enhancer: Enhancer, format: str, dtype: type
) -> None:
    frames = dark(dtype, count=5)
    target = io.BytesIO()
    source = io.BytesIO(b"".join(frame.tobytes() for frame in frames))
    assert enhance_raw(source, target, 40, 24, format=format, enhancer=enhancer) == 5
    expected = b"".join(frame.tobytes() for frame in enhance_stream(frames, enhancer=enhancer))
    assert target.getvalue() == expected


def test_a_raw_pipe_that_ends_within_a_frame_says_so(enhancer: Enhancer) -> None:
    target = io.BytesIO()
    with pytest.raises(InputError, match="100 of the 2880 bytes"):
        enhance_raw(io.BytesIO(bytes(2880 + 100)), target, 40, 24, enhancer=enhancer)
    assert len(target.getvalue()) == 2880


def test_undim_stream_stands_between_two_programs() -> None:
    raw = b"".join(frame.tobytes() for frame in dark(count=2))
    run = subprocess.run(
        [sys.executable, "-m", "undim", "stream", "40x24"],
        input=raw,
        capture_output=True,
        check=True,
    )
    assert len(run.stdout) == len(raw)
    assert np.frombuffer(run.stdout, np.uint8).mean() > np.frombuffer(raw, np.uint8).mean()
    wrong = subprocess.run([sys.executable, "-m", "undim", "stream", "40by24"], capture_output=True)
    assert wrong.returncode == 2
    assert b"1920x1080" in wrong.stderr


def test_ahead_keeps_order_and_hands_on_errors() -> None:
    def numbers() -> Iterator[int]:
        yield from range(20)
        raise ValueError("twenty")

    stream = ahead(numbers(), 3)
    assert [next(stream) for _ in range(20)] == list(range(20))
    with pytest.raises(ValueError, match="twenty"):
        next(stream)


def test_ahead_works_while_its_consumer_does_and_no_farther_than_its_depth() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    stream = ahead(numbers(), 3)
    assert next(stream) == 0
    deadline = time.monotonic() + 10
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 5  # one given, three waiting, one in hand
    stream.close()
    assert len(made) == 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_ctrl_c_stops_between_two_items_and_everything_is_finished() -> None:
    stop, steps = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            time.sleep(0.01)
        steps.append("finished")

    def tick() -> None:
        raise KeyboardInterrupt

    assert stoppable(work, stop.set, tick)
    assert steps == ["finished"]
    assert not stoppable(lambda: None, stop.set)
    with pytest.raises(ZeroDivisionError):
        stoppable(lambda: 1 / 0, stop.set)
