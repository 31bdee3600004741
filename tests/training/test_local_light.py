"""Strengths over places and levels: what holds for any grid, what the rule asks, and a short training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from undim.enhancer import Enhancer
from undim.errors import ConfigError, DataError, TrainingError
from undim.pixels.curve import apply_curves
from undim.training.curve import enhance
from undim.training.data.panoramas import (
    HELD_OUT,
    LEFT_OUT,
    Camera,
    draw_views,
    find_panoramas,
    view,
)
from undim.training.data.radiance import read_radiance
from undim.training.data.rendering import Rendering, develop, fuse, render, stops_wanted
from undim.training.nets.local_light import LocalLightNet, largest_drops
from undim.training.objectives import train
from undim.training.objectives.local_light import Capture, LocalLightRecipe

RAMP = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)


def any_grid(net: LocalLightNet, seed: int, size: float) -> np.ndarray:
    """A grid that the last layer could answer with, of numbers of any size: (1, Z, h, w)."""
    generator = torch.Generator().manual_seed(seed)
    u = size * torch.randn(1, net.drops.shape[0] + 1, 3, 4, generator=generator)
    return net.strengths(u)[0].numpy()[None]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.sampled_from([0.3, 1.0, 10.0, 1e6]),
    levels=st.sampled_from([2, 8, 12]),
    strength=st.sampled_from([0.5, 1.0, 1.2 * 1.5]),  # video trims maps by up to a fifth
)
def test_no_grid_turns_tones_over_darkens_or_rises_with_brightness(
    seed: int, size: float, levels: int, strength: float
) -> None:
    grid = any_grid(LocalLightNet(levels=levels).eval(), seed, size)
    assert grid.min() >= 0
    assert grid.max() <= 1
    assert (np.diff(grid, axis=1) <= 1e-6).all()
    for place in grid.reshape(levels, -1).T:
        maps = np.clip(np.float32(strength) * place.reshape(1, levels, 1, 1), 0, 1)
        bright = apply_curves(RAMP, maps)
        level = bright[0, :, 0].astype(int)
        assert np.diff(level).min() >= -1
        assert (level >= np.arange(256)).all()


def test_the_order_test_can_fail() -> None:
    """Strengths that fall from 1 to 0 between two levels turn tones over."""
    net = LocalLightNet()
    free = np.zeros((1, 8, 1, 1), np.float32)
    free[:, :4] = 1
    level = apply_curves(RAMP, free)[0, :, 0].astype(int)
    assert np.diff(level).min() < -10
    assert net.drops.max() < 0.5


def test_the_largest_drops_follow_the_flow() -> None:
    """For many small steps the bound is (g' - g) / (n g (1 - g)) where g (1 - g) is largest."""
    levels = np.linspace(0, 1, 9) ** 2
    drops = largest_drops(9, 8).numpy()
    for low, high, drop in zip(levels[:-1], levels[1:], drops, strict=True):
        inside = np.linspace(low, high, 50)
        flow = 0.8 / 1.5 * (high - low) / (8 * (inside * (1 - inside)).max())
        assert 0.5 * flow < drop <= 1.05 * flow


def test_a_new_net_is_the_identity() -> None:
    image = torch.rand(2, 3, 20, 31)
    assert torch.equal(enhance(image, LocalLightNet()(image)), image)


@pytest.mark.parametrize("levels", [2, 8])
def test_the_curve_with_levels_is_the_one_that_ships(levels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 17, 23, generator=generator)
    maps = torch.rand(1, 1, levels, 3, 4, generator=generator)
    expected = apply_curves(image[0].permute(1, 2, 0).numpy(), maps[0].numpy())
    got = enhance(image, maps)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(got, expected, atol=2e-6)


def scene(dark: float, bright: float, share: float = 0.5) -> torch.Tensor:
    """Textured light (1, 3, 48, 64), a share of its columns bright."""
    texture = 0.7 + 0.6 * torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    level = torch.full((1, 1, 48, 64), dark)
    level[..., : int(64 * share)] = bright
    return texture * level


P = torch.full((1, 1, 1, 1), 1.2)


def test_the_rule_leaves_a_well_lit_scene_as_it_is() -> None:
    light = scene(0.15, 0.6)
    assert stops_wanted(light, Rendering()) == 0
    np.testing.assert_allclose(render(light, P, Rendering()), develop(light, P), atol=1e-5)


def test_the_rule_lifts_dark_places_beside_bright_ones_that_stay() -> None:
    light = scene(0.004, 0.6)
    captured, wanted = develop(light, P), render(light, P, Rendering())
    assert (wanted >= captured - 1e-5).all()
    assert wanted[..., 40:].mean() > 2 * captured[..., 40:].mean()
    assert (wanted - captured)[..., 4:24].mean() < 0.12


def test_the_rule_asks_for_more_the_more_a_picture_lacks() -> None:
    stops = [
        float(stops_wanted(scene(dark, dark), Rendering())) for dark in (0.2, 0.08, 0.03, 2e-3)
    ]
    assert stops[0] == 0
    assert stops == sorted(stops)
    assert stops[-1] == Rendering().most
    with pytest.raises(ConfigError, match=r"rendering\.most"):
        Rendering(most=9)


def test_fusion_takes_each_place_from_where_it_is_well_exposed() -> None:
    """The texture of either half is seen in one exposure only; grey pictures have no saturation."""
    texture = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(0)).expand(
        1, 3, -1, -1
    )
    dark, bright = 0.5 * texture, 0.5 + 0.5 * texture
    dark[..., :48], bright[..., 48:] = 0, 1
    used = torch.ones(1, 2, dtype=torch.bool)
    fused = fuse(torch.stack([dark, bright], 1), used, Rendering().flat)
    assert fused[..., 8:40].std() > 0.8 * bright[..., 8:40].std()
    assert fused[..., 56:88].std() > 0.8 * dark[..., 56:88].std()
    same = torch.stack([texture, texture], 1)
    np.testing.assert_allclose(fuse(same, used, Rendering().flat), texture, atol=1e-5)
    only = fuse(torch.stack([texture, bright], 1), torch.tensor([[True, False]]), Rendering().flat)
    np.testing.assert_allclose(only, texture, atol=1e-5)


