"""A picture in tiles, for networks that look at all of its pixels."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

TILE = 768  # side in pixels: DCE-Net then takes about 0.5 GB


class Tile(NamedTuple):
    """A part of an image: where it lies, where it lies with its halo, and where it lies in the
    latter.
    """

    core: tuple[slice, slice]
    around: tuple[slice, slice]
    inner: tuple[slice, slice]


def tiles(height: int, width: int, *, halo: int) -> Iterator[Tile]:
    """Cut an image into tiles with `halo` more pixels around each."""

    def cut(length: int) -> list[tuple[slice, slice, slice]]:
        cuts = []
        for start in range(0, length, TILE):
            stop, first = min(start + TILE, length), max(start - halo, 0)
            cuts.append(
                (
                    slice(start, stop),
                    slice(first, stop + halo),
                    slice(start - first, stop - first),
                )
            )
        return cuts

    for rows, columns in itertools.product(cut(height), cut(width)):
        yield Tile(*zip(rows, columns, strict=True))
