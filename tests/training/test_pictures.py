"""Pictures for training: what is found, what is cached, and what an epoch draws."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from undim.errors import DataError
from undim.training.config import Recipe, recipe_from
from undim.training.data import pictures
from undim.training.data.pictures import ImageCache, batches, find_pictures

RECIPE = {
    "name": "t",
    "description": "",
    "training_data": "",
    "licence": "",
    "image_size": 32,
    "batch": 4,
    "losses": {"exposure_paper": 1},
}


def recipe(**changes: object) -> Recipe:
    return recipe_from({**RECIPE, **changes})


def write_pictures(folder: Path, names: list[str], size: tuple[int, int] = (24, 20)) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for name in names:
        Image.fromarray(random.integers(0, 80, (size[1], size[0], 3), dtype=np.uint8)).save(
            folder / name
        )
    return [folder / name for name in names]


def cache_of(count: int, size: int = 32) -> ImageCache:
    """Pictures that no flip or turn leaves as they are."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return ImageCache(pixels, tuple(f"{i}.png" for i in range(count)), "")


def test_a_folder_is_searched_in_natural_order_whatever_lies_beside(tmp_path: Path) -> None:
    write_pictures(tmp_path, ["10.png", "2.png", "1.jpg", ".hidden.png"])
    write_pictures(tmp_path / "deeper", ["3.webp"])
    (tmp_path / "notes.txt").write_text("no picture")
    found = [p.relative_to(tmp_path).as_posix() for p in find_pictures(tmp_path)]
    assert found == ["1.jpg", "2.png", "10.png", "deeper/3.webp"]


@pytest.mark.parametrize("layout", ["low", "our485/low"])
def test_lol_is_found_from_its_root_and_from_our485(layout: str, tmp_path: Path) -> None:
    write_pictures(tmp_path / layout, ["2.png", "12.png"])
    write_pictures(tmp_path / layout.replace("low", "high"), ["2.png", "12.png"])
    write_pictures(tmp_path / "eval15" / "low", ["1.png"])
    assert find_pictures(tmp_path, "low") == [
        tmp_path / layout / "2.png",
        tmp_path / layout / "12.png",
    ]


def test_folders_that_hold_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent is not a folder; give --data"):
        find_pictures(tmp_path / "absent", "low")
    with pytest.raises(DataError, match="holds no pictures"):
        find_pictures(tmp_path)
    write_pictures(tmp_path, ["1.png"])
    with pytest.raises(DataError, match=r"holds no folder low/.*--set folder=\."):
        find_pictures(tmp_path, "low")