def test_a_clear_sky_keeps_its_exposure() -> None:
    light = scene(0.004, 0.004)
    light[..., :24, :] = 0.4
    captured, wanted = develop(light, P), render(light, P, Rendering())
    assert stops_wanted(light, Rendering()) > 2
    assert abs(float((wanted - captured)[..., :12, :].mean())) < 0.05


def test_a_view_of_a_panorama_looks_where_it_is_told() -> None:
    """A panorama whose radiance is its longitude and latitude."""
    y, x = np.mgrid[0:64, 0:128].astype(np.float32)
    panorama = np.stack([x, y, np.ones_like(x)], axis=2)
    middle = view(panorama, (9, 9), (20, 0, 0, 0), 1e9)[4, 4]
    assert middle[:2] == pytest.approx((63.5, 31.5), abs=0.6)
    right = view(panorama, (9, 9), (20, 90, 0, 0), 1e9)[4, 4]
    assert right[0] == pytest.approx(95.5, abs=0.6)
    views = draw_views(panorama, 5, (8, 12), np.random.default_rng(0), Camera())
    assert views.shape == (5, 8, 12, 3)


def write_hdr(path: Path, pixels: np.ndarray) -> None:
    """A Radiance file, run-length encoded: each row's planes as copies of at most 128 bytes."""
    height, width = pixels.shape[:2]
    exponent = np.ceil(np.log2(pixels.max(axis=2) + 1e-12)).astype(int)
    mantissa = np.minimum(pixels * 256 * 2.0 ** -exponent[..., None], 255).astype(np.uint8)
    rgbe = np.concatenate([mantissa, (exponent[..., None] + 128).astype(np.uint8)], axis=2)
    body = b""
    for row in rgbe:
        body += bytes((2, 2, width >> 8, width & 255))
        for plane in row.T:
            for start in range(0, width, 128):
                piece = plane[start : start + 128].tobytes()
                body += bytes((len(piece),)) + piece
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n"
    path.write_bytes(head.encode() + body)


