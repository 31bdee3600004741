"""Mixed light: pictures that hold dark and bright places, which one curve for all leaves alone.

    python benchmarks/mixed_light.py --data ../shared/data [--model M.onnx]... [--authors W.pth] [-o
    DIR]

Two tables. The first is of views of the panoramas that training never sees (`HELD_OUT`), captured
so that the highlights are kept, or up to three stops darker: PSNR and SSIM against the wanted
rendering (`undim.training.data.rendering`), and against the fusion of that dark frame with a bright
one, as multi-exposure sets have it. The second is of the night photographs, as they come back:

    lifted        share of pixels whose brightness grows by at least 4 levels of 8 bits
    newly 250     share of samples that are at 250 and above, and were not
    chroma shift  mean distance of chromaticities from the input's (`undim.measure.metrics`)
    halo          how much more bright places near a dark one are lifted than such places far from
                  it, in levels: what the eye sees as a rim of light
    unchanged     pictures over 35 dB from the input

With -o, a sheet of each night photograph and of two views of each panorama: input, and every row.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from undim.enhancer import Enhancer
from undim.errors import InputError
from undim.evaluation.baselines import BASELINES, RGB
from undim.evaluation.fusion import fuse
from undim.evaluation.sheets import contact_sheet
from undim.images import decode
from undim.measure.metrics import chroma_shift, psnr, ssim
from undim.training.checkpoints import import_released
from undim.training.curve import enhance
from undim.training.data.panoramas import Camera, draw_views, find_panoramas
from undim.training.data.pictures import find_pictures
from undim.training.data.radiance import read_radiance
from undim.training.data.rendering import Rendering, develop, exposed, render

VIEWS, SHAPE = 6, (160, 240)  # of each panorama, and the size of one
ROWS = ("input", "clahe", "exposed_to_045", "shadow_lift", "own_fusion")
MODELS = ("undim-global", "zero-dce-lol", "undim")
Method = Callable[[RGB], RGB]


@dataclass(frozen=True)
class Scene:
    """A view of a panorama: its dark capture and what is wanted of it, (H, W, 3) uint8 each."""

    name: str
    dark: RGB
    wanted: RGB
    fused: RGB


def scenes(folder: Path, rule: Rendering) -> Iterator[Scene]:
    """Six views of each held-out panorama; every other one is up to three stops too dark too."""
    random = np.random.default_rng(0)
    for file in find_panoramas(folder, held_out=True):
        views = draw_views(read_radiance(file), VIEWS, SHAPE, random, Camera())
        light = exposed(torch.from_numpy(views).permute(0, 3, 1, 2))
        p = per_view(random.uniform(1, 1.5, VIEWS))
        stops = per_view(random.uniform(0, 3, VIEWS) * (np.arange(VIEWS) % 2))
        apart = per_view(random.uniform(2.5, 4.5, VIEWS))
        dark = capture(light * 2**-stops, p, random)
        bright = capture(light * 2 ** (apart - stops), p, random)
        wanted = render(light, p, rule)
        for i, (low, high, rendered) in enumerate(zip(dark, bright, pictures(wanted), strict=True)):
            fused = np.rint(255 * fuse([low / np.float32(255), high / np.float32(255)]))
            yield Scene(f"{file.stem}-{i}", low, np.maximum(rendered, low), fused.astype(np.uint8))


def per_view(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))[:, None, None, None]


def pictures(batch: torch.Tensor) -> list[RGB]:
    """(B, 3, H, W) in [0, 1] as B arrays (H, W, 3) uint8."""
    return list((batch.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy())


def capture(light: torch.Tensor, p: torch.Tensor, random: np.random.Generator) -> list[RGB]:
    """Scene-linear light as a camera stores it: noise, clipping, tone curve, 8 bits."""
    grain = torch.from_numpy(random.standard_normal(tuple(light.shape), np.float32))
    signal = light.clamp(0, 1)
    return pictures(develop(light + grain * (3e-5 * signal + 1e-7).sqrt() / 2, p))


def released(path: Path) -> Method:
    """The authors' network at full size, from their weights: to measure, never to ship."""
    net = import_released(path)[0].eval()
    for weight in net.parameters():  # some are subnormal numbers, with which processors take long
        weight.data[weight.abs() < 1e-30] = 0

    @torch.no_grad()
    def method(image: RGB) -> RGB:
        x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        return pictures(enhance(x, net(x)))[0]

    return method


