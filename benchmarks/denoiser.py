"""What the learned denoiser costs against the fast filter. Run: python benchmarks/denoiser.py

The whole path on an array, without a denoiser, with the filter and with the network, best of
several rounds in turn; and what the learned denoiser adds, per megapixel and over what the filter
adds. Memory is what the learned denoiser needs beside the picture, its result included (Linux).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from undim.benchmark import best_in_turn, dim_scene
from undim.enhancer import Enhancer


def memory(work: Callable[[], object]) -> float:
    """By how many megabytes the process's resident memory rises at most while it works."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far (man 5 proc)

    def resident(key: str) -> float:
        status = Path("/proc/self/status").read_text()
        return int(status.split(key + ":")[1].split()[0]) * 1024 / 1e6

    before = resident("VmRSS")
    work()
    return resident("VmHWM") - before


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megapixels", type=float, nargs="+", default=[1, 4, 12])
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    enhancer = Enhancer()
    print(
        "| megapixels | off | auto | learned | learned adds, per megapixel "
        "| learned : filter, added | memory |"
    )
    print("|---|---|---|---|---|---|---|")
    for megapixels in given.megapixels:
        scene = dim_scene(megapixels)
        seconds = best_in_turn(
            given.rounds,
            off=lambda scene=scene: enhancer(scene, denoise="off"),
            auto=lambda scene=scene: enhancer(scene),
            learned=lambda scene=scene: enhancer(scene, denoise="learned"),
        )
        off, auto, learned = seconds.values()
        cells = [f"{1000 * t:.0f} ms" for t in (off, auto, learned, (learned - off) / megapixels)]
        ratio = f"{(learned - off) / (auto - off):.0f}"
        needed = memory(lambda scene=scene: enhancer(scene, denoise="learned"))
        print(f"| {megapixels:g} | {' | '.join(cells)} | {ratio} | {needed:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
