"""The query of a request: how a picture is to be enhanced. An unknown key is an error, never
ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

Denoise = (
    Literal["auto", "off", "learned"] | Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
)


class ModelChoice(BaseModel):
    """Which model estimates the curve maps."""

    model_config = ConfigDict(extra="forbid")

    model: str


class Settings(ModelChoice):
    """How a picture is enhanced and written."""

    denoise: Annotated[
        Denoise, Field(description="noise filtered away before the curve amplifies it")
    ] = "auto"
    strength: Annotated[
        float,
        Field(
            ge=0,
            le=1.5,
            allow_inf_nan=False,
            description="0 gives the input back, 1 is the model's own",
        ),
    ] = 1.0
    format: Annotated[
        Literal["jpg", "png", "webp", "tif", "avif", "bmp", "heic"] | None,
        Field(description="default: the format of the upload"),
    ] = None
    quality: Annotated[
        int | None,
        Field(
            ge=1, le=100, description="of JPEG, WebP, AVIF and HEIC; default: that of the upload"
        ),
    ] = None


S = TypeVar("S", bound=ModelChoice)


def for_models(settings: type[S], names: Iterable[str]) -> type[S]:
    """The settings, with the models' names as the only values of `model`; the first is default."""
    names = tuple(names)
    choice: Any = Literal[names]  # known only when the server starts
    return create_model(settings.__name__, __base__=settings, model=(choice, names[0]))
