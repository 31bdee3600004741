"""Write the validation set: 128 dark captures of clean photographs, and the photographs.

    python benchmarks/darkened.py --data ../shared/data -o /tmp/darkened
    undim evaluate --data /tmp/darkened

Each of the CC0 and Kodak photographs and five of scikit-image's is darkened twice, by 2 to 3.5 and
by 3.5 to 5 stops (or once for every `--stops LOW HIGH`), at a long side of 384 px
(`undim.training.data.darkening`, docs/lab/validation.md).
Seeded: the set is the same everywhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from undim.training.data.darkening import Darkening, darken

SCIKIT_IMAGE = ("coffee.png", "astronaut.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")


def photographs(data: Path) -> list[Path]:
    """The clean photographs, in the order that the seed belongs to."""
    carried = Path(skimage.__file__).parent / "data"
    folders = [sorted((data / folder).glob("*")) for folder in ("cc0/bright", "kodak24")]
    return [*folders[0], *folders[1], *(carried / name for name in SCIKIT_IMAGE)]


def read(path: Path) -> Tensor:
    """One photograph as (1, 3, h, w) in [0, 1], its long side 384 px."""
    photo = Image.open(path).convert("RGB")
    scale = 640 / max(photo.size)
    if scale < 1:
        photo = photo.resize(
            (round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS
        )
    pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255
    scale = 384 / max(photo.size)
    size = (round(photo.height * scale), round(photo.width * scale))
    return interpolate(pixels, size=size, mode="bilinear", antialias=True).clamp(0, 1)


def write(image: Tensor, path: Path) -> None:
    """Save (1, 3, h, w) in [0, 1] as an 8-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image[0].permute(1, 2, 0) * 255).round().byte().numpy()).save(path)


def main() -> None:
    """Write low/ and high/, pairs by name."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--stops", type=float, nargs=2, action="append", metavar=("LOW", "HIGH"))
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(2024)
    for photo in photographs(arguments.data):
        clean = read(photo)
        for low, high in arguments.stops or ((2.0, 3.5), (3.5, 5.0)):
            dark, _ = darken(clean, Darkening(stops=(low, high)), generator)
            name = f"{photo.parent.name}-{photo.stem}-{low:g}-{high:g}.png"
            write(dark, arguments.output / "low" / name)
            write(clean, arguments.output / "high" / name)


if __name__ == "__main__":
    main()
