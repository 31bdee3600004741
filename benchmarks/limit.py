"""How much of LOL's exposure dark pictures tell: the default net taught by LOL's references.

    python benchmarks/limit.py --lol ../shared/data/lol-v1

An oracle, never shipped: the net of the `undim` model is trained on LOL's training pairs, with the
loss of its recipe, and measured by the whole path (thumbnail, network, noise filter, curve) on the
fifth of the pairs that it did not see, five times over, on the pairs that it did see, and, trained
on all of them, on eval15.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ablations import Pairs, read_pairs
from undim.enhancer import Enhancer
from undim.measure.metrics import psnr, ssim
from undim.pixels.boxes import thumbnail
from undim.training.curve import enhance
from undim.training.export import export_onnx
from undim.training.nets.undim import UndimNet
from undim.training.objectives.exposure import FLOOR, SIDE

FOLDS = 5


def train(low: Tensor, reference: Tensor, steps: int, seed: int) -> UndimNet:
    """The net, trained on thumbnails (N, 3, 24, 24) by log(mean squared error + floor)."""
    torch.manual_seed(seed)
    net = UndimNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    net.train()
    for _ in range(steps):
        chosen = torch.randint(len(low), (64,))
        error = (
            (enhance(low[chosen], net(low[chosen])) - reference[chosen]).square().flatten(1).mean(1)
        )
        optimizer.zero_grad()
        torch.autograd.backward(torch.log(error + FLOOR).mean())
        optimizer.step()
        schedule.step()
    net.eval()
    return net


def measure(net: UndimNet, pairs: Pairs) -> NDArray[np.float64]:
    """PSNR and SSIM of every pair, by the whole path: (N, 2)."""
    keys = (
        "name",
        "version",
        "model",
        "width",
        "training_data",
        "licence",
        "recipe",
        "recipe_sha256",
        "parameters",
    )
    metadata = dict.fromkeys(keys, "0") | {"name": "oracle", "iterations": "8", "maps_size": "64"}
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(net, Path(folder) / "model.onnx", metadata)
        enhancer = Enhancer(Path(folder) / "model.onnx")
        found = [(enhancer(low), reference) for low, reference in pairs]
    return np.array([[metric(x, y, data_range=255) for metric in (psnr, ssim)] for x, y in found])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--lol", type=Path, required=True, help="the folder of our485-256 and eval15"
    )
    parser.add_argument("--steps", type=int, default=1500)
    given = parser.parse_args()
    pairs = read_pairs(given.lol / "our485-256", every=1)
    small = [
        torch.from_numpy(np.stack([thumbnail(pair[i], SIDE) for pair in pairs])).movedim(3, 1)
        for i in (0, 1)
    ]
    fold = np.random.default_rng(0).permutation(len(pairs)) % FOLDS
    held_out, seen = [], []
    for k in range(FOLDS):
        inside = torch.from_numpy(fold != k)
        net = train(small[0][inside], small[1][inside], given.steps, seed=k)
        held_out.append(measure(net, [pair for pair, f in zip(pairs, fold, strict=True) if f == k]))
        seen.append(
            measure(
                net, [pair for pair, f in zip(pairs, fold, strict=True) if f == (k + 1) % FOLDS]
            )
        )
    last = measure(train(*small, given.steps, seed=0), read_pairs(given.lol / "eval15", every=1))
    for name, scores in (
        ("our485, held out", np.concatenate(held_out)),
        ("our485, seen", np.concatenate(seen)),
    ):
        print(f"{name}: {scores[:, 0].mean():.2f} dB / {scores[:, 1].mean():.3f}")
    error = last[:, 0].std(ddof=1) / len(last) ** 0.5
    print(
        f"eval15, trained on our485: {last[:, 0].mean():.2f} +- {error:.2f} dB / "
        f"{last[:, 1].mean():.3f}"
    )


if __name__ == "__main__":
    main()
