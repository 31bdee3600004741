"""The losses against other frameworks' numbers, then by what each form promises or fails to do."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from undim.training import losses
from undim.training.curve import enhance
from undim.training.losses import LOSSES, loss_terms

SEEDS = (0, 1, 2)

# name here -> (file, name there, relative tolerance)
GOLDEN = {
    "illumination_smoothness_keras": ("keras", "illumination_smoothness_keras", 1e-4),
    "spatial_consistency_keras": ("keras", "spatial_consistency_keras_mean", 1e-4),
    "total_variation": ("keras", "total_variation_sum", 1e-4),
    "ssim": ("keras", "ssim_per_image", 1e-4),
    "illumination_smoothness_released": ("released", "L_TV", 1e-4),
    "spatial_consistency_released": ("released", "L_spa_mean", 1e-4),
    "exposure_released": ("released", "L_exp_16_0_6", 1e-4),
    "color_constancy_released": ("released", "L_color_mean", 1e-4),
}


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def golden(
    shared: Path, source: str, seed: int
) -> tuple[dict[str, float | list[float]], dict[str, torch.Tensor]]:
    """An entry of an oracle file, and its tensors (the maps in the released sign)."""
    entries = json.loads((shared / "golden" / f"{source}_losses.json").read_text())
    entry = next(e for e in entries if e["seed"] == seed)
    b, h, w = entry["shape_bhw"]
    random = np.random.RandomState(seed)
    x = (random.rand(b, h, w, 3) * entry["scale"]).astype(np.float32)
    r = (random.rand(b, h, w, 24) * 2 - 1).astype(np.float32)
    low, maps = (torch.from_numpy(a).permute(0, 3, 1, 2) for a in (x, -r))
    return entry, {"low": low, "curve_maps": maps, "enhanced": enhance(low, maps)}


def value(name: str, tensors: dict[str, torch.Tensor]) -> float:
    return float(loss_terms({name: {"weight": 1.0}}, tensors)[name])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", GOLDEN)
def test_golden(shared: Path, name: str, seed: int) -> None:
    source, key, tolerance = GOLDEN[name]
    entry, tensors = golden(shared, source, seed)
    expected = entry[key]
    if name == "ssim":
        expected = 1 - float(np.mean(expected))
    if (
        name == "total_variation"
    ):  # TensorFlow sums over the batch, undim takes the mean over pictures
        expected /= len(tensors["low"])
    assert value(name, tensors) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("seed", SEEDS)
def test_golden_curve(shared: Path, seed: int) -> None:
    entry, tensors = golden(shared, "keras", seed)
    assert float(tensors["enhanced"].mean()) == pytest.approx(entry["enhanced_mean"], rel=1e-4)
    first = tensors["enhanced"][0, :, 0, 0].tolist()
    assert first == pytest.approx(entry["enhanced_first"], rel=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_convention_keras_shares_exposure_and_colour_with_the_released_code(
    shared: Path, seed: int
) -> None:
    """Close to TensorFlow's float32: 1e-3 for colour, a difference of nearly equal means."""
    entry, tensors = golden(shared, "keras", seed)
    assert value("exposure_released", tensors) == pytest.approx(entry["exposure_0.6"], rel=1e-4)
    assert value("color_constancy_released", tensors) == pytest.approx(
        entry["color_constancy_mean"], rel=1e-3
    )


def test_every_loss_is_held_to_something() -> None:
    assert set(LOSSES) - set(GOLDEN) == set(PAPER)
    assert {n for n in vars(losses) if n.startswith(tuple(k.split("_")[0] for k in LOSSES))} == set(
        LOSSES
    )


