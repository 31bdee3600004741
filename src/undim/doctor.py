"""What `undim doctor` looks at: the parts of an installation, each found fine or broken."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from undim import __version__
from undim.enhancer import Enhancer
from undim.errors import UndimError
from undim.measure.provenance import libraries
from undim.model.pretrained import DEFAULT, DENOISER, MODELS, Pretrained
from undim.model.runtime import devices
from undim.pixels.kernel import thread_count

EXTRAS = {
    "heic": "pillow_heif",
    "raw": "rawpy",
    "video": "av",
    "serve": "starlette",
    "train": "torch",
}


@dataclass(frozen=True)
class Finding:
    what: str
    found: str
    fine: bool = True


def examine() -> list[Finding]:
    """Every finding, in the order in which a reader would ask."""
    versions = ", ".join(f"{name} {version}" for name, version in libraries().items())
    absent = [extra for extra, module in EXTRAS.items() if find_spec(module) is None]
    return [
        Finding(
            "undim", f"{__version__} on Python {platform.python_version()}, {platform.platform()}"
        ),
        Finding("libraries", versions, sys.version_info >= (3, 11)),
        Finding("processor", f"{thread_count(None)} of {os.cpu_count()} cores may be used"),
        Finding("devices", ", ".join(devices())),
        _kernel(),
        *(_weights(f"model {name}", model) for name, model in MODELS.items()),
        _weights("learned denoiser", DENOISER),
        _enhancement(),
        Finding("extras not installed", ", ".join(absent) or "none"),
    ]


def _kernel() -> Finding:
    try:
        import_module("undim.pixels._native")
    except ImportError as error:
        return Finding(
            "native kernel", f"absent, NumPy stands in: correct, but much slower ({error})"
        )
    return Finding("native kernel", "built")


def _weights(what: str, model: Pretrained) -> Finding:
    if not model.path.is_file():
        return Finding(what, f"{model.path} is missing; install undim again", False)
    if hashlib.sha256(model.path.read_bytes()).hexdigest() != model.sha256:
        return Finding(what, f"{model.path} is not the file that was shipped", False)
    return Finding(what, "whole")


def _enhancement() -> Finding:
    """Brighten a dark frame, the whole way."""
    dark = np.full((480, 640, 3), 25, np.uint8)
    try:
        enhancer = Enhancer(DEFAULT)
        begun = time.perf_counter()
        bright = enhancer(dark)
    except UndimError as error:
        return Finding("enhancement", str(error), False)
    took = 1000 * (time.perf_counter() - begun)
    return Finding(
        "enhancement",
        f"mean {dark.mean():.0f} -> {bright.mean():.0f} in {took:.0f} ms on {enhancer.device}",
        bright.mean() > dark.mean(),
    )
