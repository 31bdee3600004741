"""What each part of the `undim` model is worth: one change at a time, the same measuring.

    python benchmarks/darkened.py --data ../shared/data -o /tmp/darkened
    python benchmarks/ablations.py --data ../shared/data --pairs /tmp/darkened --pairs our485-256

Each row is trained by the recipe with fewer steps and measured by the shipped path (thumbnail,
network, noise filter, curve) on every n-th pair. Nets that see places (DCE-Net and its variants)
get the thumbnails that the light profile gets, and no highlight restraint. "Kodak" is the lowest
and the median PSNR of Kodak's 24 well-lit pictures after enhancement, at most 60.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from undim.enhancer import Enhancer
from undim.images import decode
from undim.measure.metrics import psnr, ssim
from undim.measure.pairs import find_items
from undim.pixels.samples import Image
from undim.training.config import build, read_values
from undim.training.data.pictures import find_pictures
from undim.training.export import export_onnx
from undim.training.nets import count_parameters
from undim.training.nets.dce import DCENet
from undim.training.nets.undim import UndimNet, highlight_restraint
from undim.training.objectives.exposure import ExposureRecipe, scene_crops, train_exposure

RECIPE = Path(__file__).parent.parent / "recipes" / "undim-global.toml"
Net = Callable[[], nn.Module]
Pairs = list[tuple[Image, Image]]


class Numbers(UndimNet):
    """UndimNet with one number for all eight steps, or 24: one for each step and channel."""

    def forward(self, image: Tensor) -> Tensor:
        numbers = torch.tanh(self.layers(self.profile(image)))
        light = image.mean(1, keepdim=True)
        shared = (
            numbers.expand(-1, 8) if self.iterations == 1 else numbers.reshape(-1, 8, 3).mean(2)
        )
        factor = torch.ones_like(light) if self.training else highlight_restraint(light, shared)
        return numbers[:, :, None, None] * factor


class Local(nn.Module):
    """DCE-Net with other maps, analytic inputs, attention, more layers, or one answer a picture."""

    def __init__(
        self,
        maps: int = 24,
        *,
        width: int = 32,
        analytic: bool = False,
        attention: bool = False,
        deeper: int = 0,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        self.analytic, self.pooled = analytic, pooled
        self.net = DCENet(iterations=8, width=width)
        first, last = self.net.layers[0], self.net.layers[-1]
        if analytic:
            first = self.net.layers[0] = nn.Conv2d(7, width, 3, padding=1)
        self.net.layers[-1] = nn.Conv2d(last.in_channels, maps, 3, padding=1)
        nn.init.zeros_(self.net.layers[-1].weight)
        nn.init.zeros_(self.net.layers[-1].bias)
        before: list[nn.Module] = [first]
        for _ in range(deeper):
            before += [nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)]
        if attention:
            before.append(ChannelAttention(width))
        self.net.layers[0] = nn.Sequential(*before)

    def forward(self, image: Tensor) -> Tensor:
        if self.analytic:
            largest, smallest = image.amax(1, keepdim=True), image.amin(1, keepdim=True)
            log = torch.log(largest + 0.004) / 5 + 1
            image = torch.cat(
                [image, largest, smallest, (largest - smallest) / (largest + 0.02), log], 1
            )
        maps: Tensor = self.net(image)
        return (
            maps.mean((2, 3), keepdim=True) * torch.ones_like(image[:, :1]) if self.pooled else maps
        )


class ChannelAttention(nn.Module):
    """Squeeze and excitation (Hu et al., CVPR 2018): channels weighted by the whole picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, width), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        weights: Tensor = self.weigh(torch.relu(features).mean((2, 3)))
        return features * weights[:, :, None, None]


