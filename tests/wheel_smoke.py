"""What an installed undim must be able to do: run it with that Python.

It needs nothing but NumPy beside it.

Prints nothing but "native" or "numpy", whichever does the work.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from undim.pixels import reference
from undim.pixels.curve import apply_curves
from undim.pixels.filter import guided_filter
from undim.pixels.jobs import NO_FILTER, Curve
from undim.pixels.kernel import kernel


def main() -> None:
    package = files("undim")
    for name in ("model/weights/undim.onnx", "web/index.html"):
        assert package.joinpath(name).is_file(), f"{name} is not in the package"
    assert not package.joinpath("pixels/native").is_dir(), "the C++ sources are in the package"

    image = np.arange(96 * 128 * 3, dtype=np.uint32).reshape(96, 128, 3).astype(np.uint8)
    maps = np.linspace(-1, 1, 24 * 6, dtype=np.float32).reshape(24, 2, 3)
    wanted = np.empty_like(image)
    reference.enhance(image, wanted, Curve.of(maps), NO_FILTER, 1)
    difference = apply_curves(image, maps).astype(int) - wanted
    assert np.abs(difference).max() <= 1
    assert guided_filter(image).shape == image.shape
    print("numpy" if kernel() is reference else "native")


if __name__ == "__main__":
    main()
