"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SOURCE = Path(__file__).resolve().parents[1] / "src"
MODULES = [
    path.relative_to(SOURCE).with_suffix("").as_posix().removesuffix("/__init__").replace("/", ".")
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text("utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with a photograph, night.jpg, and one pair of pictures, lol-v1/eval15."""
    shutil.copy(SOURCE.parent / "assets" / "night-coffee.jpg", tmp_path / "night.jpg")
    for kind, level in ("low", 20), ("high", 120):
        folder = tmp_path / "lol-v1" / "eval15" / kind
        folder.mkdir(parents=True)
        Image.fromarray(np.full((48, 64, 3), level, np.uint8)).save(folder / "1.png")
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed
