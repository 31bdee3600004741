"""Training of LocalLightNet on captures of scenes, each beside its wanted rendering.

    undim train recipes/undim.toml --data ../shared/data

Scenes are views of panoramas, of which the light is known beyond what a camera can record, and
photographs. Pairs are made once, before the first step. No dark photograph, and no picture of a
benchmark, is seen.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from undim.errors import ConfigError
from undim.training.config import RecipeHead, at_least, one_of, share
from undim.training.curve import enhance
from undim.training.data.darkening import srgb_to_linear, tone_curve
from undim.training.data.panoramas import Camera, draw_views, find_panoramas
from undim.training.data.pictures import find_pictures, photograph
from undim.training.data.radiance import read_radiance
from undim.training.data.rendering import Rendering, develop, exposed, render
from undim.training.nets import GRIDS, MODELS
from undim.training.objectives.short import Report, begin, minimise, record_and_export

SIDES = 64, 96  # of the thumbnails
CHUNK = 64  # pairs that are made at once
FLOOR = 1e-3  # added to the mean squared error: better than 30 dB is not asked for
WELL_LIT_FLOOR = 1e-4  # 40 dB, of captures that the rule moves by less than that


@dataclass(frozen=True)
class Capture:
    """Ranges that one capture is drawn from; pairs are uniform, or log-uniform where said.

    Attributes:
        bright: share of the views of panoramas that are exposed by up to 1.5 stops more than
            highlights allow.
        deep: share of them that have 3 to 6 stops less; the rest have 0 to 3.
        as_taken: share of the photographs that are left as they were taken.
        stops: how much less light the other photographs have.
        contrast: exponent p of the camera's tone curve; 1 is plain sRGB.
        cast: standard deviation of the log2 gain of red and of blue.
        shot: variance of shot noise per unit of signal (log-uniform), as it is left in a thumbnail.
    """

    bright: float = 0.15
    deep: float = 0.25
    as_taken: float = 0.35
    stops: tuple[float, float] = (0.5, 7.0)
    contrast: tuple[float, float] = (1.0, 1.5)
    cast: float = 0.07
    shot: tuple[float, float] = (1e-6, 1e-4)

    def __post_init__(self) -> None:
        share(**{f"capture.{key}": getattr(self, key) for key in ("bright", "deep", "as_taken")})
        at_least(0, **{"capture.cast": self.cast})
        for key, lowest in {"stops": -32, "contrast": 1e-9, "shot": 1e-12}.items():
            low, high = getattr(self, key)
            if not lowest <= low <= high <= 32:
                expected = f"two values from {lowest:g} to 32, the smaller first"
                raise ConfigError(f"capture.{key} = {[low, high]}: expected {expected}")


@dataclass(frozen=True, kw_only=True)
class LocalLightRecipe(RecipeHead):
    """One run. `folders` and `panoramas` lie below the data folder."""

    trainer: str = "local-light"
    folders: tuple[str, ...]
    panoramas: str = "hdri"
    model: str = "LocalLightNet"
    iterations: int = 8
    width: int = 64
    levels: int = 8
    maps_size: int = 96  # long side of the thumbnail that the net is shown in use
    views: int = 48  # of every panorama
    crops: int = 40  # of every photograph; the first is the whole of it
    captures: int = 2  # of every view and crop
    photographs: float = 0.5  # share of every batch
    batch: int = 32
    steps: int = 3000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    edges: float = 0.25  # weight of the error of differences between neighbours
    seed: int = 0
    capture: Capture = dataclasses.field(default_factory=Capture)
    rendering: Rendering = dataclasses.field(default_factory=Rendering)

    def __post_init__(self) -> None:
        counts = ("iterations", "width", "levels", "maps_size", "views", "crops", "batch", "steps")
        one_of("model", self.model, GRIDS)
        at_least(1, folders=len(self.folders), **{key: getattr(self, key) for key in counts})
        at_least(2, levels=self.levels)
        at_least(0, learning_rate=self.learning_rate, weight_decay=self.weight_decay)
        at_least(0, seed=self.seed, edges=self.edges)
        share(photographs=self.photographs)


@dataclass(frozen=True)
class Pairs:
    """Captures and wanted renderings, each (N, 3, 64, 96) uint8."""

    captured: Tensor
    wanted: Tensor


def photograph_light(files: Iterable[Path], count: int, seed: int) -> Tensor:
    """Crops of photographs, a third to all of their sides, as (N, 3, 64, 96) in [0, 1], sRGB;
    upright ones turned.
    """
    random = np.random.default_rng(seed)
    found = []
    for file in files:
        photo = photograph(file)
        photo.thumbnail((640, 640), Image.Resampling.LANCZOS)
        if photo.height > photo.width:
            photo = photo.transpose(Image.Transpose.ROTATE_90)
        for i in range(count):
            share_kept = 1.0 if i == 0 else random.uniform(0.35, 1)
            width, height = int(photo.width * share_kept), int(photo.height * share_kept)
            left = int(random.integers(0, photo.width - width + 1))
            top = int(random.integers(0, photo.height - height + 1))
            crop = photo.crop((left, top, left + width, top + height))
            found.append(np.asarray(crop.resize(SIDES[::-1], Image.Resampling.BOX)))
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255


def panorama_light(files: Iterable[Path], count: int, seed: int) -> Tensor:
    """Views of panoramas, exposed: (N, 3, 64, 96), linear."""
    random = np.random.default_rng(seed)
    views = [draw_views(read_radiance(file), count, SIDES, random, Camera()) for file in files]
    return exposed(torch.from_numpy(np.concatenate(views)).permute(0, 3, 1, 2))


def capture(
    light: Tensor, p: Tensor, stops: Tensor, recipe: LocalLightRecipe, generator: torch.Generator
) -> Pairs:
    """One capture of every scene, with so many stops less light, and what is wanted of it.

    With shot noise g and read noise r^2 = g / 400, both drawn, and gains w of a wrong white
    balance,

        s = 2^-stops w L,   captured = round_8bit(develop(s + n sqrt(g s + g^2 / 400))),
        wanted = render(2^-min(stops, deepest) w L)

    light (B, 3, H, W), p and stops (B, 1, 1, 1).
    """
    ranges, b = recipe.capture, len(light)
    cast = ranges.cast * torch.randn(b, 3, 1, 1, generator=generator)
    balanced = light * torch.exp2(cast - cast[:, 1:2])
    signal = balanced * torch.exp2(-stops)
    begun = balanced * torch.exp2(-stops.clamp_max(recipe.rendering.deepest))
    low, high = (math.log(g) for g in ranges.shot)
    shot = torch.exp(low + (high - low) * torch.rand(b, 1, 1, 1, generator=generator))
    grain = torch.randn(light.shape, generator=generator)
    noisy = signal + grain * (shot * signal.clamp_max(1) + shot.square() / 400).sqrt()
    return Pairs(_bytes(develop(noisy, p)), _bytes(render(begun, p, recipe.rendering)))


def make_pairs(views: Tensor, crops: Tensor, recipe: LocalLightRecipe) -> tuple[Pairs, Pairs]:
    """All pairs of a run, those of views and those of photographs."""
    generator = torch.Generator().manual_seed(recipe.seed)
    ranges = recipe.capture

    def uniform(count: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)

    def stops_of_views(count: int) -> Tensor:
        kind = uniform(count, 0, 1)
        ordinary, deep = uniform(count, 0, 3), uniform(count, 3, 6)
        stops = torch.where(kind < ranges.deep, deep, ordinary)
        return torch.where(kind > 1 - ranges.bright, uniform(count, -1.5, 0), stops)

    def stops_of_photographs(count: int) -> Tensor:
        taken = uniform(count, 0, 1) < ranges.as_taken
        return torch.where(taken, 0.0, uniform(count, *ranges.stops))

    def all_pairs(scenes: Tensor, stops: Callable[[int], Tensor], photographs: bool) -> Pairs:
        made = []
        for part in torch.split(scenes, CHUNK) * recipe.captures:
            p = uniform(len(part), *ranges.contrast)
            light = srgb_to_linear(tone_curve(part, 1 / p)) if photographs else part
            made.append(capture(light, p, stops(len(part)), recipe, generator))
        return Pairs(torch.cat([m.captured for m in made]), torch.cat([m.wanted for m in made]))

    return all_pairs(views, stops_of_views, False), all_pairs(crops, stops_of_photographs, True)


def draw_batch(
    pairs: tuple[Pairs, Pairs], recipe: LocalLightRecipe, generator: torch.Generator
) -> Pairs:
    """A batch of captures and renderings, in [0, 1], mirrored at random along each axis and turned
    by a quarter.
    """
    photographs = round(recipe.batch * recipe.photographs)
    parts = []
    for source, count in zip(pairs, (recipe.batch - photographs, photographs), strict=True):
        chosen = torch.randint(len(source.captured), (count,), generator=generator)
        parts.append(torch.stack([source.captured[chosen], source.wanted[chosen]]))
    both = torch.cat(parts, 1).float() / 255
    coins = torch.randint(2, (3,), generator=generator).tolist()
    both = both.flip([axis for axis, coin in zip((3, 4), coins, strict=False) if coin])
    return Pairs(*(both.transpose(3, 4) if coins[2] else both))


def log_error(enhanced: Tensor, batch: Pairs, edges: float) -> Tensor:
    """The mean over pictures of log(mean squared error + floor), which is their PSNR up to a best
    one.

    The floor stands at 30 dB, and at 40 dB where capture and rendering are closer than that to each
    other. The error of differences between neighbours counts with weight `edges`, against the floor
    1e-4.
    """
    moved = (batch.captured - batch.wanted).square().flatten(1).mean(1)
    floor = torch.where(moved < FLOOR, WELL_LIT_FLOOR, FLOOR)
    off = enhanced - batch.wanted
    loss = torch.log(off.square().flatten(1).mean(1) + floor).mean()
    if edges:
        down, across = (off.diff(dim=axis).square().flatten(1).mean(1) for axis in (2, 3))
        loss = loss + edges * torch.log(down + across + 1e-4).mean()
    return loss


def train_local_light(
    net: nn.Module,
    recipe: LocalLightRecipe,
    pairs: tuple[Pairs, Pairs],
    report: Report | None = None,
) -> None:
    """Minimise `log_error`; `report` is that of `minimise`."""

    def loss(generator: torch.Generator) -> Tensor:
        batch = draw_batch(pairs, recipe, generator)
        enhanced = enhance(batch.captured, net(batch.captured), recipe.iterations)
        return log_error(enhanced, batch, recipe.edges)

    minimise(net, recipe, loss, report)


def train(
    recipe: LocalLightRecipe,
    data: str | Path,
    run: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
) -> Path:
    """Train on the photographs and panoramas below `data`; returns the path of the ONNX file.

    The run folder is that of `loop.train`, without checkpoints.
    """
    run, data = Path(run), Path(data)
    begin(recipe, run, resume=resume, device=device)
    files = [file for folder in recipe.folders for file in find_pictures(data, folder)]
    panoramas = find_panoramas(data / recipe.panoramas)
    torch.manual_seed(recipe.seed)
    net = MODELS[recipe.model](
        iterations=recipe.iterations, width=recipe.width, levels=recipe.levels
    )

    def fit(report: Report) -> None:
        views = panorama_light(panoramas, recipe.views, recipe.seed)
        crops = photograph_light(files, recipe.crops, recipe.seed)
        train_local_light(net, recipe, make_pairs(views, crops, recipe), report)

    keys = ("model", "iterations", "width", "levels", "maps_size")
    facts = {key: str(getattr(recipe, key)) for key in keys} | {"guide": "max"}
    return record_and_export(net, recipe, run, [*files, *panoramas], fit, **facts)


def _bytes(pictures: Tensor) -> Tensor:
    return (pictures * 255).round().to(torch.uint8)
