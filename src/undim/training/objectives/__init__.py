"""Which training a recipe is for: its key `trainer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from undim.errors import ConfigError
from undim.training import loop
from undim.training.config import build, build_from, read_values, recipe_from
from undim.training.objectives import denoiser, exposure, local_light

# name -> what makes the recipe of TOML values, and what trains by it: (recipe, data, run, resume=,
# device=) -> model
TRAINERS: dict[str, tuple[Callable[[Mapping[str, Any]], Any], Callable[..., Path | None]]] = {
    "zero-reference": (recipe_from, loop.train),
    "exposure": (partial(build, exposure.ExposureRecipe), exposure.train),
    "local-light": (partial(build, local_light.LocalLightRecipe), local_light.train),
    "denoiser": (partial(build, denoiser.DenoiserRecipe), denoiser.train),
}


def train(
    path: Path, changes: Sequence[str], data: Path, run: Path | None, *, resume: bool, device: str
) -> tuple[Path, Path | None]:
    """Train by the recipe file at `path`; the run folder and the model's ONNX file.

    The run folder is by default runs/NAME.
    """
    values = read_values(path, changes)
    trainer = values.get("trainer", "zero-reference")
    if trainer not in TRAINERS:
        raise ConfigError(f"{path}: trainer = {trainer!r}; there are: {', '.join(TRAINERS)}")
    make, run_trainer = TRAINERS[trainer]
    recipe = build_from(path, make, values)
    run = run or Path("runs") / recipe.name
    return run, run_trainer(recipe, data, run, resume=resume, device=device)