def test_the_cache_holds_the_pictures(tmp_path: Path) -> None:
    files = write_pictures(tmp_path / "in", ["1.png", "2.png"])
    cache = ImageCache.open(files, size=16, cache_dir=tmp_path / "cache")
    assert cache.pixels.shape == (2, 16, 16, 3)
    assert cache.pixels.dtype == np.uint8
    assert isinstance(cache.pixels, np.memmap)
    assert cache.names == ("1.png", "2.png")
    for file, pixels in zip(files, cache.pixels, strict=True):
        expected = np.asarray(Image.open(file).resize((16, 16), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(pixels, expected)


def test_a_picture_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_pictures(tmp_path / "in", ["1.png", "2.png"])
    monkeypatch.setenv("UNDIM_CACHE", str(tmp_path / "cache"))
    first = ImageCache.open(files, size=16)
    monkeypatch.setattr(pictures, "decode", lambda path: pytest.fail("decoded again"))
    second = ImageCache.open(files, size=16)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.fingerprint == second.fingerprint
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_cache_follows_content_name_and_size(tmp_path: Path) -> None:
    files = write_pictures(tmp_path / "in", ["1.png", "2.png"])

    def fingerprint(size: int = 16) -> str:
        return ImageCache.open(files, size=size, cache_dir=tmp_path / "cache").fingerprint

    first = fingerprint()
    os.utime(files[0], (0, 0))
    assert fingerprint() == first
    assert fingerprint(size=17) != first
    files[0] = files[0].rename(tmp_path / "in" / "0.png")
    renamed = fingerprint()
    assert renamed != first
    before = files[0].read_bytes()
    write_pictures(tmp_path / "in", ["0.png"], size=(25, 20))
    assert before != files[0].read_bytes()
    assert fingerprint() not in (first, renamed)
    files.reverse()
    assert fingerprint() != first


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_picture_becomes_8_bit_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    if mode == "I;16":
        Image.fromarray(np.full((8, 8), 257 * 100, np.uint16)).save(path)
    else:
        Image.new("L", (8, 8), 100).convert(mode).save(path)
    pixels = ImageCache.open([path], size=4, cache_dir=tmp_path / "c").pixels
    assert (np.abs(pixels.astype(int) - 100) <= 3).all(), pixels[0, 0, 0]


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    path, exif = tmp_path / "a.jpg", Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32] = 255
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    upright = ImageCache.open([path], size=64, cache_dir=tmp_path / "c").pixels[0]
    assert upright[:24].min() > 240
    assert upright[40:].max() < 15


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_a_damaged_picture_is_named_and_leaves_no_cache(damage: str, tmp_path: Path) -> None:
    files = write_pictures(tmp_path / "in", ["1.png", "2.png"])
    whole = files[1].read_bytes()
    files[1].write_bytes(
        {"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"not a picture"}[damage]
    )
    with pytest.raises(DataError, match=re.escape(str(files[1])) + ".*remove or replace"):
        ImageCache.open(files, size=16, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def drawn(
    cache: ImageCache, recipe: Recipe, epoch: int | None, **ranks: int
) -> tuple[list[np.ndarray], list[str]]:
    found = list(batches(cache, np.arange(len(cache.names)), recipe, epoch=epoch, **ranks))
    return [b.low for b in found], [name for b in found for name in b.names]


def test_without_an_epoch_pictures_come_in_order_and_untouched() -> None:
    cache = cache_of(6)
    low, names = drawn(cache, recipe(flip=True, rotate=True, exposure_jitter=1.0), None)
    assert names == list(cache.names)
    assert [len(b) for b in low] == [4, 2]
    np.testing.assert_array_equal(np.concatenate(low), cache.pixels / np.float32(255))
    assert low[0].dtype == np.float32


ALL = {"flip": True, "rotate": True, "crop": 24, "exposure_jitter": 0.5}


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    cache = cache_of(10)
    first, names = drawn(cache, recipe(**ALL), 3)
    again, same = drawn(cache, recipe(**ALL), 3)
    assert names == same
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert sorted(names) == sorted(cache.names)
    for other in (drawn(cache, recipe(**ALL), 4), drawn(cache, recipe(**ALL, seed=1), 3)):
        assert other[1] != names


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 11),
    batch=st.integers(1, 5),
    world=st.integers(1, 4),
    epoch=st.none() | st.integers(0, 3),
)
def test_ranks_share_what_one_process_would_draw(
    count: int, batch: int, world: int, epoch: int | None
) -> None:
    cache, chosen = (
        cache_of(count, size=16),
        recipe(image_size=16, batch=batch, flip=True, exposure_jitter=0.5),
    )
    whole = list(batches(cache, np.arange(count), chosen, epoch=epoch))
    parts = [
        list(batches(cache, np.arange(count), chosen, epoch=epoch, rank=r, world=world))
        for r in range(world)
    ]
    assert {len(p) for p in parts} == {len(whole)}
    for step, expected in enumerate(whole):
        for rank in range(world):
            np.testing.assert_array_equal(parts[rank][step].low, expected.low[rank::world])
            assert parts[rank][step].names == expected.names[rank::world]


def test_flips_and_turns_move_pixels_and_change_none() -> None:
    cache = cache_of(100, size=16)
    low, names = drawn(cache, recipe(image_size=16, flip=True, rotate=True), 0)
    kinds = set()
    for picture, name in zip(np.concatenate(low), names, strict=True):
        source = cache.pixels[int(Path(name).stem)] / np.float32(255)
        views = {
            (f, k): np.rot90(source[:, ::-1] if f else source, k) for f in (0, 1) for k in range(4)
        }
        matching = [kind for kind, view in views.items() if np.array_equal(view, picture)]
        assert len(matching) == 1
        kinds |= set(matching)
    assert len(kinds) == 8


def test_crops_are_windows_of_the_picture() -> None:
    cache = cache_of(20)
    low, names = drawn(cache, recipe(crop=30), 0)
    places = set()
    for picture, name in zip(np.concatenate(low), names, strict=True):
        source = cache.pixels[int(Path(name).stem)] / np.float32(255)
        assert picture.shape == (30, 30, 3)
        found = [
            (y, x)
            for y in range(3)
            for x in range(3)
            if np.array_equal(source[y : y + 30, x : x + 30], picture)
        ]
        assert len(found) == 1
        places |= set(found)
    assert len(places) > 4


def test_exposure_jitter_is_one_factor_a_picture() -> None:
    cache = ImageCache(np.full((200, 16, 16, 3), 100, np.uint8), tuple("x" * 200), "")
    low, _ = drawn(cache, recipe(image_size=16, exposure_jitter=0.5), 0)
    stops = np.log2(np.concatenate(low) / np.float32(100 / 255))
    assert np.ptp(stops, axis=(1, 2, 3)).max() < 1e-5
    factors = stops[:, 0, 0, 0]
    assert -0.5 <= factors.min() < -0.45
    assert 0.45 < factors.max() <= 0.5
    bright, _ = drawn(cache_of(20), recipe(exposure_jitter=3.0), 0)
    assert max(float(b.max()) for b in bright) == 1.0
