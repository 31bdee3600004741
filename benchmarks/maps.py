"""What the size of the thumbnail costs and gives.

Run: python benchmarks/maps.py --model M.onnx --data lol-v1/eval15

For each long side: PSNR and SSIM over paired pictures, without denoising, and the time of the
network and of the curve on 12 megapixels, best of several rounds in turn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from undim.benchmark import best_in_turn, dim_scene
from undim.enhancer import Enhancer
from undim.images import decode
from undim.measure.metrics import psnr, ssim
from undim.measure.pairs import find_items
from undim.pixels.boxes import thumbnail
from undim.pixels.curve import apply_curves

SIDES = (32, 64, 128, 256, 512, 1024)


def quality(enhancer: Enhancer, pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Mean PSNR in dB and mean SSIM."""
    bright = [(enhancer(dark, denoise="off"), reference) for dark, reference in pairs]
    scores = [(psnr(*both, data_range=255), ssim(*both, data_range=255)) for both in bright]
    return tuple(np.mean(scores, axis=0))


def speed(enhancer: Enhancer, scene: np.ndarray, side: int) -> dict[str, float]:
    """Seconds of thumbnail, network and curve."""
    small = thumbnail(scene, side)
    maps = enhancer.curve_maps(small)
    return best_in_turn(
        7,
        thumbnail=lambda: thumbnail(scene, side),
        network=lambda: enhancer.curve_maps(small),
        curve=lambda: apply_curves(scene, maps, iterations=enhancer.info.iterations),
    )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--model", default="undim")
    arguments.add_argument("--data", type=Path, required=True)
    given = arguments.parse_args()
    pairs = [
        (decode(item.input).pixels, decode(item.reference).pixels)
        for item in find_items(given.data)
    ]
    scene = dim_scene(12)
    print("| maps | PSNR | SSIM | thumbnail | network | curve |\n|---|---|---|---|---|---|")
    for side in (*SIDES, "full"):
        enhancer = Enhancer(given.model, maps=side)
        decibels, similarity = quality(enhancer, pairs)
        cells = [f"{decibels:.2f} dB", f"{similarity:.3f}"]
        if side != "full":
            cells += [
                f"{1000 * seconds:.1f} ms" for seconds in speed(enhancer, scene, side).values()
            ]
        print(f"| {side} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
