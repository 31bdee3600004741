"""How fast undim is on this machine, and how much memory it takes.

What is compared is run in turn in one process, and the best of several rounds counts, so that
whatever else the machine does disturbs both alike: the ratios are worth more than the times.
"""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from undim.enhancer import Enhancer
from undim.pixels.boxes import thumbnail
from undim.pixels.curve import apply_curves

_PILLOW_ALONE = """
import sys
from PIL import Image
with Image.open(sys.argv[1]) as image:
    image.save(sys.argv[2], quality="keep")
"""
# What `undim enhance` does; then the time, which is that of the file having its name.
_ENHANCE = """
import sys, time
from undim.cli import main
main(["enhance", sys.argv[1], "-o", sys.argv[2], "--overwrite"], standalone_mode=False)
print(time.time())
"""
# VmHWM where there is /proc: there, a child's `ru_maxrss` begins at its parent's.
_PEAK_OF_ONE_FILE = """
import resource, sys
from pathlib import Path
import undim
undim.enhance(sys.argv[1], output=sys.argv[2])
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peak = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
print(*(peak or [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def best_in_turn(rounds: int, **tasks: Callable[[], object]) -> dict[str, float]:
    """The least seconds of each task over several rounds, in each of which every task runs once."""
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            begun = time.perf_counter()
            task()
            best[name] = min(best[name], time.perf_counter() - begun)
    return best


def dim_scene(megapixels: float) -> NDArray[np.uint8]:
    """A dark, noisy 4:3 picture (H, W, 3) of about so many megapixels."""
    height = max(1, round((megapixels * 1e6 * 3 / 4) ** 0.5))
    width = max(1, round(megapixels * 1e6 / height))
    light = np.sin(np.linspace(0, 9, width)) ** 2 * np.linspace(0.2, 1, height)[:, None]
    noise = np.random.default_rng(0).integers(0, 32, (251, 257, 3), dtype=np.uint8)
    noise = np.tile(noise, (height // 251 + 1, width // 257 + 1, 1))[:height, :width]
    return (20 + 25 * light).astype(np.uint8)[..., None] + noise


def stages(enhancer: Enhancer, megapixels: float, *, rounds: int = 7) -> dict[str, float]:
    """Seconds that an array of so many megapixels takes: as a whole (with --denoise auto, then
    off), and by stages.
    """
    image = dim_scene(megapixels)
    size = max(image.shape[:2]) if enhancer.maps == "full" else enhancer.maps
    small = thumbnail(image, size)
    maps = enhancer.curve_maps(small)
    return best_in_turn(
        rounds,
        default=lambda: enhancer(image),
        undenoised=lambda: enhancer(image, denoise="off"),
        thumbnail=lambda: thumbnail(image, size, threads=enhancer.threads),
        network=lambda: enhancer.curve_maps(small),
        curve=lambda: apply_curves(
            image, maps, iterations=enhancer.info.iterations, threads=enhancer.threads
        ),
    )


def write_photo(path: Path, megapixels: float) -> Path:
    """A dark JPEG of about so many megapixels, quality 90."""
    PIL.Image.fromarray(dim_scene(megapixels)).save(path, "JPEG", quality=90)
    return path


def process_and_pillow(photo: Path, *, rounds: int = 5) -> dict[str, float]:
    """Seconds that Pillow alone needs to decode and encode a photo, and whole processes that
    enhance it or do that.

    `undim_written` is the time from the start of undim's process until the file has its name.
    """
    target = photo.with_suffix(".bench.jpg")
    written = float("inf")

    def pillow() -> None:
        with PIL.Image.open(photo) as image:
            image.save(io.BytesIO(), "JPEG", quality="keep")

    def process(script: str) -> str:
        command = [sys.executable, "-c", script, str(photo), str(target)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def undim_process() -> None:
        nonlocal written
        begun = time.time()
        written = min(written, float(process(_ENHANCE).split()[-1]) - begun)

    seconds = best_in_turn(
        rounds,
        pillow=pillow,
        pillow_process=lambda: process(_PILLOW_ALONE),
        undim_process=undim_process,
    )
    target.unlink()
    return seconds | {"undim_written": written}


def peak_memory(photo: Path) -> int:
    """The most bytes that a process held which enhanced this photo, from its start to the file
    written.
    """
    target = photo.with_suffix(".bench.jpg")
    command = [sys.executable, "-c", _PEAK_OF_ONE_FILE, str(photo), str(target)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    target.unlink()
    return int(done.stdout)
