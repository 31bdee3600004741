"""Kinds of values that several verbs take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from undim.enhancer import Denoise


class Size(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.4
    """A long side in pixels, or "full"."""

    name = "PIXELS|full"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["full"]:
        if value == "full":
            return "full"
        if str(value).isdigit() and int(value) > 0:
            return int(value)
        self.fail(f"{value!r} is neither a number of pixels above 0 nor 'full'", param, ctx)


class Amount(click.ParamType):  # type: ignore[type-arg]
    """ "auto", "off", "learned" or a number from 0 to 1."""

    name = "auto|off|learned|0..1"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Denoise:
        if value in ("auto", "off", "learned"):
            level: Literal["auto", "off", "learned"] = value
            return level
        try:
            amount = float(value)
        except ValueError:
            amount = -1
        if 0 <= amount <= 1:
            return amount
        self.fail(
            f"{value!r} is none of 'auto', 'off', 'learned' and a number from 0 to 1", param, ctx
        )
