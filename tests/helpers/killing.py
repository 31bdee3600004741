"""A batch that is killed with SIGKILL again and again.

`python killing.py FOLDER KILLS SEED` prints what it saw.

One process forks a batch, kills it at a random moment, looks at every file under its final name,
and goes on where the killed batch was cut off, until all is done; then it begins anew.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

from undim import folders, images
from undim.folders.manifest import NAME
from undim.images.atomic import TEMPORARY_PREFIX

PHOTOS = 10


def invert(pixels: np.ndarray) -> np.ndarray:
    return np.subtract(255, pixels)


def make_photos(folder: Path) -> dict[str, bytes]:
    """Photographs in `folder`, and what their outputs must be, byte for byte."""
    expected = {}
    for index in range(PHOTOS):
        name = f"{'below/' if index % 2 else ''}{index}.{('jpg', 'png')[index % 3 == 0]}"
        pixels = np.random.default_rng(index).integers(0, 256, (90, 120, 3), np.uint8)
        images.write_atomically(folder / name, images.encode(images.from_array(pixels), name[-3:]))
        picture = images.decode(folder / name)
        expected[name] = images.encode(picture.with_pixels(invert(picture.pixels)))
    return expected


def batch(source: Path, target: Path) -> folders.BatchReport:
    return folders.run(
        [source], target, invert, folders.Options(resume=True), recursive=True, jobs=2
    )


def partial_files(target: Path, expected: dict[str, bytes]) -> list[str]:
    """Files under a final name that are not what they must be."""
    files = (path for path in target.rglob("*") if path.is_file())
    return [
        str(path)
        for path in files
        if path.name != NAME
        and not path.name.startswith(TEMPORARY_PREFIX)
        and path.read_bytes() != expected.get(path.relative_to(target).as_posix())
    ]


def main(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    source, target = folder / "in", folder / "out"
    expected = make_photos(source)
    seen = {"killed": 0, "finished": 0, "leftovers": 0, "redone": 0, "partial": []}
    duration = 0.1
    while seen["killed"] < kills:
        begin = time.perf_counter()
        child = os.fork()
        if child == 0:
            batch(source, target)
            os._exit(0)
        time.sleep(chance.uniform(0, duration))
        os.kill(child, signal.SIGKILL)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
            seen["killed"] += 1
        else:
            seen["finished"] += 1
            duration = 1.2 * (time.perf_counter() - begin)
        seen["partial"] += partial_files(target, expected)
        leftovers = len(list(target.rglob(f"{TEMPORARY_PREFIX}*.tmp")))
        seen["leftovers"] += leftovers
        done = [name for name in expected if (target / name).exists()]
        if leftovers == 0 and len(done) == PHOTOS:
            times = {name: (target / name).stat().st_mtime_ns for name in expected}
            report = batch(source, target)
            seen["redone"] += sum(
                (target / name).stat().st_mtime_ns != times[name] for name in expected
            )
            assert len(report.of("skipped")) == PHOTOS, report.to_json()
            shutil.rmtree(target)
    report = batch(source, target)
    seen["complete"] = not report.failed and all(
        (target / n).read_bytes() == expected[n] for n in expected
    )
    seen["swept"] = not list(target.rglob(f"{TEMPORARY_PREFIX}*.tmp"))
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
