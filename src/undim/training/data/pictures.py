"""Pictures for training: found, decoded once into a cache, augmented and served in batches.

A picture is RGB, uint8.  The cache is one flat file of all pictures at the recipe's size; its key
is the content of every file and that size, so a changed file makes a new cache and an unchanged
folder is never decoded twice.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from undim.errors import DataError, InputError
from undim.images import EXTENSIONS, decode
from undim.measure.pairs import natural_order
from undim.training.config import Recipe

Pixels = npt.NDArray[np.uint8]


def find_pictures(data: str | Path, folder: str = ".") -> list[Path]:
    """Every picture below `data/folder`, in natural order (2 before 10) within its folder.

    Where `data` is LOL's root, `data/our485/folder` stands for `data/folder`.
    """
    data = Path(data)
    root = next((p for p in (data / folder, data / "our485" / folder) if p.is_dir()), None)
    if root is None and data.is_dir():
        raise DataError(
            f"{data} holds no folder {folder}/; give --data the folder that does (LOL's our485, "
            "or its root), or train on the pictures of a plain folder with --set folder=."
        )
    if root is None:
        raise DataError(f"{data} is not a folder; give --data a folder of pictures")
    found = [
        p for p in root.rglob("*") if p.suffix.lower() in EXTENSIONS and not p.name.startswith(".")
    ]
    if not found:
        raise DataError(f"{root} holds no pictures ({', '.join(EXTENSIONS)})")
    return sorted(found, key=lambda p: (p.parent, natural_order(p)))


@dataclass(frozen=True)
class ImageCache:
    """All pictures of a run at one size, and their file names.

    `pixels` is (N, size, size, 3) uint8, memory-mapped.
    """

    pixels: Pixels
    names: tuple[str, ...]
    fingerprint: str

    @classmethod
    def open(cls, files: Sequence[Path], *, size: int, cache_dir: Path | None = None) -> ImageCache:
        """Map the cache of these files at size x size, making it if absent.

        Pillow's antialiased bilinear filter resizes them.

        It lies in `cache_dir`, by default the folder that UNDIM_CACHE names, or ~/.cache/undim.
        """
        digest = hashlib.sha256(f"{size} bilinear".encode())
        for file in files:
            digest.update(file.name.encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        folder = cache_dir or Path(os.environ.get("UNDIM_CACHE", Path.home() / ".cache" / "undim"))
        store = folder / f"{digest.hexdigest()[:32]}.u8"
        if not store.is_file():
            _decode_all(files, size, store)
        pixels = np.memmap(store, dtype=np.uint8, mode="r", shape=(len(files), size, size, 3))
        return cls(pixels, tuple(file.name for file in files), digest.hexdigest())


def _decode_all(files: Sequence[Path], size: int, store: Path) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=store.parent, prefix=f".{store.name}.", delete=False
    ) as file:
        try:
            with ThreadPoolExecutor() as pool:
                for square in pool.map(lambda path: _square(path, size), files):
                    file.write(square)
            file.close()
            Path(file.name).replace(store)
        finally:
            Path(file.name).unlink(missing_ok=True)


def _square(path: Path, size: int) -> bytes:
    return photograph(path).resize((size, size), Image.Resampling.BILINEAR).tobytes()


def photograph(path: Path) -> Image.Image:
    """A picture file, of whatever depth, in 8 bits."""
    try:
        pixels = decode(path).pixels
    except InputError as error:
        raise DataError(f"{error}; remove or replace this file") from error
    if pixels.dtype == np.uint16:
        pixels = np.round(pixels / 257).astype(np.uint8)
    elif pixels.dtype == np.float32:
        pixels = np.round(pixels * 255).astype(np.uint8)
    return Image.fromarray(pixels)


@dataclass(frozen=True)
class Batch:
    """`low` (B, H, W, 3) float32 in [0, 1] and the file each picture came from."""

    low: npt.NDArray[np.float32]
    names: tuple[str, ...]


def batches(
    cache: ImageCache,
    indices: npt.NDArray[np.intp],
    recipe: Recipe,
    *,
    epoch: int | None = None,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Batch]:
    """One pass over `indices`: shuffled and augmented by `epoch`, or in order and untouched.

    What an epoch draws depends on the recipe's seed and the epoch's number alone, so that a resumed
    run sees what an unbroken one would.  Of `world` processes each takes every world-th picture of
    every batch.
    """
    random = None if epoch is None else np.random.default_rng([recipe.seed, epoch])
    order = indices if random is None else random.permutation(indices)
    for start in range(0, len(order), recipe.batch):
        chosen = order[start : start + recipe.batch]
        # every process draws for the whole batch, so that the split does not change what is drawn
        pictures = [cache.pixels[i] for i in chosen]
        if random is not None:
            pictures = [_augment(picture, recipe, random) for picture in pictures]
        mine = slice(rank, None, world)
        low = np.stack([np.asarray(p, np.float32) for p in pictures])[mine] / np.float32(255)
        if random is not None and recipe.exposure_jitter:
            stops = random.uniform(
                -recipe.exposure_jitter, recipe.exposure_jitter, (len(chosen), 1, 1, 1)
            )
            low = np.minimum(low * np.exp2(stops[mine]).astype(np.float32), np.float32(1))
        yield Batch(low, tuple(cache.names[i] for i in chosen[mine]))


def _augment(
    picture: npt.NDArray[np.uint8], recipe: Recipe, random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    if recipe.crop:
        top, left = random.integers(0, recipe.image_size - recipe.crop + 1, 2)
        picture = picture[top : top + recipe.crop, left : left + recipe.crop]
    if recipe.flip and random.integers(2):
        picture = picture[:, ::-1]
    if recipe.rotate:
        picture = np.rot90(picture, int(random.integers(4)))
    return picture
