"""Recipes: what they accept, what they refuse and how they say it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undim.errors import ConfigError
from undim.training.config import Recipe, load_recipe, parse_slice, recipe_from, to_toml
from undim.training.losses import LOSSES
from undim.training.objectives.denoiser import DenoiserRecipe
from undim.training.objectives.exposure import ExposureRecipe

# undim.toml is a recipe of another kind: the default model learns to expose, not by these losses
RECIPES = [
    p
    for p in sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.toml"))
    if not p.stem.startswith("undim")
]
SMALLEST = """
name = "small"
description = "a test"
training_data = "none"
licence = "CC0-1.0"
[losses]
exposure_released = 10
"""


def test_the_page_on_training_lists_every_key_and_every_loss() -> None:
    rows = (RECIPES[0].parents[1] / "docs" / "training.md").read_text("utf-8").splitlines()
    named = {
        name
        for row in rows
        if row.startswith("| `")
        for name in re.findall("`(.+?)`", row.split(" | ")[0])
    }
    recipes = (Recipe, ExposureRecipe, DenoiserRecipe)
    assert set(LOSSES).union(*(kind.__dataclass_fields__ for kind in recipes)) <= named


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALLEST)
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_the_recipes_load(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.licence


def test_all_recipes_of_the_project_are_there() -> None:
    assert {
        "zero-dce-lol",
        "keras-example",
        "ssim-tv",
        "first-30",
        "last-36",
        "folder-to-folder",
    } <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_a_written_recipe_is_read_back(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(
        path, ["expected.psnr=14.8", "description='with \"quotes\", a \\\\ and ü'"]
    )
    again = tmp_path / "again.toml"
    again.write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(again) == recipe
    assert to_toml(load_recipe(again)) == to_toml(recipe)


@given(
    description=st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=20),
    rate=st.floats(0, 1e3),
    weight=st.floats(-1e9, 1e9),
    expected=st.dictionaries(
        st.text(st.characters(codec="ascii", exclude_characters="\x7f"), min_size=1),
        st.floats(-9, 9),
    ),
)
def test_any_recipe_is_read_back(
    description: str, rate: float, weight: float, expected: dict[str, float]
) -> None:
    import tomllib

    recipe = Recipe(
        name="n",
        description=description,
        training_data="",
        licence="",
        learning_rate=rate,
        losses={"exposure_paper": {"weight": weight, "patch": 8}},
        expected=expected,
    )
    assert recipe_from(tomllib.loads(to_toml(recipe))) == recipe


def test_defaults_are_written_too(recipe: Path) -> None:
    text = to_toml(load_recipe(recipe))
    assert "epochs = 100" in text
    assert "exposure_released = { weight = 10 }" in text


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("epochs=3", "epochs", 3),
        ("learning_rate=1e-3", "learning_rate", 1e-3),
        ("weight_decay=1", "weight_decay", 1.0),
        ("flip=true", "flip", True),
        ("train=0:30", "train", "0:30"),
        ("name='a b'", "name", "a b"),
        ("folder=a=b", "folder", "a=b"),
        ("losses.exposure_released.weight=5", "losses", {"exposure_released": {"weight": 5}}),
        (
            "losses.exposure_released.target=0.5",
            "losses",
            {"exposure_released": {"weight": 10, "target": 0.5}},
        ),
        ("losses.ssim=1", "losses", {"exposure_released": {"weight": 10}, "ssim": {"weight": 1}}),
        ("losses={ssim = 1}", "losses", {"ssim": {"weight": 1}}),
        ("expected.psnr=14.8", "expected", {"psnr": 14.8}),
    ],
)
def test_set(recipe: Path, change: str, key: str, value: object) -> None:
    changed = load_recipe(recipe, [change])
    assert getattr(changed, key) == value
    assert type(getattr(changed, key)) is type(value)
    unchanged = load_recipe(recipe)
    assert unchanged != changed
    assert (
        load_recipe(recipe, [change, f"{key.split('.')[0]}={_as_toml(unchanged, key)}"])
        == unchanged
    )


def _as_toml(recipe: Recipe, key: str) -> str:
    value = getattr(recipe, key)
    if isinstance(value, dict):
        inner = ", ".join(f"{k} = {{ weight = {v['weight']} }}" for k, v in value.items())
        return f"{{ {inner} }}"
    return (
        {True: "true", False: "false"}.get(value, repr(value))
        if isinstance(value, bool)
        else repr(value)
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["epocs=3"], "key: unknown 'epocs'; did you mean 'epochs'? There are: batch, crop"),
        (["zzz=3"], "key: unknown 'zzz'. There are:"),
        (["epochs"], "--set epochs: expected KEY=VALUE"),
        (["epochs=many"], "epochs = 'many' is a str; expected int"),
        (["epochs=3.0"], "epochs = 3.0 is a float; expected int"),
        (["epochs=true"], "epochs = True is a bool; expected int"),
        (["flip=1"], "flip = 1 is a int; expected bool"),
        (["learning_rate=fast"], "learning_rate = 'fast' is a str; expected float"),
        (["learning_rate=nan"], "learning_rate = nan: expected 0 or more"),
        (["learning_rate=inf"], "learning_rate = inf: expected 0 or more"),
        (["weight_decay=-1"], "weight_decay = -1.0: expected 0 or more"),
        (["epochs=0"], "epochs = 0: expected 1 or more"),
        (["image_size=8"], "image_size = 8: expected 16 or more"),
        (["image_size=64", "crop=65"], "crop = 65 is larger than image_size = 64"),
        (["crop=8"], "crop = 8: expected 16 or more"),
        (["model=DCENett"], "model: unknown 'DCENett'; did you mean 'DCENet'?"),
        (["initialisation=glorott"], "did you mean 'glorot'?"),
        (["precision=half"], "precision: unknown 'half'. There are: auto, bfloat16, float32"),
        (["train=300"], "train = 300 is a int; expected str"),
        (["train='300'"], "train = '300': expected a slice"),
        (["train=a:b"], "train = 'a:b': expected a slice"),
        (["losses.exposure=1"], "losses: unknown 'exposure'; did you mean 'exposure_"),
        (["losses.ssim.weigth=1"], "losses.ssim: unknown 'weigth'; did you mean 'weight'?"),
        (["losses.exposure_paper.target=0.5"], "losses.exposure_paper has no weight"),
        (["losses.exposure_released.low=1"], "losses.exposure_released: unknown 'low'"),
        (["losses.exposure_released.patch=16.5"], "patch = 16.5: expected a whole number"),
        (["losses.exposure_released.patch=512"], "patch = 512 is larger than the pictures"),
        (
            ["losses.exposure_released=heavy"],
            "losses.exposure_released = 'heavy': expected a number",
        ),
        (["losses.exposure_released=nan"], "losses.exposure_released = nan: expected a number"),
        (["losses={}"], "names no losses; there are: spatial_consistency_paper"),
        (["losses=1"], "losses = 1 is a int; expected dict"),
        (["expected.psnr=high"], "expected.psnr = 'high': expected a number"),
    ],
)
def test_errors_say_what_came_and_what_was_expected(
    recipe: Path, changes: list[str], words: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        load_recipe(recipe, changes)
    if "--set" not in words:
        assert str(caught.value).startswith(str(recipe))


@pytest.mark.parametrize("losses", ["[losses]\n", ""])
def test_a_recipe_without_losses_lists_them(losses: str, recipe: Path) -> None:
    recipe.write_text(SMALLEST.partition("[losses]")[0] + losses)
    with pytest.raises(ConfigError, match="names no losses") as caught:
        load_recipe(recipe)
    assert all(name in str(caught.value) for name in LOSSES)


def test_missing_keys_are_named(recipe: Path) -> None:
    recipe.write_text('name = "x"\n[losses]\nssim = 1\n')
    with pytest.raises(ConfigError, match="description, training_data, licence missing"):
        load_recipe(recipe)


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the recipe .*No such file"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "a.toml").write_text("epochs = = 3")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    for name in ("a.toml", "b.toml"):
        with pytest.raises(ConfigError, match="is not valid TOML"):
            load_recipe(tmp_path / name)


def test_slices() -> None:
    items = list(range(10))
    assert items[parse_slice("train", ":")] == items
    assert items[parse_slice("train", "3:5")] == [3, 4]
    assert items[parse_slice("train", "8:")] == [8, 9]
    assert items[parse_slice("train", ":-8")] == [0, 1]
    assert items[parse_slice("validation", "0:0")] == []
