"""The table of shipped weights says what the files say, and the files are the ones it names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from undim.errors import ModelError
from undim.pretrained import DEFAULT, MODELS, WEIGHTS, model_path
from undim.runtime import CurveEstimator


def test_the_default_is_in_the_table() -> None:
    assert DEFAULT in MODELS


def test_every_weight_file_is_in_the_table() -> None:
    assert {path.name for path in WEIGHTS.glob("*.onnx")} == {model.file for model in MODELS.values()}


@pytest.mark.parametrize("name", MODELS)
def test_a_weight_file_is_the_one_the_table_names(name: str) -> None:
    assert hashlib.sha256(MODELS[name].path.read_bytes()).hexdigest() == MODELS[name].sha256


@pytest.mark.parametrize("name", MODELS)
def test_the_table_says_what_the_file_says(name: str) -> None:
    info, entry = CurveEstimator(name).info, MODELS[name]
    assert info.name == name
    assert (info.licence, info.recipe, info.training_data) == (
        entry.licence,
        entry.recipe,
        entry.training_data,
    )
    assert info.parameters == entry.parameters
    assert len(info.recipe_sha256) == 64


def test_a_path_is_a_model_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.touch()
    assert model_path(path) == path
    with pytest.raises(ModelError, match="expected one of"):
        model_path(tmp_path / "other.onnx")
