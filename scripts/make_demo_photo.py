"""Make assets/night-coffee.jpg, the dark photograph of `make demo`, from a public-domain picture.

The picture is `skimage.data.coffee()`, CC0 by its photographer Rachel Michetti, in scikit-image's
wheel. It is darkened as a camera would have seen the scene in a thirtieth of the light, in linear
light:

    electrons = Poisson(FULL_WELL * EXPOSURE * linear) + Normal(0, READ_NOISE)

and then goes through sRGB's tone curve, 8 bits and JPEG. Run: python scripts/make_demo_photo.py
[OUT.jpg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EXPOSURE = 0.03
FULL_WELL = 12_000  # electrons at white: a small sensor
READ_NOISE = 4.0  # electrons, standard deviation
ASSET = Path(__file__).resolve().parents[1] / "assets" / "night-coffee.jpg"


def to_linear(srgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """IEC 61966-2-1, [0, 1] to [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `to_linear`."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def darken(picture: NDArray[np.uint8], seed: int = 0) -> NDArray[np.uint8]:
    """The picture as a camera would have taken it with EXPOSURE times the light."""
    rng = np.random.default_rng(seed)
    electrons = rng.poisson(FULL_WELL * EXPOSURE * to_linear(picture / 255.0)).astype(np.float64)
    electrons += rng.normal(0, READ_NOISE, picture.shape)
    return np.rint(255 * to_srgb(np.clip(electrons / FULL_WELL, 0, 1))).astype(np.uint8)


def main(path: Path) -> None:
    from skimage.data import coffee

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(darken(coffee())).save(path, quality=93, subsampling=0)
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ASSET)
