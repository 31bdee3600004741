"""Dark captures behave as a camera's would, and the undim net learns to undo them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d, interpolate

from undim.enhancer import Enhancer
from undim.errors import ConfigError, DataError, DeviceError, TrainingError
from undim.images import Picture, encode
from undim.training import objectives
from undim.training.config import build, read_values
from undim.training.curve import enhance
from undim.training.data.darkening import (
    Darkening,
    darken,
    gaussian_blur,
    lamp_light,
    linear_to_srgb,
    srgb_to_linear,
    tone_curve,
)
from undim.training.nets import count_parameters
from undim.training.nets.undim import UndimNet, highlight_restraint
from undim.training.objectives.exposure import (
    ExposureRecipe,
    draw_pairs,
    scene_crops,
    train_exposure,
)

RECIPE = Path(__file__).parents[2] / "recipes" / "undim-global.toml"
IDEAL = Darkening(stops=(0, 0), cast=0, flare=0, shot=(1e-12, 1e-12), jpeg=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 8, side: int = 16) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=seeded(7))


def shipped_recipe() -> ExposureRecipe:
    return build(ExposureRecipe, read_values(RECIPE))


def new_net() -> UndimNet:
    torch.manual_seed(0)
    return UndimNet()


def test_srgb_and_the_tone_curve_have_their_inverses() -> None:
    v = torch.linspace(0, 1, 256)
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(v)), v, atol=1e-6, rtol=0)
    assert srgb_to_linear(torch.tensor(0.5)).item() == pytest.approx(0.21404, abs=1e-5)
    for p in (0.7, 1.0, 1.8):
        there = tone_curve(v, torch.tensor(p))
        torch.testing.assert_close(tone_curve(there, torch.tensor(1 / p)), v, atol=1e-5, rtol=0)
        assert (there.diff() >= 0).all()


def test_a_capture_with_all_the_light_and_no_noise_is_the_photograph() -> None:
    clean = pictures()
    dark, ideal = darken(clean, IDEAL, seeded())
    torch.testing.assert_close(ideal, clean, atol=1e-4, rtol=0)
    torch.testing.assert_close(dark, clean, atol=0.51 / 255, rtol=0)


def test_one_stop_is_half_the_light() -> None:
    clean = pictures()
    _, ideal = darken(clean, dataclasses.replace(IDEAL, stops=(1, 1), contrast=(1, 1)), seeded())
    torch.testing.assert_close(srgb_to_linear(ideal), srgb_to_linear(clean) / 2, atol=1e-5, rtol=0)


def test_less_light_is_darker_and_noise_has_the_stated_variance() -> None:
    grey = torch.full((1, 3, 128, 128), 0.5)
    noisy = Darkening(
        stops=(2, 2), contrast=(1, 1), cast=0, flare=0, shot=(4e-4, 4e-4), read=(0.02, 0.02), jpeg=0
    )
    dark, ideal = darken(grey, noisy, seeded())
    darker, _ = darken(grey, dataclasses.replace(noisy, stops=(4, 4)), seeded())
    assert darker.mean() < dark.mean() < 0.5
    signal = srgb_to_linear(ideal).mean().item()
    wanted = (4e-4 * signal + 4e-4 * 4e-4) ** 0.5
    assert srgb_to_linear(dark).std().item() == pytest.approx(wanted, rel=0.1)


def test_blur_correlates_noise_and_keeps_its_variance() -> None:
    white = torch.randn(1, 1, 256, 256, generator=seeded())
    coloured = gaussian_blur(white, torch.tensor([1.2]))
    assert coloured.std().item() == pytest.approx(1, rel=0.05)
    neighbours = torch.corrcoef(
        torch.stack([coloured[..., 1:].flatten(), coloured[..., :-1].flatten()])
    )[0, 1]
    assert neighbours > 0.7


def test_a_lamp_above_clipping_can_stay_white_in_the_dark() -> None:
    clean = pictures()
    lamps = lamp_light(clean, share=1.0, largest=0.5, generator=seeded())
    assert (lamps[lamps > 0] > 1).all()
    dark, _ = darken(clean, dataclasses.replace(IDEAL, stops=(3, 3)), seeded(), lamps=lamps)
    assert (dark[lamps >= 8] == 1).all()
    assert lamp_light(clean, share=0.0, largest=0.5, generator=seeded()).sum() == 0


def test_a_capture_is_a_function_of_its_seed() -> None:
    first, second, other = (darken(pictures(), Darkening(), seeded(s))[0] for s in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_new_net_is_the_identity_and_sees_no_places_in_the_dark() -> None:
    image = pictures(2, 12) / 3
    net = new_net().eval()
    assert net(image).abs().max() == 0
    torch.nn.init.normal_(net.layers[-1].weight)
    maps = net(image)
    assert maps.shape == (2, 8, 12, 12)
    assert maps.abs().max() <= 1
    assert (maps == maps[:, :, :1, :1]).all()
    shuffled = image.flatten(2)[:, :, torch.randperm(144, generator=seeded())].reshape(image.shape)
    torch.testing.assert_close(net(shuffled), maps)
    assert count_parameters(net) == 8072


def brightened(light: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    return enhance(light, numbers[:, :, None, None] * highlight_restraint(light, numbers))


def test_the_restraint_leaves_dark_pictures_alone_and_spares_lit_places() -> None:
    numbers = torch.full((1, 8), 0.5)
    dark = 0.45 * torch.rand(1, 1, 24, 24, generator=seeded())
    assert (highlight_restraint(dark, numbers) == 1).all()
    window = dark / 20
    window[..., 6:18, 6:18] = 0.6 + 0.3 * torch.rand(1, 1, 12, 12, generator=seeded(1))
    freely = enhance(window, numbers[:, :, None, None])
    bright = brightened(window, numbers)
    assert freely[..., 8:16, 8:16].min() > 0.97
    assert bright[..., 8:16, 8:16].max() < 0.94
    assert (bright >= window - 1e-6).all()
    assert (bright <= freely + 1e-6).all()
    bright[..., 4:20, 4:20] = freely[..., 4:20, 4:20]
    torch.testing.assert_close(bright, freely)  # two places beyond the window


def test_the_restraint_draws_no_rim_of_light_into_a_sky_beside_a_tower() -> None:
    """The sky may get lighter towards the tower, but not within a few pixels.

    640 px, whose thumbnail has 64 places.
    """
    scene = torch.full((1, 1, 640, 640), 0.7)
    scene[..., 200:, 205:400] = 0.05
    numbers = torch.full((1, 8), 0.3)
    maps = numbers[:, :, None, None] * highlight_restraint(avg_pool2d(scene, 10), numbers)
    row = 255 * enhance(scene, interpolate(maps, size=(640, 640), mode="bilinear"))[0, 0, 400]
    assert row[:205].diff().max() < 1.2  # levels from pixel to pixel
    assert row[:170].std() < 1e-3


def test_the_restraint_draws_no_dark_ring_into_the_glow_of_a_lamp() -> None:
    across = torch.arange(64).float()
    distance = ((across - 20).square()[:, None] + (across - 20).square()).sqrt()
    for reach in (2.0, 5.0, 8.0, 12.0, 20.0):
        glow = (1 / (1 + (distance / reach).square()))[None, None]
        for a in (0.1, 0.3, 0.5, 0.7, 1.0):
            bright = 255 * brightened(glow, torch.full((1, 8), a))[0, 0, 20, 20:]
            assert bright.diff().max() < 0.6  # levels
        assert (highlight_restraint(glow, torch.zeros(1, 8)) == 1).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("stopps=[1, 2]", "unknown 'stopps'"),
        ("darkening.stops=[1]", "stops = [1]: expected 2 of float, float"),
        ("darkening.stopps=[1, 2]", "did you mean 'stops'?"),
        ("steps=many", "steps = 'many' is a str; expected int"),
        ("steps=0", "steps = 0: expected 1 or more"),
        ("folders=[]", "folders = 0: expected 1 or more"),
        ("model=DCENett", "did you mean 'DCENet'?"),
        (
            "darkening.shot=[0.0, 1e-3]",
            "darkening.shot = [0.0, 0.001]: expected two values from 1e-12 to 32",
        ),
        (
            "darkening.quality=[98, 75]",
            "darkening.quality = [98, 75]: expected two values from 1 to 100, the smaller",
        ),
        ("darkening.stops=[nan, 2.0]", "darkening.stops = [nan, 2.0]: expected two values"),
        ("darkening.jpeg=3.0", "darkening.jpeg = 3.0: expected a share, 0 to 1"),
        ("well_lit=3.0", "well_lit = 3.0: expected a share, 0 to 1"),
        ("seed=-1", "seed = -1: expected 0 or more"),
        ("trainer=exposures", "trainer = 'exposures'; there are: zero-reference, exposure"),
    ],
)
def test_a_wrong_key_is_named(change: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        objectives.train(RECIPE, [change], tmp_path, None, resume=False, device="auto")
    assert str(caught.value).startswith(str(RECIPE))


def test_crops_come_from_photographs(tmp_path: Path) -> None:
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    crops = scene_crops([tmp_path / "grey.png"], crops=3, seed=0)
    assert crops.shape == (3, 3, 24, 24)
    assert (crops == 90).all()


def test_photographs_of_16_bits_serve_as_well(tmp_path: Path) -> None:
    picture = Picture(np.full((60, 80, 3), 90 * 257, np.uint16))
    (tmp_path / "deep.png").write_bytes(encode(picture, "png"))
    assert (scene_crops([tmp_path / "deep.png"], crops=2, seed=0) == 90).all()


def test_three_maps_would_be_one_for_each_channel() -> None:
    with pytest.raises(ConfigError, match="iterations = 3"):
        UndimNet(iterations=3)


def test_a_recipe_makes_a_run_with_a_model(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / "noise.png")
    changes = ["folders=['photos']", "steps=105", "batch=4", "crops=4"]
    given = {"resume": False, "device": "auto"}
    run, model = objectives.train(RECIPE, changes, tmp_path, tmp_path / "run", **given)
    assert model == run / "model.onnx"
    assert build(ExposureRecipe, read_values(run / "recipe.toml")).folders == ("photos",)
    assert (run / "log.csv").read_text().startswith("epoch,split,loss,log_error,seconds\n1,train,")
    assert (run / "log.csv").read_text().count("\n") == 3, "the last steps are logged too"
    assert Enhancer(model)(photo).shape == photo.shape
    assert Enhancer(model).info.parameters == 8072
    with pytest.raises(TrainingError, match="is not empty"):
        objectives.train(RECIPE, changes, tmp_path, run, **given)
    with pytest.raises(TrainingError, match="without --resume"):
        objectives.train(RECIPE, changes, tmp_path, run, resume=True, device="auto")
    with pytest.raises(DataError, match="holds no folder absent"):
        objectives.train(RECIPE, ["folders=['absent']"], tmp_path, tmp_path / "other", **given)


@pytest.mark.parametrize("recipe", [RECIPE, RECIPE.with_name("undim-denoiser.toml")])
def test_what_is_for_one_process_on_the_processor_refuses_more(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeviceError, match="trains on the processor; leave --device away"):
        objectives.train(recipe, [], tmp_path, tmp_path / "run", resume=False, device="cuda")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="start it without torchrun"):
        objectives.train(recipe, [], tmp_path, tmp_path / "run", resume=False, device="auto")
    assert not (tmp_path / "run").exists()


def test_training_brightens_the_dark_and_leaves_the_well_lit() -> None:
    recipe = dataclasses.replace(shipped_recipe(), steps=150, batch=16, learning_rate=5e-3)
    scenes = (pictures(16, 24) * 255).byte()
    dark, wanted = draw_pairs(scenes, recipe, seeded())
    assert torch.equal(dark[:5], wanted[:5])
    net = new_net()
    train_exposure(net, recipe, scenes)
    with torch.no_grad():
        error = (enhance(dark, net(dark)) - wanted).square().flatten(1).mean(1)
    before = (dark - wanted).square().flatten(1).mean(1)
    assert error[5:].mean() < 0.3 * before[5:].mean()
    assert error[:5].mean() < 0.02


def test_the_same_seed_trains_the_same_net() -> None:
    recipe: ExposureRecipe = dataclasses.replace(shipped_recipe(), steps=3, batch=8)
    scenes = (pictures(8, 24) * 255).byte()
    first, second = new_net(), new_net()
    for net in (first, second):
        train_exposure(net, recipe, scenes)
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
