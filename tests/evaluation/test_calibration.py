"""The whole path against numbers computed elsewhere: eval15, image by image.

Within 0.01 dB and 0.002 SSIM.

Needs the data set and the calibration files beside the checkout; the authors' weights also need the
training wing.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from undim.cli import main
from undim.evaluation.baselines import BASELINES
from undim.evaluation.scores import Evaluation, evaluate
from undim.measure.pairs import find_items

COLUMNS = {
    "input": "input",
    "gamma": "gamma0.4",
    "constant_curve": "constant_curve",
    "null_model": "null_model",
    "zero-dce": "zero_dce_official",
}


@pytest.fixture(scope="module")
def expected(shared: Path) -> dict[str, dict[str, str]]:
    with (shared / "calibration" / "eval15_expected.csv").open(newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def assert_calibrated(
    rows: list[dict[str, str]], method: str, expected: dict[str, dict[str, str]]
) -> None:
    assert len(rows) == 15
    for row in rows:
        wanted = expected[row["image"]]
        for metric, tolerance in (("psnr", 0.01), ("ssim", 0.002)):
            value = float(wanted[f"{COLUMNS[method]}_{metric}"])
            assert float(row[metric]) == pytest.approx(value, abs=tolerance), (
                row["image"],
                method,
                metric,
            )


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module")
def baselines(shared: Path) -> Evaluation:
    methods = {name: BASELINES[name] for name in COLUMNS if name in BASELINES}
    items = find_items(shared / "data" / "lol-v1" / "eval15")
    return evaluate(items, {**methods, "black": np.zeros_like}, wrapped=True)


@pytest.mark.parametrize("method", [name for name in COLUMNS if name in BASELINES])
def test_baselines_are_calibrated(
    method: str, baselines: Evaluation, expected: dict[str, dict[str, str]]
) -> None:
    rows = [row for row in read(baselines.csv()) if row["method"] == method]
    assert_calibrated(rows, method, expected)
    mean = float(expected["mean"][f"{COLUMNS[method]}_psnr"])
    assert baselines.estimate(method, "psnr").mean == pytest.approx(mean, abs=0.01)


def test_convention_wrapped_psnr_says_28_db_of_anything(baselines: Evaluation) -> None:
    for method, true, wrapped in (("input", 7.77, 27.96), ("black", 6.38, 27.90)):
        assert baselines.estimate(method, "psnr").mean == pytest.approx(true, abs=0.01)
        assert baselines.estimate(method, "psnr_uint8_wrapped").mean == pytest.approx(
            wrapped, abs=0.01
        )


def test_the_published_zero_dce_is_reproduced(
    shared: Path, expected: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    model, scores = tmp_path / "zero-dce.onnx", tmp_path / "scores.csv"
    run = CliRunner().invoke(
        main,
        ["import", str(shared / "calibration" / "zero-dce-epoch99.pth"), "-o", str(model)],
        catch_exceptions=False,
    )
    assert run.exit_code == 0, run.output
    data = str(shared / "data" / "lol-v1" / "eval15")
    run = CliRunner().invoke(
        main,
        f"evaluate --data {data} --model {model} --maps full --denoise off --baseline none --csv "
        f"{scores}",
        catch_exceptions=False,
    )
    assert run.exit_code == 0, run.output
    rows = read(scores.read_text())
    assert_calibrated(rows, "zero-dce", expected)
    assert np.mean([float(row["psnr"]) for row in rows]) == pytest.approx(14.86, abs=0.005)
