"""Training of UndimNet on dark captures that are made from clean photographs while it trains.

    undim train recipes/undim-global.toml --data ../shared/data

The curve is the same for every pixel, so a thumbnail of 24 px stands for the whole: a step costs
milliseconds, and a run a few minutes on one core. No dark photograph, and no picture of a
benchmark, is seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from undim.training.config import RecipeHead, at_least, one_of, share
from undim.training.curve import enhance
from undim.training.data.darkening import Darkening, darken, lamp_light
from undim.training.data.pictures import find_pictures, photograph
from undim.training.nets import GRIDS, MODELS
from undim.training.objectives.short import Report, begin, minimise, record_and_export

SIDE = 24  # of the scenes in pixels: the light of a scene, not its texture
FLOOR = 1e-3  # added to the mean squared error: better than 30 dB is not asked for
WELL_LIT_FLOOR = 1e-4  # 40 dB, of pictures that are to stay as they are


@dataclass(frozen=True, kw_only=True)
class ExposureRecipe(RecipeHead):
    """One run.

    `folders` lie below the data folder; `darkening` holds the ranges of `Darkening` that differ.
    """

    trainer: str = "exposure"
    folders: tuple[str, ...]
    model: str = "UndimNet"
    iterations: int = 8
    width: int = 64
    maps_size: int = 64  # long side of the thumbnail that the net is shown in use
    crops: int = 64  # of every photograph; the first is the whole of it
    batch: int = 64
    well_lit: float = 0.2  # share of every batch that is not darkened and must stay as it is
    lamps: float = 0.4  # share of the scenes that get light sources, on up to 6 % of their pixels
    scene_stops: float = (
        0.0  # a scene is this much brighter or dimmer, at most, than its photographer chose
    )
    steps: int = 4000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    seed: int = 0
    darkening: Darkening = dataclasses.field(default_factory=Darkening)

    def __post_init__(self) -> None:
        one_of("model", self.model, MODELS.keys() - GRIDS)
        counts = ("iterations", "width", "maps_size", "crops", "batch", "steps")
        at_least(1, folders=len(self.folders), **{key: getattr(self, key) for key in counts})
        at_least(
            0,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            scene_stops=self.scene_stops,
        )
        at_least(0, seed=self.seed)
        share(well_lit=self.well_lit, lamps=self.lamps)

    @property
    def well_lit_count(self) -> int:
        """How many pictures of a batch are well lit: the first ones."""
        return round(self.batch * self.well_lit)


def scene_crops(files: Iterable[Path], crops: int, seed: int) -> Tensor:
    """Crops, of a third to all of a photograph's sides, as thumbnails (N, 3, 24, 24) uint8."""
    random = np.random.default_rng(seed)
    found = []
    for file in files:
        photo = photograph(file)
        photo.thumbnail((640, 640), Image.Resampling.LANCZOS)
        for i in range(crops):
            shrink, aspect = random.uniform(0.35, 1), np.exp(random.uniform(-0.3, 0.3))
            width = photo.width if i == 0 else min(photo.width, int(photo.width * shrink / aspect))
            height = (
                photo.height if i == 0 else min(photo.height, int(photo.height * shrink * aspect))
            )
            left = int(random.integers(0, photo.width - width + 1))
            top = int(random.integers(0, photo.height - height + 1))
            crop = photo.crop((left, top, left + width, top + height))
            found.append(np.asarray(crop.resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).contiguous()


def draw_pairs(
    scenes: Tensor, recipe: ExposureRecipe, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One batch of (dark, wanted) thumbnails (B, 3, 24, 24) in [0, 1].

    The first ones are well lit and equal.
    """
    wanted = scenes[torch.randint(len(scenes), (recipe.batch,), generator=generator)].float() / 255
    if recipe.scene_stops:
        brighter = dataclasses.replace(
            recipe.darkening,
            stops=(-recipe.scene_stops, recipe.scene_stops),
            cast=0.0,
            flare=0.0,
            jpeg=0.0,
        )
        wanted = darken(wanted, brighter, generator, noise=0)[1]
    lamps = lamp_light(wanted, recipe.lamps, 0.06, generator)
    wanted = torch.where(lamps > 0, 1.0, wanted)
    dark, _ = darken(wanted, recipe.darkening, generator, noise=0.3, lamps=lamps)
    return torch.cat([wanted[: recipe.well_lit_count], dark[recipe.well_lit_count :]]), wanted


def train_exposure(
    net: nn.Module, recipe: ExposureRecipe, scenes: Tensor, report: Report | None = None
) -> None:
    """Minimise the mean over pictures of log(MSE + floor): their PSNR, up to a best one.

    The floor stands at 30 dB for dark captures and at 40 dB for well-lit pictures. `report` is that
    of `minimise`.
    """
    floor = torch.full((recipe.batch,), FLOOR)
    floor[: recipe.well_lit_count] = WELL_LIT_FLOOR

    def loss(generator: torch.Generator) -> Tensor:
        dark, wanted = draw_pairs(scenes, recipe, generator)
        enhanced = enhance(dark, net(dark), recipe.iterations)
        return torch.log((enhanced - wanted).square().flatten(1).mean(1) + floor).mean()

    minimise(net, recipe, loss, report)


def train(
    recipe: ExposureRecipe,
    data: str | Path,
    run: str | Path,
    *,
    resume: bool = False,
    device: str = "auto",
) -> Path:
    """Train on the photographs in the recipe's folders below `data`; returns the ONNX file's path.

    The run folder is that of `loop.train`, without checkpoints.
    """
    run = Path(run)
    begin(recipe, run, resume=resume, device=device)
    files = [file for folder in recipe.folders for file in find_pictures(data, folder)]
    torch.manual_seed(recipe.seed)
    net = MODELS[recipe.model](iterations=recipe.iterations, width=recipe.width)

    def fit(report: Report) -> None:
        train_exposure(net, recipe, scene_crops(files, recipe.crops, recipe.seed), report)

    facts = {
        key: str(getattr(recipe, key)) for key in ("model", "iterations", "width", "maps_size")
    }
    return record_and_export(net, recipe, run, files, fit, **facts)
