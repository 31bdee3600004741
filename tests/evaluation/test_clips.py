"""Clip pairs: a known error is measured per frame, and flicker is what the formula says."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="needs the extra [video]")
import av

from undim.enhancer import Enhancer
from undim.errors import InputError
from undim.evaluation.clips import evaluate_clip, flicker
from undim.video import FrameEnhancer


def write(path: Path, levels: list[int], size: tuple[int, int] = (32, 48)) -> Path:
    """A lossless clip of flat grey frames of the given levels."""
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "gbrp16le"
        for level in levels:
            grey = np.full((*size, 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, "rgb24").reformat(format="gbrp16le")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_flicker_is_the_deviation_of_the_changes() -> None:
    assert flicker([10, 12, 10, 12, 10]) == 2
    assert flicker([10, 12, 14, 16]) == 0  # a steady drift is no flicker
    assert flicker([10]) == 0


def test_scores_per_frame_have_their_known_values(tmp_path: Path) -> None:
    dark = write(tmp_path / "dark.mkv", [20, 22, 20, 22])
    bright = write(tmp_path / "bright.mkv", [30, 30, 30, 30])
    methods = {
        "input": lambda frame, _: frame,
        "ten more": lambda frame, _: frame + np.uint16(10 * 257),
    }
    evaluation = evaluate_clip(dark, bright, methods)
    assert [
        score.brightness for score in evaluation.frames if score.method == "input"
    ] == pytest.approx([20, 22, 20, 22], abs=0.01)
    psnrs = [score.psnr for score in evaluation.frames if score.method == "input"]
    assert psnrs == pytest.approx(
        [20 * np.log10(255 / error) for error in (10, 8, 10, 8)], abs=0.01
    )
    exact = [score.psnr for score in evaluation.frames if score.method == "ten more"]
    assert exact[0] == np.inf
    clip = evaluation.scores()[0]
    assert clip.flicker == pytest.approx(flicker([20, 22, 20, 22]), abs=0.01)
    assert clip.flicker_percent == pytest.approx(100 * flicker(np.log([20, 22, 20, 22])), abs=0.01)
    assert evaluation.table().splitlines()[1].startswith("input")


class Nervous(Enhancer):
    """Never of the same mind for two frames."""

    def curve_maps(self, image: np.ndarray) -> np.ndarray:
        strength = 0.25 + 0.05 * np.random.default_rng(int(1e6 * image.mean())).random()
        return np.full((self.info.iterations, 1, 1), strength, np.float32)


def test_smoothing_is_measured_as_less_flicker(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dark = write(tmp_path / "dark.mkv", [int(level) for level in rng.integers(60, 63, 40)])
    enhancer = Nervous()
    steady, alone = (
        FrameEnhancer(enhancer, denoise="off"),
        FrameEnhancer(enhancer, denoise="off", smooth=False),
    )
    evaluation = evaluate_clip(
        dark, None, {"input": lambda frame, _: frame, "steady": steady, "alone": alone}
    )
    scores = {score.method: score for score in evaluation.scores()}
    assert scores["steady"].flicker < 0.5 * scores["alone"].flicker
    assert scores["steady"].flicker < 1.1 * scores["input"].flicker
    assert np.isnan(scores["steady"].psnr)


def test_pairs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    three, two = write(tmp_path / "three.mkv", [20] * 3), write(tmp_path / "two.mkv", [40] * 2)
    with pytest.raises(InputError, match="ends before"):
        evaluate_clip(three, two, {})
    small = write(tmp_path / "small.mkv", [20] * 3, size=(16, 16))
    with pytest.raises(InputError, match="height"):
        evaluate_clip(three, small, {})


def test_the_verb_takes_a_clip_pair(tmp_path: Path) -> None:
    dark, bright = (
        write(tmp_path / "dark.mkv", [20, 21, 20]),
        write(tmp_path / "bright.mkv", [90] * 3),
    )
    files = ["--csv", tmp_path / "frames.csv", "--json", tmp_path / "all.json"]
    command = [
        sys.executable,
        "-m",
        "undim",
        "evaluate",
        "--data",
        dark,
        "--reference",
        bright,
        *files,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "flicker" in run.stdout
    assert "frame by frame" in run.stdout
    rows = list(csv.DictReader(io.StringIO((tmp_path / "frames.csv").read_text())))
    assert {row["frame"] for row in rows} == {"0", "1", "2"}
    assert len(rows) == 9
    assert json.loads((tmp_path / "all.json").read_text())["clip"][0]["method"] == "input"