def halo(before: RGB, after: RGB) -> float:
    """Mean lift of bright places near a dark one above that of as bright ones far away, in levels.

    Bright is at least 100, dark below 40, near up to 1 % of the long side (not the first two
    pixels, where sharpening shows), far from 5 % on; compared in bins of 10 levels of brightness.
    """
    x = ndimage.gaussian_filter(before.mean(axis=2), 1)
    lift = after.mean(axis=2) - before.mean(axis=2)
    side = max(x.shape)
    away = ndimage.distance_transform_edt(x >= 40)
    near, far = (away > 2) & (away <= 2 + side / 100), away > side / 20
    rims, weights = [], []
    for low in range(100, 250, 10):
        level = (x >= low) & (x < low + 10)
        if min((level & near).sum(), (level & far).sum()) >= 50:
            rims.append(lift[level & near].mean() - lift[level & far].mean())
            weights.append((level & near).sum())
    return float(np.average(rims, weights=weights)) if rims else 0.0


def scores(wanted: list[RGB], got: list[RGB]) -> str:
    each = [
        (psnr(a, b, data_range=255), ssim(a, b, data_range=255))
        for a, b in zip(got, wanted, strict=True)
    ]
    (decibels, structure), error = np.mean(each, axis=0), np.std(each, axis=0)[0] / len(each) ** 0.5
    return f"{decibels:.2f} ± {error:.2f} | {structure:.3f}"


def facts(before: RGB, after: RGB) -> tuple[float, ...]:
    """The figures of the second table, for one picture."""
    lift = after.mean(axis=2) - before.mean(axis=2)
    error = np.mean((after.astype(float) - before) ** 2)
    return (
        float((lift >= 4).mean()),
        float(((after >= 250) & (before < 250)).mean()),
        chroma_shift(after, before, data_range=255),
        halo(before, after),
        float(error < 255**2 / 10**3.5),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument(
        "--authors", type=Path, help="zero-dce-epoch99.pth, as its authors gave it out"
    )
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    methods: dict[str, Method] = {name: BASELINES[name] for name in ROWS}
    if given.authors:
        methods["the authors' Zero-DCE"] = released(given.authors)
    methods |= {Path(model).stem: Enhancer(model) for model in given.model or MODELS}

    views = list(scenes(given.data / "hdri", Rendering()))
    night = [
        (file.stem, decode(file).pixels) for file in find_pictures(given.data / "cc0" / "night")
    ]
    if not (views and night):
        raise InputError(f"{given.data} holds no hdri/ and cc0/night/")
    print(f"{len(views)} views of held-out panoramas, {len(night)} night photographs\n")
    print("| method | wanted rendering: PSNR | SSIM | two exposures fused: PSNR | SSIM |")
    print("|---|---|---|---|---|")
    for name, method in methods.items():
        got = [method(scene.dark) for scene in views]
        wanted = scores([scene.wanted for scene in views], got)
        fused = scores([scene.fused for scene in views], got)
        print(f"| {name} | {wanted} | {fused} |", flush=True)
    print(
        "\n| method | lifted | newly 250 | chroma shift | halo | unchanged |\n"
        "|---|---|---|---|---|---|"
    )
    for name, method in methods.items():
        of_each = np.array([facts(image, method(image)) for _, image in night])
        lifted, clipped, shift, rim, _ = of_each.mean(axis=0)
        cells = (
            f"{lifted:.0%} | {clipped:.2%} | {shift:.4f} | {rim:+.1f} | {of_each[:, 4].sum():.0f}"
        )
        print(f"| {name} | {cells} of {len(night)} |", flush=True)
    if given.output:
        write_sheets(given.output, views, night, methods)


def write_sheets(
    folder: Path, views: list[Scene], night: list[tuple[str, RGB]], methods: dict[str, Method]
) -> None:
    """Two views of each panorama beside what is wanted, and every night photograph."""
    folder.mkdir(parents=True, exist_ok=True)
    some = [(scene.name, scene.dark, scene.wanted) for scene in views[:: VIEWS // 2]]
    contact_sheet(some, methods).save(folder / "panoramas.png")
    contact_sheet([(name, image, None) for name, image in night], methods).save(
        folder / "night.png"
    )


if __name__ == "__main__":
    main()
