"""The contract of a model file, and what happens to files and devices that do not keep it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from helpers.standin import METADATA, write_model
from undim.errors import DeviceError, InputError, ModelError
from undim.model.runtime import CurveEstimator, devices


def test_a_model_describes_itself(tmp_path: Path) -> None:
    info = CurveEstimator(write_model(tmp_path / "m.onnx")).info
    assert (info.name, info.licence) == ("stand-in", "CC0-1.0")
    assert (info.iterations, info.maps_size, info.parameters) == (8, 64, 0)


@pytest.mark.parametrize("channels", [1, 3, 8, 24])
def test_maps_have_the_size_of_the_thumbnail(tmp_path: Path, channels: int) -> None:
    estimator = CurveEstimator(write_model(tmp_path / "m.onnx", channels=channels))
    for height, width in [(1, 1), (2, 9), (33, 20)]:
        maps = estimator(np.full((height, width, 3), 0.2, np.float32))
        assert maps.shape == (channels, height, width)
        assert maps.dtype == np.float32
        assert np.abs(maps).max() <= 1


@pytest.mark.parametrize("levels", [2, 6])
def test_maps_may_have_levels_of_brightness_and_a_size_of_their_own(
    tmp_path: Path, levels: int
) -> None:
    estimator = CurveEstimator(write_model(tmp_path / "m.onnx", levels=levels))
    assert (estimator.info.guide, estimator.info.levels) == ("max", levels)
    for height, width in [(1, 1), (2, 9), (33, 20)]:
        maps = estimator(np.full((height, width, 3), 0.2, np.float32))
        assert maps.shape == (1, levels, -(-height // 4), -(-width // 4))
        assert (np.diff(maps, axis=1) < 0).all()


def test_a_model_without_levels_says_so(tmp_path: Path) -> None:
    info = CurveEstimator(write_model(tmp_path / "m.onnx")).info
    assert (info.guide, info.levels) == ("", 1)


def test_the_thumbnail_is_height_by_width_by_rgb(tmp_path: Path) -> None:
    """Maps answer to the bright place: the network sees rows as rows and columns as columns."""
    estimator = CurveEstimator(write_model(tmp_path / "m.onnx", channels=1))
    dark = np.zeros((20, 30, 3), np.float32)
    spot = dark.copy()
    spot[4, 25] = 1
    changed = np.argwhere(estimator(spot)[0] != estimator(dark)[0])
    assert changed.min(axis=0).tolist() == [3, 24]
    assert changed.max(axis=0).tolist() == [5, 26]


@pytest.mark.parametrize(
    "thumbnail",
    [np.zeros((4, 4, 3)), np.zeros((3, 4, 4), np.float32), np.zeros((4, 4), np.float32)],
)
def test_wrong_thumbnails_are_refused(tmp_path: Path, thumbnail: np.ndarray) -> None:
    estimator = CurveEstimator(write_model(tmp_path / "m.onnx"))
    with pytest.raises(InputError, match=r"expected \(h, w, 3\) float32"):
        estimator(thumbnail)


def test_a_name_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'nightly': expected one of undim"):
        CurveEstimator("nightly")


def test_a_file_that_is_no_onnx(tmp_path: Path) -> None:
    path = tmp_path / "notes.onnx"
    path.write_text("not a model")
    with pytest.raises(ModelError, match=r"notes\.onnx cannot be loaded"):
        CurveEstimator(path)


def test_an_onnx_model_of_another_kind(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", output="depth")
    with pytest.raises(ModelError, match=r"no undim model: it turns image .* into depth"):
        CurveEstimator(path)


def test_an_onnx_model_without_metadata(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", metadata={"name": "x"})
    with pytest.raises(ModelError, match="its metadata lacks version"):
        CurveEstimator(path)


def test_metadata_that_is_no_number(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", metadata=METADATA | {"maps_size": "large"})
    with pytest.raises(ModelError, match="maps_size = 'large', expected a whole number"):
        CurveEstimator(path)


def test_maps_that_do_not_fit_the_iterations(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", channels=24, metadata=METADATA | {"iterations": "4"})
    with pytest.raises(ModelError, match="with C 1, 3, 4 or 12 for 4 iterations"):
        CurveEstimator(path)


@pytest.mark.parametrize(
    ("levels", "wrong", "words"),
    [
        (
            6,
            {"guide": "mean"},
            "got metadata guide = 'mean' and levels = 6 .* expected guide = 'max'",
        ),
        (6, {"guide": ""}, "got metadata guide = '' .* expected guide = 'max'"),
        (
            6,
            {"levels": "8"},
            r"levels = 8 .*\[1, 1, 6, 'gh', 'gw'\], expected .* levels = 6; write",
        ),
        (6, {"levels": "some"}, "levels = 'some', expected a whole number"),
        (1, {"guide": "max", "levels": "6"}, "expected guide = '' and levels = 1"),
    ],
)
def test_metadata_that_does_not_fit_the_levels(
    tmp_path: Path, levels: int, wrong: dict[str, str], words: str
) -> None:
    path = write_model(tmp_path / "m.onnx", levels=levels, metadata=METADATA | wrong)
    with pytest.raises(ModelError, match=words):
        CurveEstimator(path)


def test_an_unknown_device(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="expected one of auto, cpu, cuda"):
        CurveEstimator(write_model(tmp_path / "m.onnx"), device="gpu")


def test_an_absent_device_is_an_error_not_a_fallback(tmp_path: Path) -> None:
    if "cuda" in devices():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(DeviceError, match="has only cpu; install onnxruntime-gpu"):
        CurveEstimator(write_model(tmp_path / "m.onnx"), device="cuda")


def test_a_device_that_does_not_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime would use the processor and say so in its log only."""
    session = onnxruntime.InferenceSession

    def fall_back(path: str, options: object, providers: list[str]) -> object:
        return session(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", fall_back)
    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    with pytest.raises(DeviceError, match="could not start"):
        CurveEstimator(write_model(tmp_path / "m.onnx"), device="cuda")


def test_auto_takes_what_is_there(tmp_path: Path) -> None:
    assert CurveEstimator(write_model(tmp_path / "m.onnx")).device in devices()


@pytest.mark.skipif(
    sys.platform == "win32", reason="there telemetry is the system's, and leaves no file"
)
def test_onnxruntime_keeps_no_record_of_what_it_runs(tmp_path: Path) -> None:
    model, home = write_model(tmp_path / "m.onnx"), tmp_path / "home"
    silencers = {"CI", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY"}
    environment = {key: value for key, value in os.environ.items() if key not in silencers}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home)}
    code = f"import undim; undim.Enhancer({str(model)!r})"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not home.exists()
