"""The compiled kernel `undim.pixels._native`, where it was built, and the threads it may use.

undim installs without a compiler too; then the NumPy references beside its callers do the work, some
thirty times slower, and one `SlowKernelWarning` says so at first use.
"""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from types import ModuleType

from undim.errors import InputError


class SlowKernelWarning(RuntimeWarning):
    """The native kernel is not there, NumPy stands in."""


@functools.cache
def native_kernel() -> ModuleType | None:
    """Return `undim.pixels._native`, or None (after one warning) where it was not built."""
    try:
        return importlib.import_module("undim.pixels._native")
    except ImportError as error:
        warnings.warn(
            f"undim's native kernel is not available ({error}); the slower NumPy code is used. "
            "To build it, install a C++17 compiler and run: "
            "pip install --force-reinstall --no-binary undim undim",
            SlowKernelWarning,
            stacklevel=3,
        )
        return None


def thread_count(threads: int | None) -> int:
    """Return the number of threads to use: `threads`, or every core this process may run on.

    Raises:
        InputError: threads is below 1.
    """
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise InputError(f"got threads={threads}, expected at least 1; leave it out to use every core")
    return threads
