"""How many stops a camera's dark pictures lie below clean photographs.

That is `darkening.stops` for a recipe that knows the camera.

    D=../shared/data
    python scripts/stops.py --dark $D/lol-v1/our485-256/low --clean $D/cc0/bright $D/kodak24

With m the log2 of a picture's mean linear light, mean(m clean) - mean(m dark) stops are missing on
average, with the variance that is left of the dark pictures' once the scenes' own is taken off; the
range is uniform with that mean and variance. Only the dark pictures are looked at, no references of
theirs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from undim.training.data.darkening import srgb_to_linear
from undim.training.data.pictures import find_pictures
from undim.training.objectives.exposure import scene_crops

DARKEST = 1e-5  # of full light: what is darker counts as this


def log_light(folders: list[Path], crops: int) -> Tensor:
    """log2 of the mean linear light of every crop of the pictures in the folders."""
    files = [file for folder in folders for file in find_pictures(folder, ".")]
    crop = scene_crops(files, crops, seed=0).float() / 255
    return torch.log2(srgb_to_linear(crop).mean((1, 2, 3)) + DARKEST)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dark", type=Path, nargs="+", required=True)
    parser.add_argument("--clean", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    dark, clean = log_light(given.dark, 1), log_light(given.clean, 64)
    missing = float(clean.mean() - dark.mean())
    spread = max(float(dark.var() - clean.var()), 0) ** 0.5
    for name, light in (("clean", clean), ("dark", dark)):
        print(
            f"{name}: {len(light)} pictures or crops, log2 of light {light.mean():.2f}, "
            f"deviation {light.std():.2f}"
        )
    print(f"{missing:.2f} stops on average, deviation {spread:.2f}: stops = ", end="")
    print([round(missing + side * 3**0.5 * spread, 1) for side in (-1, 1)])


if __name__ == "__main__":
    main()
