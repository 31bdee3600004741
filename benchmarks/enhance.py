"""The photo path against its promises.

Run: python benchmarks/enhance.py [--megapixels 12] [--memory 100]

- an array: thumbnail, network and curve, against the same DCE-Net run eagerly in fp32 at full
  resolution in PyTorch, which is what the published code does; here in strips of at most 2
  megapixels, which suits the caches better and does not need the 16 GB that 12 megapixels in one
  piece take;
- a JPEG: `undim enhance` as a whole process, against Pillow decoding and encoding the same file;
- the peak memory of a process that enhances one large JPEG.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from undim.benchmark import (
    best_in_turn,
    dim_scene,
    peak_memory,
    process_and_pillow,
    stages,
    write_photo,
)
from undim.enhancer import Enhancer
from undim.measure.provenance import provenance
from undim.training.export import export_onnx
from undim.training.nets.dce import DCENet

METADATA = {
    "name": "DCE-Net with random weights",
    "model": "DCENet",
    "iterations": "8",
    "maps_size": "256",
    "parameters": "79416",
    **dict.fromkeys(("version", "recipe", "training_data", "licence", "recipe_sha256"), "none"),
}


def against_eager(folder: Path, megapixels: float, rounds: int) -> dict[str, float]:
    """Seconds of undim's way with DCE-Net, and of the published way: all pixels through the net."""
    net = DCENet().eval()
    export_onnx(net, folder / "net.onnx", METADATA)
    enhancer = Enhancer(folder / "net.onnx")
    scene = dim_scene(megapixels)

    def eager(image: torch.Tensor) -> None:
        for strip in image.split(max(1, 2_000_000 // image.shape[1])):
            x = strip.permute(2, 0, 1)[None].float() / 255
            for a in net(x).split(3, dim=1):
                x = x + a * x * (1 - x)
            (255 * x[0].permute(1, 2, 0)).round().byte()

    with torch.inference_mode():
        image = torch.from_numpy(scene)
        eager(image[:64])
        enhancer(scene, denoise="off")
        return best_in_turn(
            rounds, undim=lambda: enhancer(scene, denoise="off"), eager=lambda: eager(image)
        )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megapixels", type=float, default=12)
    arguments.add_argument("--memory", type=float, default=100, metavar="MEGAPIXELS")
    arguments.add_argument(
        "--rounds", type=int, default=3, help="of the eager network, which takes its time"
    )
    given = arguments.parse_args()
    print(f"{provenance()['machine']}, {torch.get_num_threads()} threads\n")

    with tempfile.TemporaryDirectory() as folder:
        seconds = stages(Enhancer(), given.megapixels)
        print(f"array of {given.megapixels:g} megapixels, default model")
        for name, value in seconds.items():
            print(f"  {name:<10} {1000 * value:7.1f} ms")
        seconds = against_eager(Path(folder), given.megapixels, given.rounds)
        print(
            f"  with DCE-Net {1000 * seconds['undim']:.1f} ms; the same net eagerly at full "
            "resolution"
        )
        print(
            f"  {seconds['eager']:.1f} s, {seconds['eager'] / seconds['undim']:.0f} times as long\n"
        )

        photo = write_photo(Path(folder) / "photo.jpg", given.megapixels)
        seconds = process_and_pillow(photo, rounds=9)
        print(
            f"JPEG of {given.megapixels:g} megapixels and {photo.stat().st_size / 1e6:.1f} MB, "
            "file to file"
        )
        undim, pillow, script = (
            seconds[name] for name in ("undim_process", "pillow", "pillow_process")
        )
        written = seconds["undim_written"]
        print(
            f"  the whole process of undim enhance {undim:.2f} s, its file written after "
            f"{written:.2f} s"
        )
        print(
            f"  Pillow alone, in a warm process {pillow:.2f} s, ratio until written "
            f"{written / pillow:.2f}"
        )
        print(
            f"  Pillow decoding and encoding, a process of its own {script:.2f} s, ratio "
            f"{undim / script:.2f}\n"
        )

        photo = write_photo(Path(folder) / "large.jpg", given.memory)
        decoded, peak = dim_scene(given.memory).nbytes, peak_memory(photo)
        print(f"peak memory of a {given.memory:g}-megapixel JPEG")
        allowed = (3.5 * decoded + 150e6) / 1e6
        print(f"  {peak / 1e6:.0f} MB; 3.5 times its decoded size + 150 MB are {allowed:.0f} MB")


if __name__ == "__main__":
    main()
