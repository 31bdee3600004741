"""A folder of photographs: jobs side by side against one at a time, timed in turn.

Run: python benchmarks/folder.py [--photos 200] [--megapixels 2] [--jobs CORES+1] [--rounds 3]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from undim import folders
from undim.benchmark import best_in_turn, dim_scene
from undim.enhancer import Enhancer
from undim.images import encode, from_array, write_atomically
from undim.measure.provenance import provenance
from undim.pixels.kernel import thread_count


def write_photos(folder: Path, count: int, megapixels: float) -> None:
    """JPEGs of dim, noisy scenes; each is another crop, so that no two are alike."""
    scene = dim_scene(megapixels)
    for index in range(count):
        data = encode(from_array(scene[index % 64 :, index % 61 :]), "jpeg", 92)
        write_atomically(folder / f"{index:04}.jpg", data)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--photos", type=int, default=200)
    arguments.add_argument("--megapixels", type=float, default=2)
    arguments.add_argument("--jobs", type=int, default=thread_count(None) + 1)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    enhancer = Enhancer()
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name, "in"), Path(name, "out")
        write_photos(source, given.photos, given.megapixels)

        def enhance(jobs: int) -> None:
            report = folders.run([source], target, enhancer, jobs=jobs)
            assert len(report.of("done")) == given.photos, report.to_json()
            shutil.rmtree(target)

        enhance(given.jobs)
        seconds = best_in_turn(
            given.rounds, one=lambda: enhance(1), many=lambda: enhance(given.jobs)
        )
    print(
        f"{provenance()['machine']}: {given.photos} photographs of {given.megapixels:g} megapixels"
    )
    print(f"  one at a time {given.photos / seconds['one']:6.1f} images/s")
    print(f"  {given.jobs} at a time   {given.photos / seconds['many']:6.1f} images/s")
    print(f"  ratio {seconds['one'] / seconds['many']:.2f}")


if __name__ == "__main__":
    main()
