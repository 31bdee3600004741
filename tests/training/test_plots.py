"""Loss curves from a run's log, and the sheets."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from helpers.standin import write_model
from undim.cli import main
from undim.errors import DataError, InputError, MissingExtraError, OutputError
from undim.evaluation.baselines import BASELINES
from undim.evaluation.sheets import contact_sheet, write_contact_sheet, write_sheets
from undim.images import decode
from undim.measure.pairs import Item, find_items
from undim.training.plots import plot_losses, read_log

LOG = """epoch,split,loss,exposure,color_constancy,seconds
1,train,3,2,1,0.50
1,val,4,3,1,0.10
2,train,2.5,1.6,0.9,0.50
2,val,3.5,2.6,0.9,0.10
"""
GAMMA = {"gamma": BASELINES["gamma"]}


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path


def picture(seed: int, size: tuple[int, int] = (30, 40)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 60, (*size, 3)).astype(np.uint8)


def test_the_log_is_read_by_loss_and_split(finished: Path) -> None:
    log = read_log(finished)
    assert log.losses == ("loss", "exposure", "color_constancy")
    assert log.curves["exposure"] == {"train": [(1, 2.0), (2, 1.6)], "val": [(1, 3.0), (2, 2.6)]}


def test_one_plot_per_loss_and_one_of_all(finished: Path) -> None:
    pytest.importorskip("matplotlib")
    written = plot_losses(finished)
    assert [path.name for path in written] == [
        "loss.png",
        "exposure.png",
        "color_constancy.png",
        "losses.png",
    ]
    for path in written:
        assert path.parent == finished / "plots"
        with Image.open(path) as image:
            assert image.width > 500


def test_the_verb_plots_a_run(finished: Path) -> None:
    pytest.importorskip("matplotlib")
    result = CliRunner().invoke(main, ["plot", str(finished), "-o", str(finished / "here")])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == str(finished / "here" / "losses.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist"),
        ("epoch,split,loss\n", "no epoch yet"),
        ("", "no epoch yet"),
        ("epoch,split,loss\n1,train,much\n", "line 2: not a row of a training log"),
        ("epoch,split,loss\n1,train\n", "line 2: not a row of a training log"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "log.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        plot_losses(tmp_path)


def test_without_matplotlib_the_extra_is_named(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"undim\[train\]"):
        plot_losses(finished)
    assert not (finished / "plots").exists()


def test_a_sheet_shows_the_pictures_themselves_side_by_side() -> None:
    image, reference = picture(0), picture(1)
    sheet = np.asarray(contact_sheet([("", image, reference)], GAMMA))
    for shown in (image, BASELINES["autocontrast"](image), BASELINES["gamma"](image), reference):
        windows = np.lib.stride_tricks.sliding_window_view(sheet, shown.shape)[:, :, 0]
        assert (windows == shown).all(axis=(2, 3, 4)).any()


def test_a_sheet_is_scaled_down_and_never_up() -> None:
    small = contact_sheet([("", picture(0), None)], GAMMA, cell=100)
    large = contact_sheet([("", picture(0, (300, 400)), None)], GAMMA, cell=100)
    assert small.width < large.width < 3 * 100 + 100


def test_a_contact_sheet_has_one_row_per_picture_of_any_size() -> None:
    rows = [("a", picture(0), None), ("b", picture(1, (50, 20)), picture(2, (50, 20)))]
    one, two = contact_sheet(rows[:1], GAMMA), contact_sheet(rows, GAMMA)
    assert two.height > one.height + 50
    assert two.width > one.width  # a column for the reference


def test_a_contact_sheet_of_too_many_pictures_is_refused() -> None:
    rows = [(str(i), picture(i, (360, 4)), None) for i in range(50)]
    with pytest.raises(InputError, match="give a folder as the output"):
        contact_sheet(rows, GAMMA)


def test_a_sheet_never_overwrites_its_input(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture(0)).save(path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="is an input"):
        write_contact_sheet([Item("a.png", path)], GAMMA, path)
    assert path.read_bytes() == before
    [sheet] = write_sheets(find_items(tmp_path), GAMMA, tmp_path)
    assert sheet.name == "a.png.compare.png"


def test_a_deep_picture_is_shown_in_eight_bits(tmp_path: Path) -> None:
    for path, white in ((tmp_path / "8.png", 1), (tmp_path / "16.png", 257)):
        grey = picture(0)[..., 0].astype(np.uint16) * white
        Image.fromarray(grey if white > 1 else grey.astype(np.uint8)).save(path)
        write_contact_sheet([Item("same", path)], GAMMA, path.with_suffix(".bmp"))
    assert (tmp_path / "8.bmp").read_bytes() == (tmp_path / "16.bmp").read_bytes()


def test_the_verb_compares_a_picture_and_a_folder(tmp_path: Path) -> None:
    for name in ("low", "high"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(picture(i)).save(tmp_path / "set" / name / f"{i}.png")
    model = write_model(tmp_path / "model.onnx")

    def compare(source: Path, output: Path) -> list[str]:
        arguments = ["compare", str(source), "-o", str(output), "--model", str(model)]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    sheet = tmp_path / "sheet.jpg"
    assert compare(tmp_path / "set" / "low" / "0.png", sheet) == [str(sheet)]
    contact = tmp_path / "contact.webp"
    assert compare(tmp_path / "set", contact) == [str(contact)]
    folder = tmp_path / "sheets"
    assert compare(tmp_path / "set", folder) == [
        str(folder / f"{i}.png.compare.png") for i in range(2)
    ]
    heights = [len(decode(path).pixels) for path in (sheet, contact, *sorted(folder.iterdir()))]
    assert heights[0] == heights[2] == heights[3] < heights[1]
