"""The native kernel against a plain copy of the image and against its NumPy reference, timed in
turn.

Run: python benchmarks/kernel.py [--megapixels 12] [--rounds 7]. Prints the tables of
docs/performance.md. Processor time is what all threads together spend; it hardly changes when other
programs keep the machine busy, the time on the clock does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from undim.pixels import reference
from undim.pixels.jobs import NO_CURVE, NO_FILTER, Curve, Filter
from undim.pixels.kernel import Kernel, kernel
from undim.pixels.samples import MAXIMUM, Float32, Image


def maps(*shape: int) -> Float32:
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)


CURVE = Curve.of(maps(24, 192, 256))
FILTER = Filter(chroma_eps=2e-3)  # as undim sets it: brightness and colour apart
WORKS = {
    "curve": (CURVE, NO_FILTER),
    "filter 5 x 5": (NO_CURVE, Filter()),
    "filter and curve": (CURVE, Filter()),
}
LEVELS = (1, 8, 12, 16)
NUMPY_MEGAPIXELS = 1  # of the reference, whose cost is linear too


def enhance(target: Kernel, image: Image, curve: Curve, filter: Filter, threads: int) -> None:
    target.enhance(image, np.empty_like(image), curve, filter, threads)


class Time(NamedTuple):
    clock: float  # ms
    processor: float  # ms


def picture(megapixels: float, dtype: Any) -> Any:
    """A dark 4:3 picture."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    dark = np.random.default_rng(1).random(
        (height, round(height * 4 / 3), 3), np.float32
    ) * np.float32(0.4)
    return (
        dark if dtype == np.float32 else (dark * np.float32(MAXIMUM[np.dtype(dtype)])).astype(dtype)
    )


def in_turn(rounds: int, *works: Callable[[], object]) -> list[Time]:
    """The shortest times of each work, all done in turn so that they share whatever disturbs the
    machine.
    """
    best = [Time(float("inf"), float("inf"))] * len(works)
    for _ in range(rounds):
        for i, work in enumerate(works):
            clock, processor = time.perf_counter(), time.process_time()
            work()
            took = Time(
                (time.perf_counter() - clock) * 1e3, (time.process_time() - processor) * 1e3
            )
            best[i] = Time(min(best[i].clock, took.clock), min(best[i].processor, took.processor))
    return best


def against_copy_and_numpy(megapixels: float, rounds: int) -> None:
    columns = "processor | 1 thread | 2 threads | kernel : copy | NumPy : kernel"
    print(f"| {megapixels:g} MP, 24 maps of 256 x 192 | {columns} |")
    print("|---|---|---|---|---|---|")
    for name, (curve, filter) in WORKS.items():
        for dtype in MAXIMUM:
            image, small = picture(megapixels, dtype), picture(NUMPY_MEGAPIXELS, dtype)
            work = partial(enhance, kernel(), image, curve, filter)
            one, two, copy = in_turn(rounds, partial(work, 1), partial(work, 2), image.copy)
            native, numpy = in_turn(
                2,
                *(
                    partial(enhance, each, small, curve, filter, 1)
                    for each in (kernel(), reference)
                ),
            )
            times = f"{one.processor:.0f} ms | {one.clock:.0f} ms | {two.clock:.0f} ms"
            ratios = (
                f"{one.processor / copy.processor:.1f} | {numpy.processor / native.processor:.0f}"
            )
            print(f"| {name}, {dtype} | {times} | {ratios} |", flush=True)


def with_levels(megapixels: float, rounds: int) -> None:
    """One map of 21 x 16 cells at levels of brightness, beside one number for the picture."""
    image = picture(megapixels, np.uint8)
    names = ["one number", *(f"{count} level{'s'[: count > 1]}" for count in LEVELS)]
    curves = [Curve.of(maps(1, 1, 1, 1)), *(Curve.of(maps(1, count, 16, 21)) for count in LEVELS)]
    for title, filter in {"curve": NO_FILTER, "filter and curve": FILTER}.items():
        works = [partial(enhance, kernel(), image, curve, filter, 1) for curve in curves]
        times = in_turn(rounds, *works)
        print(f"\n| {megapixels:g} MP, uint8, {title}, 1 thread | processor | to one number |")
        print("|---|---|---|")
        for name, took in zip(names, times, strict=True):
            ratio = took.processor / times[0].processor
            print(f"| {name} | {took.processor:.0f} ms | {ratio:.2f} |", flush=True)


def growth(rounds: int) -> None:
    print("\n| curve, uint8 | processor | 1 thread | 2 threads | processor, per megapixel |")
    print("|---|---|---|---|---|")
    for megapixels in (0.1, 1, 12, 50, 200):
        work = partial(enhance, kernel(), picture(megapixels, np.uint8), CURVE, NO_FILTER)
        one, two = in_turn(rounds, partial(work, 1), partial(work, 2))
        each = one.processor / megapixels
        times = f"{one.processor:.1f} ms | {one.clock:.1f} ms | {two.clock:.1f} ms"
        print(f"| {megapixels:g} MP | {times} | {each:.1f} ms |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    against_copy_and_numpy(options.megapixels, options.rounds)
    with_levels(options.megapixels, options.rounds)
    growth(options.rounds)
