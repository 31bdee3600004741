"""The photo path against its promises. Run: python benchmarks/enhance.py [--megapixels 12] [--memory 100]

- an array: thumbnail, network and curve, against DCE-Net run eagerly in fp32 at full resolution in PyTorch,
  which is what the published code does (8 GB of memory for 12 megapixels);
- a JPEG: `undim enhance` as a whole process, against Pillow decoding and encoding the same file;
- the peak memory of a process that enhances one large JPEG.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from undim.benchmark import best_in_turn, dim_scene, peak_memory, process_and_pillow, stages, write_photo
from undim.enhancer import Enhancer
from undim.provenance import provenance
from undim.training.models import DCENet


def eager_dce_net(megapixels: float) -> float:
    """Seconds of the published way: the network at full resolution, then eight curve steps on the whole image."""
    image = torch.from_numpy(dim_scene(megapixels)).permute(2, 0, 1)[None]
    net = DCENet().eval()

    def enhance() -> None:
        with torch.inference_mode():
            x = image.float() / 255
            for a in net(x).split(3, dim=1):
                x = x + a * x * (1 - x)

    return best_in_turn(1, eager=enhance)["eager"]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megapixels", type=float, default=12)
    arguments.add_argument("--memory", type=float, default=100, metavar="MEGAPIXELS")
    given = arguments.parse_args()
    print(f"{provenance()['machine']}, {torch.get_num_threads()} threads\n")

    seconds = stages(Enhancer(), given.megapixels)
    print(f"array of {given.megapixels:g} megapixels")
    for name, value in seconds.items():
        print(f"  {name:<10} {1000 * value:7.1f} ms")
    eager = eager_dce_net(given.megapixels)
    print(f"  eager DCE-Net at full resolution {eager:.1f} s: {eager / seconds['whole']:.0f} times slower\n")

    with tempfile.TemporaryDirectory() as folder:
        photo = write_photo(Path(folder) / "photo.jpg", given.megapixels)
        seconds = process_and_pillow(photo)
        print(f"JPEG of {given.megapixels:g} megapixels, file to file")
        print(f"  undim enhance, the whole process {seconds['undim']:.2f} s, Pillow alone {seconds['pillow']:.2f} s,")
        print(f"  ratio {seconds['undim'] / seconds['pillow']:.2f}\n")
        photo = write_photo(Path(folder) / "large.jpg", given.memory)
        decoded, peak = dim_scene(given.memory).nbytes, peak_memory(photo)
        print(f"peak memory of a {given.memory:g}-megapixel JPEG")
        print(f"  {peak / 1e6:.0f} MB, {(peak - 150e6) / decoded:.2f} times its decoded size plus 150 MB")


if __name__ == "__main__":
    main()
