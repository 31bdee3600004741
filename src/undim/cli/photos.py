"""`undim enhance`: photographs, one or many."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


class Size(click.ParamType[int | Literal["full"]]):
    """A long side in pixels, or "full"."""

    name = "PIXELS|full"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["full"]:
        if value == "full":
            return "full"
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of pixels nor 'full'", param, ctx)


class Amount(click.ParamType[float | Literal["auto", "off"]]):
    """ "auto", "off" or a number from 0 to 1."""

    name = "auto|off|0..1"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | Literal["auto", "off"]:
        if value == "auto":
            return "auto"
        if value == "off":
            return "off"
        try:
            amount = float(value)
        except ValueError:
            amount = -1
        if 0 <= amount <= 1:
            return amount
        self.fail(f"{value!r} is none of 'auto', 'off' and a number from 0 to 1", param, ctx)


@click.command()
@click.argument("inputs", metavar="IN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="OUT", type=click.Path(path_type=Path), help="The new file.")
@click.option("--model", metavar="NAME|FILE", default="undim", show_default=True, help="See `undim models`.")
@click.option("--strength", type=click.FloatRange(0, 1.5), default=1.0, show_default=True)
@click.option("--denoise", type=Amount(), default="auto", show_default=True)
@click.option("--maps", type=Size(), help="Long side of the thumbnail the curves are estimated on.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def enhance(
    inputs: tuple[Path, ...],
    output: Path | None,
    model: str,
    strength: float,
    denoise: float | Literal["auto", "off"],
    maps: int | Literal["full"] | None,
    device: str,
) -> None:
    """Brighten photographs.

    \b
    Examples:
      undim enhance night.jpg                  writes night.undim.jpg
      undim enhance night.jpg -o bright.png --strength 0.8
    """
    from undim.enhancer import Enhancer

    enhancer = Enhancer(model, device=device, maps=maps)
    for path in inputs:
        click.echo(enhancer(path, strength=strength, denoise=denoise, output=output))