def regions(image: np.ndarray, size: int) -> np.ndarray:
    """Mean intensity of size x size regions of one picture (3, H, W)."""
    _, h, w = image.shape
    return image.mean(axis=0).reshape(h // size, size, w // size, size).mean(axis=(1, 3))


def spatial_paper(low: np.ndarray, enhanced: np.ndarray) -> float:
    y, i = regions(enhanced, 4), regions(low, 4)
    total = 0.0
    for r in range(y.shape[0]):
        for c in range(y.shape[1]):
            for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                s, t = r + dr, c + dc
                if 0 <= s < y.shape[0] and 0 <= t < y.shape[1]:
                    total += (abs(y[r, c] - y[s, t]) - abs(i[r, c] - i[s, t])) ** 2
    return total / y.size


def smoothness_paper(maps: np.ndarray) -> float:
    total = 0.0
    for a in maps:
        dx, dy = np.abs(a[:-1, 1:] - a[:-1, :-1]), np.abs(a[1:, :-1] - a[:-1, :-1])
        total += np.mean((dx + dy) ** 2)
    return total / (len(maps) / 3)


def colour_paper(enhanced: np.ndarray) -> float:
    r, g, b = enhanced.mean(axis=(1, 2))
    return (r - g) ** 2 + (r - b) ** 2 + (g - b) ** 2


def exposure_paper(enhanced: np.ndarray) -> float:
    return float(np.abs(regions(enhanced, 16) - 0.6).mean())


# the paper's forms, written out again in loops and float64
PAPER: dict[str, Callable[..., float]] = {
    "spatial_consistency_paper": spatial_paper,
    "illumination_smoothness_paper": smoothness_paper,
    "color_constancy_paper": colour_paper,
    "exposure_paper": exposure_paper,
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_forms_equal_their_equations(name: str) -> None:
    tensors = {"low": picture(3, 3, 32, 48), "enhanced": picture(3, 3, 32, 48, seed=1) ** 0.5}
    tensors["curve_maps"] = picture(3, 24, 32, 48, seed=2) * 2 - 1
    inputs = [k for k in inspect.signature(LOSSES[name]).parameters if k in tensors]
    arrays = [tensors[k].numpy().astype(np.float64) for k in inputs]
    expected = np.mean([PAPER[name](*per_picture) for per_picture in zip(*arrays, strict=True)])
    assert value(name, tensors) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_the_mean_over_pictures(name: str) -> None:
    tensors = {"low": picture(4, 3, 32, 32), "enhanced": picture(4, 3, 32, 32, seed=1)}
    tensors["curve_maps"] = picture(4, 24, 32, 32, seed=2)
    alone = [value(name, {k: v[i : i + 1] for k, v in tensors.items()}) for i in range(4)]
    assert value(name, tensors) == pytest.approx(np.mean(alone), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_a_finite_scalar_with_a_finite_gradient(name: str) -> None:
    low = picture(2, 3, 33, 47)
    maps = (picture(2, 24, 33, 47, seed=1) - 0.5).requires_grad_()
    term = loss_terms(
        {name: {"weight": 1.0}}, {"low": low, "curve_maps": maps, "enhanced": enhance(low, maps)}
    )[name]
    assert term.shape == ()
    assert term.isfinite()
    assert term >= 0
    term.backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()
    assert maps.grad.abs().max() > 0


def grey_gradient(name: str) -> torch.Tensor:
    """The gradient of a loss where the picture and its enhancement are one exact grey."""
    low = torch.full((1, 3, 32, 32), 0.25)
    maps = torch.full((1, 24, 32, 32), 0.1, requires_grad=True)
    tensors = {"low": low, "curve_maps": maps, "enhanced": enhance(low, maps)}
    loss_terms({name: {"weight": 1.0}}, tensors)[name].backward()
    assert maps.grad is not None
    return maps.grad


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"color_constancy_released"}))
def test_the_gradient_on_grey_is_finite(name: str) -> None:
    assert grey_gradient(name).isfinite().all()


def test_convention_the_released_colour_loss_has_no_gradient_on_grey() -> None:
    assert grey_gradient("color_constancy_released").isnan().all()


@pytest.mark.parametrize(
    "name", [n for n in LOSSES if "low" in inspect.signature(LOSSES[n]).parameters]
)
def test_equal_pictures_cost_nothing(name: str) -> None:
    low = picture(2, 3, 32, 48)
    assert value(name, {"low": low, "enhanced": low.clone()}) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", [n for n in LOSSES if n.startswith("illumination_smoothness")])
@given(level=st.floats(-1, 1, width=32))
@settings(max_examples=20, deadline=None)
def test_constant_maps_are_perfectly_smooth(name: str, level: float) -> None:
    assert value(name, {"curve_maps": torch.full((2, 24, 16, 20), level)}) == 0


