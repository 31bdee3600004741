"""The table of shipped weights says what the files say, and the files are the ones it names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from undim.errors import ModelError
from undim.model.pretrained import DEFAULT, DENOISER, MODELS, WEIGHTS, Pretrained, model_path
from undim.model.runtime import CurveEstimator, open_session

RECIPES = Path(__file__).parents[2] / "recipes"


def test_the_default_is_in_the_table() -> None:
    assert DEFAULT in MODELS


def test_every_weight_file_is_in_the_table() -> None:
    assert {path.name for path in WEIGHTS.glob("*.onnx")} == {
        model.file for model in (*MODELS.values(), DENOISER)
    }


@pytest.mark.parametrize("model", [*MODELS.values(), DENOISER], ids=lambda model: model.recipe)
def test_a_weight_file_is_the_one_the_table_names(model: Pretrained) -> None:
    assert hashlib.sha256(model.path.read_bytes()).hexdigest() == model.sha256


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


@pytest.mark.parametrize("model", [*MODELS.values(), DENOISER], ids=lambda model: model.recipe)
def test_a_weight_file_is_that_of_the_recipe_as_it_stands(model: Pretrained) -> None:
    trainers = pytest.importorskip("undim.training.objectives")
    config = pytest.importorskip("undim.training.config")
    values = config.read_values(RECIPES / f"{model.recipe}.toml")
    recipe = trainers.TRAINERS[values.get("trainer", "zero-reference")][0](values)
    says = open_session(model.path, "cpu", 1).get_modelmeta().custom_metadata_map
    assert says["recipe_sha256"] == config.recipe_sha256(recipe)


def test_the_denoiser_says_of_itself_what_the_table_says() -> None:
    says = open_session(DENOISER.path, "cpu", 1).get_modelmeta().custom_metadata_map
    assert (says["licence"], says["recipe"], says["training_data"], says["parameters"]) == (
        DENOISER.licence,
        DENOISER.recipe,
        DENOISER.training_data,
        str(DENOISER.parameters),
    )
    assert DENOISER.parameters + MODELS[DEFAULT].parameters < 100_000
    with pytest.raises(ModelError, match="metadata lacks"):
        CurveEstimator(DENOISER.path)


def test_a_path_is_a_model_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.touch()
    assert model_path(path) == path
    with pytest.raises(ModelError, match="expected one of"):
        model_path(tmp_path / "other.onnx")
