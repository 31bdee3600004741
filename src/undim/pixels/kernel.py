"""The kernel: compiled where it was built, else its NumPy reference; chosen once, and the same for
all callers.

undim installs without a compiler too; then NumPy does the work, some thirty times slower, and one
`SlowKernelWarning` says so at first use.
"""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from collections.abc import Sequence
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from undim.errors import InputError
from undim.pixels import reference
from undim.pixels.jobs import Average, Curve, Filter, MotionLimits, Plane, Yuv
from undim.pixels.samples import Float32, Image


class SlowKernelWarning(RuntimeWarning):
    """The native kernel is not there, NumPy stands in."""


class Kernel(Protocol):
    """What `undim.pixels._native` and `undim.pixels.reference` both do; the latter says how."""

    def enhance(
        self, image: Image, out: Image, curve: Curve, filter: Filter, threads: int
    ) -> bool: ...

    def box_means(self, samples: NDArray[Any], out: Float32, unit: float, threads: int) -> None: ...

    def brighten_yuv(self, dark: Yuv, bright: Yuv, curve: Curve, threads: int) -> None: ...

    def average_planes(
        self,
        frame: Sequence[Plane],
        depth: int,
        before: Average,
        after: Average,
        limits: MotionLimits,
        threads: int,
    ) -> None: ...


@functools.cache
def kernel() -> Kernel:
    """The native kernel, or its reference (after one warning) where it was not built."""
    try:
        return cast(Kernel, importlib.import_module("undim.pixels._native"))
    except ImportError as error:
        warnings.warn(
            f"undim's native kernel is not available ({error}); the slower NumPy code is used. "
            "To build it, install a C++17 compiler and run: "
            "pip install --force-reinstall --no-binary undim undim",
            SlowKernelWarning,
            stacklevel=3,
        )
        return reference


def thread_count(threads: int | None) -> int:
    """Return the number of threads to use: `threads`, or every core this process may run on.

    Raises:
        InputError: threads is below 1.
    """
    if threads is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if threads < 1:
        raise InputError(
            f"got threads={threads}, expected at least 1; leave it out to use every core"
        )
    return threads
