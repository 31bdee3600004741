"""Before/after sheets: pictures side by side with titles, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from undim.errors import InputError, OutputError
from undim.evaluation.baselines import autocontrast, unchanged
from undim.evaluation.scores import RGB, Method, read_item
from undim.images import Picture, decode, encode, format_named, write_atomically
from undim.images.colour import in_depth
from undim.measure.metrics import psnr, ssim
from undim.measure.pairs import Item

# Near-black: on a bright page every dark picture would look darker than it is.
_PAGE, _INK, _SOFT = (18, 17, 16), (240, 237, 231), (160, 155, 147)
_MARGIN, _GAP = 20, 12
_MAX_SIDE = 16_000  # WebP ends at 16,383 pixels, and few viewers open more
_ONE, _MANY = 640, 360  # long side in pixels of a picture on a sheet of its own, and among many


class _Cell(NamedTuple):
    picture: Image.Image
    title: str
    caption: str


def contact_sheet(
    pictures: Iterable[tuple[str, RGB, RGB | None]],
    methods: Mapping[str, Method],
    *,
    cell: int = _MANY,
) -> Image.Image:
    """Pictures, each (name or "", image, reference or None), one row each.

    A row shows original, autocontrast, each method, and the reference where given, with PSNR and
    SSIM to it. `cell` is the long side in pixels of each picture on the sheet; smaller pictures
    keep their size.
    """
    rows = [_row(*picture, methods, cell) for picture in pictures]
    size = max(12, min(20, cell // 24))
    title, small = ImageFont.load_default(size), ImageFont.load_default(round(size * 0.85))
    line = round(size * 1.6)
    cell_width = max(part.picture.width for row in rows for part in row)
    heights = [max(part.picture.height for part in row) + 2 * line for row in rows]
    width = 2 * _MARGIN + max(map(len, rows)) * (cell_width + _GAP) - _GAP
    height = 2 * _MARGIN + sum(heights) + _GAP * (len(rows) - 1)
    if max(width, height) > _MAX_SIDE:
        raise InputError(
            f"{len(rows)} pictures make a sheet of {width} x {height} pixels, expected at most "
            f"{_MAX_SIDE}; give a folder as the output for one sheet per picture"
        )
    sheet = Image.new("RGB", (width, height), _PAGE)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for row, row_height in zip(rows, heights, strict=True):
        for column, part in enumerate(row):
            left = _MARGIN + column * (cell_width + _GAP)
            draw.text((left, top), _fitted(part.title, title, cell_width), _INK, title)
            sheet.paste(part.picture, (left, top + line))
            draw.text((left, top + line + part.picture.height + 5), part.caption, _SOFT, small)
        top += row_height + _GAP
    return sheet


def write_contact_sheet(items: Sequence[Item], methods: Mapping[str, Method], path: Path) -> Path:
    """One sheet of all items, in the format that the path names; a lone item gets large cells."""
    pictures = ((item.name, *_read(item)) for item in items)
    sheet = contact_sheet(pictures, methods, cell=_ONE if len(items) == 1 else _MANY)
    return _write(sheet, path, items)


def write_sheets(
    items: Sequence[Item], methods: Mapping[str, Method], folder: Path
) -> Iterator[Path]:
    """One sheet per item, `NAME.compare.png` in a folder; yields each path as it is written."""
    for item in items:
        sheet = contact_sheet([("", *_read(item))], methods, cell=_ONE)
        yield _write(sheet, folder / f"{item.name}.compare.png", [item])


def _write(sheet: Image.Image, path: Path, items: Sequence[Item]) -> Path:
    if path.exists() and any(
        path.samefile(p) for item in items for p in (item.input, item.reference) if p
    ):
        raise OutputError(f"got {path} as output, which is an input; choose another name")
    data = encode(Picture(np.asarray(sheet)), format_named(path.suffix))
    return write_atomically(path, data, overwrite=True)


def _read(item: Item) -> tuple[RGB, RGB | None]:
    """The picture and its reference, as a sheet shows them.

    Without a reference of any depth, for a sheet shows 8 bits; pairs as they are measured.
    """
    if item.reference is None:
        return in_depth(decode(item.input).pixels, np.dtype(np.uint8)), None
    return read_item(item)


def _row(
    name: str, image: RGB, reference: RGB | None, methods: Mapping[str, Method], cell: int
) -> list[_Cell]:
    columns = {"original": unchanged(image), "autocontrast": autocontrast(image)}
    columns |= {method: function(image) for method, function in methods.items()}
    cells = [
        _Cell(_small(output, cell), title, _score(output, reference))
        for title, output in columns.items()
    ]
    if reference is not None:
        cells.append(_Cell(_small(reference, cell), "reference", ""))
    if name:
        cells[0] = cells[0]._replace(title=f"{name}: original")
    return cells


def _score(output: RGB, reference: RGB | None) -> str:
    if reference is None:
        return f"mean brightness {output.mean() / 255:.2f}"
    fidelity = f"PSNR {psnr(output, reference, data_range=255):.2f} dB"
    return f"{fidelity}   SSIM {ssim(output, reference, data_range=255):.3f}"


def _small(picture: RGB, cell: int) -> Image.Image:
    image = Image.fromarray(picture)
    image.thumbnail((cell, cell), Image.Resampling.LANCZOS)
    return image


def _fitted(words: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    if font.getlength(words) <= width:
        return words
    while words and font.getlength(f"{words}…") > width:
        words = words[:-1]
    return f"{words}…"
