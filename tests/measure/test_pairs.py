"""Pairs are found by name or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from undim.errors import DataError
from undim.measure.pairs import find_items


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_convention_pairs_are_matched_by_stem_not_by_order(tmp_path: Path) -> None:
    touch(tmp_path / "low", "10.png", "2.png", "1.webp")
    touch(tmp_path / "high", "1.jpg", "10.jpg", "2.jpg")
    items = find_items(tmp_path)
    assert [(item.input.name, item.reference.name) for item in items if item.reference] == [
        ("1.webp", "1.jpg"),
        ("2.png", "2.jpg"),
        ("10.png", "10.jpg"),
    ]


def test_missing_partners_are_named(tmp_path: Path) -> None:
    low = touch(tmp_path / "low", "a.png", "b.png", "c.png")
    high = touch(tmp_path / "high", "a.png", "d.png")
    with pytest.raises(DataError, match="3 pictures") as caught:
        find_items(tmp_path)
    for path in (low / "b.png", low / "c.png", high / "d.png"):
        assert str(path) in str(caught.value)


def test_many_missing_partners_are_counted(tmp_path: Path) -> None:
    touch(tmp_path / "low", "a.png", *(f"{i}.png" for i in range(30)))
    touch(tmp_path / "high", "a.png")
    with pytest.raises(DataError, match="and 20 more"):
        find_items(tmp_path)


def test_references_may_lie_elsewhere(tmp_path: Path) -> None:
    low, high = touch(tmp_path / "x", "a.png", "notes.txt"), touch(tmp_path / "y", "a.jpg")
    [item] = find_items(low, high)
    assert (item.name, item.input, item.reference) == ("a.png", low / "a.png", high / "a.jpg")


def test_a_folder_of_pictures_is_unpaired(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a.png", "notes.txt")
    assert [(item.name, item.reference) for item in find_items(tmp_path)] == [
        ("a.png", None),
        ("b.JPG", None),
    ]


def test_two_pictures_of_one_stem_cannot_be_paired(tmp_path: Path) -> None:
    touch(tmp_path / "low", "a.png", "a.jpg")
    touch(tmp_path / "high", "a.png")
    with pytest.raises(DataError, match="share a name"):
        find_items(tmp_path)


def test_folders_that_are_no_data_set_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        find_items(tmp_path / "absent")
    with pytest.raises(DataError, match="holds no pictures"):
        find_items(tmp_path)
    touch(tmp_path / "eval15" / "low", "a.png")
    with pytest.raises(DataError, match="holds the sets eval15: name one"):
        find_items(tmp_path)
    with pytest.raises(DataError, match="holds low/ alone"):
        find_items(tmp_path / "eval15")