def test_radiance_is_read_to_its_precision(tmp_path: Path) -> None:
    light = (2.0 ** np.random.default_rng(0).uniform(-8, 12, (16, 40, 3))).astype(np.float32)
    write_hdr(tmp_path / "a.hdr", light)
    error = np.abs(read_radiance(tmp_path / "a.hdr") - light)
    assert (error <= light.max(axis=2, keepdims=True) / 128).all()


@pytest.mark.parametrize("content", [b"", b"#?RADIANCE\n\n-Y 4 +X 16\n", b"PNG"])
def test_a_damaged_panorama_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.hdr").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.hdr"):
        read_radiance(tmp_path / "a.hdr")


def test_held_out_panoramas_are_not_learned_from(shared: Path) -> None:
    folder = shared / "data" / "hdri"
    learned = {file.name for file in find_panoramas(folder)}
    held_out = {file.name for file in find_panoramas(folder, held_out=True)}
    assert held_out == set(HELD_OUT)
    assert len(held_out) >= 15
    assert not learned & (held_out | set(LEFT_OUT))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two photographs and two panoramas."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "hdri").mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        coarse = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((120, 80)).save(tmp_path / "photos" / f"{i}.png")
        light = 2.0 ** np.kron(rng.uniform(-6, 4, (8, 16, 1)), np.ones((8, 8, 1)))
        write_hdr(tmp_path / "hdri" / f"{i}.hdr", (light * np.ones(3)).astype(np.float32))
    return tmp_path


RECIPE = LocalLightRecipe(
    name="test",
    description="",
    training_data="none",
    licence="CC0-1.0",
    folders=("photos",),
    width=16,
    views=6,
    crops=4,
    batch=8,
    steps=30,
    learning_rate=5e-3,
)


def recipe_file(folder: Path, *lines: str) -> Path:
    path = folder / "recipe.toml"
    keys = ("name", "description", "training_data", "licence", "width", "views", "crops", "batch")
    values = [f"{key} = {getattr(RECIPE, key)!r}".replace("'", '"') for key in keys]
    head = ['trainer = "local-light"', 'folders = ["photos"]', "steps = 30", *values]
    path.write_text("\n".join([*head, *lines]))
    return path


def test_a_short_training_gives_a_model_that_lifts_what_is_dark(data: Path, tmp_path: Path) -> None:
    run, model = train(
        recipe_file(tmp_path), [], data, tmp_path / "run", resume=False, device="auto"
    )
    assert model == run / "model.onnx"
    again = train(recipe_file(tmp_path), [], data, tmp_path / "again", resume=False, device="auto")[
        1
    ]
    assert again is not None
    info = Enhancer(model).info
    assert (info.guide, info.levels, info.net) == ("max", 8, "LocalLightNet")
    dark = np.full((64, 96, 3), 12, np.uint8)
    assert Enhancer(model)(dark).mean() > dark.mean()
    assert model.read_bytes() == again.read_bytes()
    with pytest.raises(TrainingError, match="without --resume"):
        train(recipe_file(tmp_path), [], data, run, resume=True, device="auto")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("levels = 1", "levels = 1"),
        ('model = "DCENet"', "unknown 'DCENet'"),
        ("photographs = 1.5", "photographs = 1.5"),
        ("[rendering]\nwidth = 3.3", "did you mean"),
        ("[capture]\nstops = 3", "stops = 3"),
    ],
)
def test_bad_recipes_are_named(data: Path, tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        train(recipe_file(tmp_path, line), [], data, None, resume=False, device="auto")


def test_ranges_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"capture\.bright"):
        replace(RECIPE, capture=Capture(bright=2.0))