@pytest.mark.parametrize("name", [n for n in LOSSES if n.startswith("color_constancy")])
@given(level=st.floats(0, 1, width=32))
@settings(max_examples=20, deadline=None)
def test_grey_costs_no_colour(name: str, level: float) -> None:
    assert value(name, {"enhanced": torch.full((2, 3, 16, 20), level)}) == pytest.approx(
        0, abs=1e-9
    )


@pytest.mark.parametrize("name", [n for n in LOSSES if n.startswith("exposure")])
@given(target=st.floats(0.1, 0.9), distance=st.floats(0, 0.1))
@settings(max_examples=20, deadline=None)
def test_exposure_is_the_distance_to_its_target(name: str, target: float, distance: float) -> None:
    losses = {name: {"weight": 1.0, "target": target, "patch": 8}}
    found = loss_terms(losses, {"enhanced": torch.full((1, 3, 16, 16), target + distance)})[name]
    assert float(found) == pytest.approx(
        distance if name == "exposure_paper" else distance**2, abs=1e-6
    )


def test_convention_uniform_brightening_is_free_in_the_paper_alone() -> None:
    """The released form punishes uniform brightening at the border, the Keras form everywhere.

    The released form pads with zeros.
    """
    low = picture(1, 3, 64, 64) * 0.5
    tensors = {"low": low, "enhanced": low + 0.2}
    assert value("spatial_consistency_paper", tensors) == pytest.approx(0, abs=1e-9)
    border = 4 * 16 * 0.2**2 / 16**2  # each border side of each of the 16 x 16 regions
    assert value("spatial_consistency_released", tensors) == pytest.approx(border, rel=1e-3)
    keras = (4 * 0.2**2 + 2 * 0.2**2 / 16) / 3
    assert value("spatial_consistency_keras", tensors) == pytest.approx(keras, rel=1e-3)


def test_convention_the_keras_spatial_loss_sees_no_vertical_contrast() -> None:
    rows = torch.linspace(0, 1, 16).repeat_interleave(4).view(1, 1, 64, 1).expand(1, 3, 64, 64)
    columns = rows.transpose(2, 3)
    level = torch.zeros_like(rows)
    by_rows, by_columns = (
        value("spatial_consistency_keras", {"low": level, "enhanced": x}) for x in (rows, columns)
    )
    plain = 4 * float(rows.square().mean()) / 3
    inner = by_rows - plain
    edges = 2 * float(rows.square().mean()) / 16 / 3  # zeros beyond the left and the right border
    assert inner == pytest.approx(edges, rel=1e-3)
    assert by_columns > plain + 2 * 15 / 16 * (1 / 15) ** 2 / 3


def test_convention_keras_smoothness_is_about_eleven_times_heavier() -> None:
    maps = picture(1, 24, 256, 256) * 2 - 1
    tensors = {"curve_maps": maps}
    ratio = value("illumination_smoothness_keras", tensors) / value(
        "illumination_smoothness_released", tensors
    )
    assert ratio == pytest.approx(256 * 256 * (1 / (255 * 24) + 1 / (256 * 23)) / 2, rel=0.01)
    assert ratio == pytest.approx(11, abs=0.2)


def test_convention_total_variation_grows_with_the_picture() -> None:
    small, large = (value("total_variation", {"enhanced": picture(1, 3, s, s)}) for s in (32, 64))
    assert large == pytest.approx(4 * small, rel=0.1)


def test_convention_ssim_rewards_doing_nothing() -> None:
    low = picture(1, 3, 64, 64) * 0.2
    bright = enhance(low, torch.full((1, 24, 64, 64), 0.3))
    assert (
        value("ssim", {"low": low, "enhanced": low})
        < value("ssim", {"low": low, "enhanced": bright})
        < 1
    )


def test_terms_are_weighted_and_keep_the_recipes_order() -> None:
    tensors = {"enhanced": picture(1, 3, 32, 32), "curve_maps": picture(1, 24, 32, 32)}
    names = {
        "total_variation": {"weight": 2.0},
        "exposure_paper": {"weight": 3.0, "target": 0.4, "patch": 8},
    }
    terms = loss_terms(names, tensors)
    assert list(terms) == list(names)
    assert float(terms["total_variation"]) == pytest.approx(2 * value("total_variation", tensors))
    assert float(terms["exposure_paper"]) == pytest.approx(
        3 * float(losses.exposure_paper(tensors["enhanced"], target=0.4, patch=8))
    )
    assert not math.isnan(float(sum(terms.values())))
