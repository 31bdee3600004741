"""Names to methods: what `evaluate` and `compare` measure, from a command line or a script.

A method is any function from an RGB uint8 array to another of its shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from undim.enhancer import Denoise, Enhancer
from undim.errors import InputError
from undim.evaluation.baselines import BASELINES, RGB
from undim.evaluation.scores import Method
from undim.model.pretrained import model_path


class ModelMethod:
    """A model as it ships: an `Enhancer`, its settings, and what one must know to repeat it."""

    def __init__(
        self,
        model: str | Path,
        *,
        maps: int | Literal["full"] | None = None,
        denoise: Denoise = "auto",
    ) -> None:
        self._enhancer = Enhancer(model, maps=maps)
        self._denoise = denoise
        self.model = str(model)
        self.name = self._enhancer.info.name

    def __call__(self, image: RGB) -> RGB:
        return self._enhancer(image, denoise=self._denoise)

    def facts(self) -> dict[str, str]:
        info, path = self._enhancer.info, model_path(self.model)
        return {
            "file": str(path),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "maps": str(self._enhancer.maps),
            "denoise": str(self._denoise),
            "parameters": str(info.parameters),
            "recipe": info.recipe,
            "training data": info.training_data,
            "licence": info.licence,
        }


def model_methods(
    models: Sequence[str], *, maps: int | Literal["full"] | None = None, denoise: Denoise = "auto"
) -> dict[str, ModelMethod]:
    """Models by their own names.

    Where two share one (two seeds of a recipe), by the path each was given as.
    """
    loaded = [ModelMethod(model, maps=maps, denoise=denoise) for model in dict.fromkeys(models)]
    names = [*BASELINES, *(method.name for method in loaded)]
    return {
        method.name if names.count(method.name) == 1 else method.model: method for method in loaded
    }


def baseline_methods(names: Sequence[str]) -> dict[str, Method]:
    """Some of `BASELINES`, in the order of that table."""
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise InputError(f"no baseline {unknown[0]!r}; expected some of {', '.join(BASELINES)}")
    return {name: function for name, function in BASELINES.items() if name in names}
