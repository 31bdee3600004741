"""Pictures for training: found, decoded once into a memory-mapped cache, augmented and served in batches.

A picture is RGB, uint8.  The cache is one flat file of all pictures at the recipe's size; its key is the content
of every file and that size, so a changed file makes a new cache and an unchanged folder is never decoded twice.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from undim.errors import DataError
from undim.training.config import Recipe

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def numeric_order(path: Path) -> tuple[tuple[int, str], ...]:
    """Sort key that puts 2.png before 10.png."""
    return tuple((int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", path.stem))


def list_images(folder: str | Path) -> list[Path]:
    """Every picture below `folder`, in numeric order of file name within its folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give --data a folder of pictures")
    found = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    if not found:
        raise DataError(f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return sorted(found, key=lambda p: (p.parent, numeric_order(p)))


@dataclass(frozen=True)
class ImageCache:
    """All pictures of a run at one size: `pixels` (N, size, size, 3) uint8, memory-mapped, and their file names."""

    pixels: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    fingerprint: str

    @classmethod
    def open(cls, files: Sequence[Path], *, size: int, cache_dir: Path | None = None) -> ImageCache:
        """Map the cache of these files at size x size (Pillow's antialiased bilinear resize), making it if absent."""
        digest = hashlib.sha256(f"{size} bilinear".encode())
        for file in files:
            digest.update(file.name.encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        folder = cache_dir or Path(os.environ.get("UNDIM_CACHE", Path.home() / ".cache" / "undim"))
        store = folder / f"{digest.hexdigest()[:32]}.u8"
        shape = (len(files), size, size, 3)
        if not store.is_file():
            _decode_all(files, shape, store)
        pixels = np.memmap(store, dtype=np.uint8, mode="r", shape=shape)
        return cls(pixels, tuple(file.name for file in files), digest.hexdigest())


def _decode_all(files: Sequence[Path], shape: tuple[int, int, int, int], store: Path) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=store.parent, prefix=f".{store.name}.")
    os.close(handle)
    try:
        pixels = np.memmap(temporary, dtype=np.uint8, mode="w+", shape=shape)

        def decode(index: int) -> None:
            try:
                with Image.open(files[index]) as image:
                    pixels[index] = np.asarray(
                        image.convert("RGB").resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
                    )
            except (UnidentifiedImageError, OSError) as error:
                raise DataError(
                    f"cannot read {files[index]} as a picture ({error}); remove or replace it"
                ) from error

        with ThreadPoolExecutor() as pool:
            list(pool.map(decode, range(len(files))))
        pixels.flush()
        Path(temporary).replace(store)
    finally:
        Path(temporary).unlink(missing_ok=True)


@dataclass(frozen=True)
class Batch:
    """`low` (B, H, W, 3) float32 in [0, 1] and the file each picture came from."""

    low: npt.NDArray[np.float32]
    names: tuple[str, ...]


def batches(
    cache: ImageCache,
    indices: Sequence[int],
    recipe: Recipe,
    *,
    epoch: int | None = None,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Batch]:
    """One pass over `indices`: shuffled and augmented where `epoch` is given, in order and untouched where not.

    What an epoch draws depends on the recipe's seed and the epoch's number alone, so that a resumed run sees
    what an unbroken one would.  Of `world` processes each takes every world-th picture of every batch.
    """
    random = None if epoch is None else np.random.default_rng([recipe.seed, epoch])
    order = np.asarray(indices) if random is None else random.permutation(np.asarray(indices))
    for start in range(0, len(order), recipe.batch):
        chosen = order[start : start + recipe.batch]
        # every process draws for the whole batch, so that the split does not change what is drawn
        pictures = [cache.pixels[i] for i in chosen]
        if random is not None:
            pictures = [_augment(picture, recipe, random) for picture in pictures]
        mine = slice(rank, None, world)
        low = np.stack([np.asarray(p, np.float32) for p in pictures])[mine] / np.float32(255)
        if random is not None and recipe.exposure_jitter:
            stops = random.uniform(-recipe.exposure_jitter, recipe.exposure_jitter, (len(chosen), 1, 1, 1))
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
        picture = np.rot90(picture, random.integers(4))
    return picture
