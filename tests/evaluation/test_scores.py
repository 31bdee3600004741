"""Rows, means and intervals; what is refused; and what the files say that the verb writes."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from helpers.standin import METADATA, write_model
from undim.cli import main
from undim.errors import InputError
from undim.evaluation.baselines import BASELINES
from undim.evaluation.methods import model_methods
from undim.evaluation.scores import Evaluation, Measurement, evaluate, paired_bootstrap
from undim.measure.metrics import METRICS, psnr
from undim.measure.pairs import find_items

SOME = {name: BASELINES[name] for name in ("input", "gamma", "null_model")}


def scene(seed: int, *, size: tuple[int, int] = (24, 31)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    light = np.linspace(30, 220, size[1])[None, :, None] + rng.normal(0, 10, (*size, 3))
    return light.clip(0, 255).astype(np.uint8)


@pytest.fixture
def paired(tmp_path: Path) -> Path:
    """Four scenes and their darker captures."""
    for name in ("low", "high"):
        (tmp_path / "set" / name).mkdir(parents=True)
    for i in range(4):
        Image.fromarray(scene(i)).save(tmp_path / "set" / "high" / f"{i}.png")
        Image.fromarray(scene(i) // (8 + i)).save(tmp_path / "set" / "low" / f"{i}.png")
    return tmp_path / "set"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)], catch_exceptions=False)


def test_every_row_is_the_metric_of_that_image_and_method(paired: Path) -> None:
    evaluation = evaluate(find_items(paired), SOME)
    assert evaluation.images == ["0.png", "1.png", "2.png", "3.png"]
    assert evaluation.methods == list(SOME)
    assert "psnr_uint8_wrapped" not in evaluation.metrics
    for i in range(4):
        expected = psnr(SOME["gamma"](scene(i) // (8 + i)), scene(i), data_range=255)
        assert evaluation.column("gamma", "psnr")[i] == expected
    rows = list(csv.DictReader(evaluation.csv().splitlines()))
    assert len(rows) == 12
    assert list(rows[0])[:7] == [
        *("image", "method", "psnr", "ssim", "gt_mean_psnr", "mean_brightness", "clipped_fraction")
    ]
    assert float(rows[4]["psnr"]) == pytest.approx(evaluation.column("gamma", "psnr")[1], rel=1e-5)


def test_without_references_only_what_needs_none_is_measured(paired: Path) -> None:
    evaluation = evaluate(find_items(paired / "low"), SOME, wrapped=True)
    assert evaluation.metrics == [
        name for name, metric in METRICS.items() if not metric.needs_reference
    ]
    assert evaluation.estimate("input", "psnr_to_input").mean == math.inf
    assert evaluation.estimate("input", "chroma_shift").mean == 0


def test_observers_see_every_picture_once(paired: Path) -> None:
    seen: list[Measurement] = []
    evaluate(find_items(paired), SOME, observers=[seen.append])
    assert [measurement.item.name for measurement in seen] == ["0.png", "1.png", "2.png", "3.png"]
    assert np.array_equal(seen[2].outputs["input"], scene(2) // 10)
    assert np.array_equal(seen[2].reference, scene(2))


def test_unequal_sizes_are_refused_and_named(paired: Path) -> None:
    Image.fromarray(scene(2, size=(20, 31))).save(paired / "high" / "2.png")
    with pytest.raises(
        InputError, match=r"low/2.png is 31 x 24 .*high/2.png is 31 x 20.*nothing is resized"
    ):
        evaluate(find_items(paired), SOME)


def test_mixed_dtypes_are_refused_and_named(paired: Path) -> None:
    deep = Image.fromarray(scene(1)[..., 0].astype(np.uint16) * 257)
    deep.save(paired / "high" / "1.png")
    with pytest.raises(
        InputError, match=r"low/1.png is 31 x 24 uint8 and .*high/1.png is 31 x 24 uint16"
    ):
        evaluate(find_items(paired), SOME)
    deep.save(paired / "low" / "1.png")
    with pytest.raises(InputError, match=r"low/1.png is uint16; evaluation measures 8-bit"):
        evaluate(find_items(paired), SOME)


def test_mean_and_standard_error_are_the_textbooks() -> None:
    values = np.array([10.0, 12.0, 17.0])
    evaluation = Evaluation(["a", "b", "c"], ["m"], ["psnr"], values.reshape(3, 1, 1))
    estimate = evaluation.estimate("m", "psnr")
    assert estimate.mean == 13
    assert estimate.error == pytest.approx(math.sqrt(((9 + 1 + 16) / 2) / 3))


def test_where_a_score_is_infinite_the_least_is_shown() -> None:
    values = np.array([[[math.inf], [math.inf], [30.0]], [[31.204], [math.inf], [20.0]]])
    evaluation = Evaluation(["a", "b"], ["m", "n", "o"], ["psnr_to_input"], values)
    assert [evaluation.shown(method, "psnr_to_input") for method in "mno"] == [
        "≥ 31.20",
        "∞",
        "25.00",
    ]


def test_infinite_scores_leave_error_and_gain_undefined() -> None:
    values = np.array([[[math.inf], [10.0]], [[20.0], [11.0]]])
    evaluation = Evaluation(["a", "b"], ["m", "n"], ["psnr"], values)
    assert evaluation.estimate("m", "psnr").mean == math.inf
    assert math.isnan(evaluation.estimate("m", "psnr").error)
    assert math.isnan(evaluation.gain("m", "n", "psnr").low)
    assert (
        json.loads(json.dumps(evaluation.record("n"), allow_nan=False))["images"][0]["psnr"] is None
    )


def test_the_table_says_nothing_of_what_is_not_known() -> None:
    lone = Evaluation(["one"], ["m", "n"], ["psnr"], np.array([[[math.inf], [20.0]]]))
    assert [row.split() for row in lone.table(against="n").splitlines()[1:]] == [
        ["m", "∞"],
        ["n", "20.00"],
    ]


def test_a_picture_too_small_for_ssim_is_named(tmp_path: Path) -> None:
    for side in ("low", "high"):
        (tmp_path / side).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / side / "speck.png")
    with pytest.raises(
        InputError, match=r"speck\.png, input: SSIM needs images of at least 11 x 11"
    ):
        evaluate(find_items(tmp_path), SOME)


def test_paired_bootstrap_is_seeded_and_near_the_normal_interval() -> None:
    differences = np.random.default_rng(3).normal(1.0, 2.0, 400)
    low, high = paired_bootstrap(differences)
    assert (low, high) == paired_bootstrap(differences)
    assert (low, high) != paired_bootstrap(differences, seed=1)
    half = 1.96 * differences.std(ddof=1) / 20
    assert low == pytest.approx(differences.mean() - half, abs=0.03)
    assert high == pytest.approx(differences.mean() + half, abs=0.03)


def test_pairing_removes_what_the_images_have_in_common() -> None:
    """Where one method is always 0.5 dB above the other, the interval is that one number.

    The images are spread over 20 dB.
    """
    scores = np.linspace(5, 25, 15)
    values = np.stack([scores + 0.5, scores], axis=1)[..., None]
    evaluation = Evaluation([str(i) for i in range(15)], ["better", "base"], ["psnr"], values)
    gain = evaluation.gain("better", "base", "psnr")
    assert (gain.mean, gain.low, gain.high) == pytest.approx((0.5, 0.5, 0.5))
    assert evaluation.estimate("better", "psnr").error > 1


def test_paired_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [paired_bootstrap(rng.normal(0.3, 1, 60), samples=1000) for _ in range(200)]
    covered = np.mean([low <= 0.3 <= high for low, high in intervals])
    assert 0.88 <= covered <= 0.99


def test_a_wrong_name_gets_the_right_ones(paired: Path) -> None:
    evaluation = evaluate(find_items(paired), SOME)
    with pytest.raises(
        InputError, match="no 'nll' in this evaluation, which has: input, gamma, null_model"
    ):
        evaluation.gain("gamma", "nll", "psnr")


def test_the_table_gives_means_errors_and_gains(paired: Path) -> None:
    evaluation = evaluate(find_items(paired), SOME)
    head, *rows = evaluation.table(against="input").splitlines()
    assert len(evaluation.legend().splitlines()) == len(evaluation.metrics)
    assert all(line.split("  ")[0] in head for line in evaluation.legend().splitlines())
    assert head.split()[:3] == ["method", "PSNR", "SSIM"]
    assert rows[0].startswith("input")
    gain = evaluation.gain("gamma", "input", "psnr")
    assert f"{evaluation.estimate('gamma', 'psnr').mean:.2f} ± " in rows[1]
    assert rows[1].endswith(f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]")


def test_models_are_named_by_themselves_and_by_path_where_two_share_a_name(tmp_path: Path) -> None:
    one, two = write_model(tmp_path / "1.onnx"), write_model(tmp_path / "2.onnx")
    assert list(model_methods([str(one)])) == ["stand-in"]
    assert list(model_methods([str(one), str(two), str(one)])) == [str(one), str(two)]
    sly = write_model(tmp_path / "3.onnx", metadata=METADATA | {"name": "gamma"})
    assert list(model_methods([str(sly)])) == [str(sly)]


def test_the_verb_writes_csv_json_and_html(paired: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.onnx")
    files = {kind: tmp_path / "out" / f"scores.{kind}" for kind in ("csv", "json", "html")}
    flags = [part for kind, path in files.items() for part in (f"--{kind}", str(path))]
    result = run("--data", paired, "--model", model, "--maps", "full", "--wrapped", *flags)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert {row["method"] for row in rows} == {*BASELINES, "stand-in"}
    assert all(row["psnr_uint8_wrapped"] for row in rows)
    record = json.loads(files["json"].read_text())
    assert record["against"] == "null_model"
    assert record["facts"]["model stand-in"]["maps"] == "full"
    assert (
        len(record["facts"]["model stand-in"]["sha256"])
        == len(record["facts"]["data"]["sha256"])
        == 64
    )
    assert {"undim", "commit", "numpy", "onnxruntime", "machine"} <= record["facts"].keys()
    assert record["summary"]["stand-in"]["psnr"]["gain"]["interval"][0] is not None
    assert len(record["images"]) == len(rows)
    page = files["html"].read_text()
    assert "stand-in" in page
    for outside in ("http://", "https://", "@import", ' src="/', "url("):
        assert outside not in page


def test_the_verb_measures_the_model_that_ships(paired: Path, tmp_path: Path) -> None:
    """Thumbnail, kernel, rounding and all: the score is that of what `Enhancer` gives back."""
    from undim.enhancer import Enhancer

    model = write_model(tmp_path / "model.onnx")
    scores = tmp_path / "scores.csv"
    assert (
        run("--data", paired, "--model", model, "--baseline", "none", "--csv", scores).exit_code
        == 0
    )
    rows = list(csv.DictReader(scores.read_text().splitlines()))
    enhancer = Enhancer(model)
    for i, row in enumerate(rows):
        expected = psnr(enhancer(scene(i) // (8 + i)), scene(i), data_range=255)
        assert float(row["psnr"]) == pytest.approx(expected, rel=1e-5)


def test_the_verb_says_what_is_wrong(paired: Path) -> None:
    (paired / "high" / "3.png").unlink()
    result = run("--data", paired, "--baseline", "input")
    assert result.exit_code == 1
    assert "3.png" in result.stderr
    assert (
        "no baseline 'gama'; expected some of input"
        in run("--data", paired, "--baseline", "gama").stderr
    )
    wrong = run("--data", paired / "low", "--baseline", "input", "--against", "gamma")
    assert "--against gamma is not measured here; expected one of input" in wrong.stderr
