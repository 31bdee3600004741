"""What a model does to night photographs: clipping, brightness and colour, and sheets.

    python benchmarks/night.py --data ../shared/data/cc0/night [--model undim] [--model M.onnx] [-o
    DIR]

For each picture and model: the mean, the share of samples at 255 and at 250 and above, and the
shift of the mean colour (largest change of a channel's mean over the mean of the three). With -o,
one PNG for each picture: the input and every model's result side by side, long sides of 760 px, and
all.jpg, a contact sheet of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from undim.enhancer import Enhancer
from undim.images import decode
from undim.pixels.samples import Image as Pixels
from undim.training.data.pictures import find_pictures

SIDE = 760


def facts(image: Pixels, original: Pixels) -> str:
    """One line of the table, without its names."""
    colour, before = (x.mean((0, 1)) / x.mean() for x in (image, original))
    return (
        f"{image.mean() / 255:.3f} | {(image == 255).mean():.4f} | {(image >= 250).mean():.4f} "
        f"| {np.abs(colour - before).max():.3f}"
    )


def side_by_side(pictures: list[Pixels]) -> Image.Image:
    """Pictures of one size, shrunk to a long side of 760 px, in a row."""
    small = [Image.fromarray(pixels) for pixels in pictures]
    for picture in small:
        picture.thumbnail((SIDE, SIDE))
    sheet = Image.new("RGB", (sum(picture.width for picture in small), small[0].height))
    for place, picture in enumerate(small):
        sheet.paste(picture, (place * picture.width, 0))
    return sheet


def contact_sheet(rows: list[Image.Image], width: int = 750) -> Image.Image:
    """Rows scaled to one width, in two columns of about the same height."""
    columns: tuple[list[Image.Image], ...] = ([], [])
    for row in rows:
        scaled = row.resize((width, round(row.height * width / row.width)))
        min(columns, key=lambda column: sum(one.height for one in column)).append(scaled)
    sheet = Image.new(
        "RGB", (2 * width, max(sum(one.height for one in column) for column in columns)), "white"
    )
    for i, column in enumerate(columns):
        top = 0
        for one in column:
            sheet.paste(one, (i * width, top))
            top += one.height
    return sheet


def main() -> None:
    """Print the table and write the sheets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    models = arguments.model or ["undim"]
    enhancers = {Path(model).stem: Enhancer(model) for model in models}
    if len({"input", *enhancers}) <= len(models):
        parser.error("two models share a name, or one is called input; rename the file")
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
    sheets = []
    print(
        "| picture | model | mean | at 255 | 250 and above | colour shift |\n"
        "|---|---|---|---|---|---|"
    )
    for file in find_pictures(arguments.data):
        original = decode(file).pixels
        results = {"input": original} | {
            name: enhancer(original) for name, enhancer in enhancers.items()
        }
        for name, image in results.items():
            print(f"| {file.stem} | {name} | {facts(image, original)} |")
        if arguments.output:
            sheets.append(side_by_side(list(results.values())))
            sheets[-1].save(arguments.output / f"{file.stem}.png")
    if sheets:
        contact_sheet(sheets).save(arguments.output / "all.jpg", quality=85)


if __name__ == "__main__":
    main()
