"""The page: whole, self-contained, and true to the numbers."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from undim.evaluation.baselines import BASELINES
from undim.evaluation.figures import scores_figure, tones_figure
from undim.evaluation.report import SHOWN, HtmlReport
from undim.evaluation.scores import Evaluation, evaluate
from undim.measure.pairs import find_items

VOID = {"meta", "img", "br"}
SOME = {name: BASELINES[name] for name in ("input", "gamma")}


class Tree(HTMLParser):
    """Checks that every element is closed by its own tag, and counts them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def count(self, tag: str, **attributes: str) -> int:
        return sum(t == tag and attributes.items() <= a.items() for t, a in self.found)


def pictures(folder: Path, names: list[str]) -> Path:
    for name in names:
        for side, factor in (("low", 0.1), ("high", 1.0)):
            (folder / side).mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(len(name)).integers(0, 256, (12, 14, 3))
            Image.fromarray((noise * factor).astype(np.uint8)).save(folder / side / name)
    return folder


def page_of(folder: Path, against: str | None = "input") -> str:
    report = HtmlReport()
    evaluation = evaluate(find_items(folder), SOME, observers=[report.watch])
    return report.html(
        evaluation, title="a < b", facts={"machine": "fast & small"}, against=against
    )


def test_the_page_is_well_formed_and_complete(tmp_path: Path) -> None:
    page = page_of(pictures(tmp_path, ["1.png", "2.png"]))
    tree = Tree(page)
    assert tree.count("section", **{"class": "card"}) == 2
    assert tree.count("img") == 2 * 3
    assert tree.count("polyline") == 2
    assert tree.count("tr", **{"data-method": "gamma"}) == 1
    assert "a &lt; b" in page
    assert "fast &amp; small" in page
    assert all(
        attrs["src"].startswith("data:image/webp;base64,")
        for tag, attrs in tree.found
        if tag == "img"
    )


def test_one_picture_is_counted_as_one(tmp_path: Path) -> None:
    assert "1 picture with references, 2 methods" in page_of(pictures(tmp_path, ["1.png"]))
    assert "2 pictures with references, 2 methods" in page_of(pictures(tmp_path, ["2.png"]))


def test_names_of_files_are_text_and_never_markup(tmp_path: Path) -> None:
    hostile = "<script>alert(1)<&'.png"
    page = page_of(pictures(tmp_path, [hostile]))
    Tree(page)
    assert "<script>alert" not in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))
    assert data["images"] == [hostile]


def test_a_large_set_shows_some_pictures_from_worst_to_best(tmp_path: Path) -> None:
    names = [f"{'x' * i}.png" for i in range(1, SHOWN + 6)]
    page = page_of(pictures(tmp_path, names), against=None)
    assert Tree(page).count("section", **{"class": "card"}) == SHOWN
    assert f"{SHOWN} of {SHOWN + 5}, from the lowest to the highest PSNR of gamma" in page


def test_an_evaluation_without_references_has_a_page_too(tmp_path: Path) -> None:
    page = page_of(pictures(tmp_path, ["1.png"]) / "low")
    assert Tree(page).count("img") == 2
    assert "without references" in page


def test_the_tone_curve_of_doing_nothing_is_the_diagonal() -> None:
    levels = np.arange(256.0)
    drawing = tones_figure({"input": levels}, 255)
    points = re.search(r'points="([^"]*)"', drawing).group(1)
    x, y = np.array([pair.split(",") for pair in points.split()], float).T
    assert np.allclose(np.diff(x), np.diff(x)[0], atol=0.11)
    assert np.allclose(np.diff(y), np.diff(y)[0], atol=0.11)


@pytest.mark.parametrize("values", [[np.inf, 10.0], [np.inf, np.inf], [7.0, 7.0]])
def test_scores_that_are_infinite_or_equal_can_be_drawn(values: list[float]) -> None:
    evaluation = Evaluation(["a", "b"], ["m"], ["psnr"], np.array(values).reshape(2, 1, 1))
    drawing = scores_figure(evaluation, "psnr")
    assert "nan" not in drawing
    assert "inf" not in drawing
    assert drawing.count("<circle") == np.isfinite(values).sum()