def rows(recipe: ExposureRecipe) -> dict[str, tuple[ExposureRecipe, Net]]:
    """Every ablation: its recipe and its net."""
    change = dataclasses.replace
    return {
        "shipped: light profile, 8 numbers": (recipe, UndimNet),
        "other seed": (change(recipe, seed=1), UndimNet),
        "1 number for all steps": (recipe, lambda: Numbers(iterations=1)),
        "24 numbers: a curve per channel": (recipe, lambda: Numbers(iterations=24)),
        "4 steps": (change(recipe, iterations=4), lambda: UndimNet(iterations=4)),
        "16 steps": (change(recipe, iterations=16), lambda: UndimNet(iterations=16)),
        "width 24": (recipe, lambda: UndimNet(width=24)),
        "no lamps": (change(recipe, lamps=0), UndimNet),
        "nothing well lit": (change(recipe, well_lit=0), UndimNet),
        "1.8 to 5.5 stops": (
            change(recipe, darkening=change(recipe.darkening, stops=(1.8, 5.5))),
            UndimNet,
        ),
        "0.5 to 6 stops": (
            change(recipe, darkening=change(recipe.darkening, stops=(0.5, 6.0))),
            UndimNet,
        ),
        "DCE-Net, 24 free maps": (recipe, Local),
        "DCE-Net, 8 maps shared by the channels": (recipe, lambda: Local(8)),
        "DCE-Net, 8 maps, averaged over the picture": (recipe, lambda: Local(8, pooled=True)),
        "DCE-Net, 8 maps, analytic inputs": (recipe, lambda: Local(8, analytic=True)),
        "DCE-Net, 8 maps, attention": (recipe, lambda: Local(8, attention=True)),
        "DCE-Net, 8 maps, 3 layers more": (recipe, lambda: Local(8, deeper=3)),
        "DCE-Net, 8 maps, 64 wide": (recipe, lambda: Local(8, width=64)),
    }


def measure(enhancer: Enhancer, pairs: Pairs) -> tuple[float, float]:
    """Mean PSNR and SSIM over pairs (low, reference)."""
    bright = [enhancer(low) for low, _ in pairs]
    references = [reference for _, reference in pairs]
    return (
        float(
            np.mean([psnr(x, y, data_range=255) for x, y in zip(bright, references, strict=True)])
        ),
        float(
            np.mean([ssim(x, y, data_range=255) for x, y in zip(bright, references, strict=True)])
        ),
    )


def read_pairs(folder: Path, every: int) -> Pairs:
    """Every n-th pair of a folder with low/ and high/."""
    found = []
    for item in find_items(folder)[::every]:
        assert item.reference is not None
        found.append((decode(item.input).pixels, decode(item.reference).pixels))
    return found


def main() -> None:
    """Train and measure every row, and print it as it comes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--pairs", type=Path, action="append", required=True, help="low/ and high/; repeatable"
    )
    parser.add_argument("--every", type=int, default=4, help="measure on every n-th pair")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    arguments = parser.parse_args()
    recipe = dataclasses.replace(
        build(ExposureRecipe, read_values(RECIPE)), steps=arguments.steps, batch=arguments.batch
    )
    files = [file for folder in recipe.folders for file in find_pictures(arguments.data, folder)]
    scenes = scene_crops(files, recipe.crops, recipe.seed)
    sets = {folder.name: read_pairs(folder, arguments.every) for folder in arguments.pairs}
    kodak = [decode(file).pixels for file in sorted((arguments.data / "kodak24").glob("*"))]
    print(
        f"| {recipe.steps} steps of {recipe.batch} | parameters | "
        + " | ".join(sets)
        + " | Kodak | training |"
    )
    print("|---" * (len(sets) + 4) + "|")
    for name, (changed, new) in rows(recipe).items():
        if arguments.only not in name:
            continue
        torch.manual_seed(changed.seed)
        net, begin = new(), time.process_time()
        train_exposure(net, changed, scenes)
        seconds = time.process_time() - begin
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            export_onnx(net, file, metadata(name, changed, count_parameters(net)))
            enhancer = Enhancer(file)
            cells = [
                f"{p:.2f} / {s:.3f}"
                for p, s in (measure(enhancer, pairs) for pairs in sets.values())
            ]
            kept = [min(60.0, psnr(enhancer(image), image, data_range=255)) for image in kodak]
        cells = [
            f"{count_parameters(net):,}",
            *cells,
            f"{min(kept):.1f} / {np.median(kept):.1f}",
            f"{seconds:.0f} s",
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def metadata(name: str, recipe: ExposureRecipe, parameters: int) -> dict[str, str]:
    """What `Enhancer` asks of a model file."""
    return {
        "name": name,
        "version": "0",
        "model": "ablation",
        "iterations": str(recipe.iterations),
        "width": "0",
        "maps_size": str(recipe.maps_size),
        "recipe": recipe.name,
        "recipe_sha256": "",
        "training_data": recipe.training_data,
        "licence": recipe.licence,
        "parameters": str(parameters),
    }


if __name__ == "__main__":
    main()
