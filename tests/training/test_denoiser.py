"""Pairs for the denoiser are alike but for noise, and the net learns the way between them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from undim.enhancer import Enhancer
from undim.errors import ConfigError, TrainingError
from undim.model.pretrained import DENOISER
from undim.pixels.noise import noise_added
from undim.training.checkpoints import save_checkpoint
from undim.training.config import build, read_values
from undim.training.curve import enhance
from undim.training.data.darkening import Darkening, darken
from undim.training.export import export_onnx
from undim.training.nets import count_parameters
from undim.training.nets.denoiser import DenoiserNet
from undim.training.objectives.denoiser import (
    DenoiserRecipe,
    clean_patches,
    course,
    curve_to,
    draw_pairs,
    filtered,
    grain,
    rate,
    train_denoiser,
)

RECIPE = Path(__file__).parents[2] / "recipes" / "undim-denoiser.toml"


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth_patches(n: int = 4) -> torch.Tensor:
    ramp = torch.linspace(40, 220, 96)
    return (ramp[:, None] * 0.5 + ramp * 0.5).expand(n, 3, 96, 96).byte()


def small(steps: int) -> DenoiserRecipe:
    return dataclasses.replace(
        build(DenoiserRecipe, read_values(RECIPE)), widths=(4, 4, 4), steps=steps, decay=1, batch=2
    )


def test_a_new_net_gives_back_the_filtered_picture_and_is_small() -> None:
    both = torch.rand(2, 6, 16, 24, generator=seeded())
    net = DenoiserNet()
    torch.testing.assert_close(net(both), both[:, 3:], rtol=0, atol=0)
    assert count_parameters(net) == 65_308


def test_a_sample_depends_on_less_than_48_px_around_it() -> None:
    torch.manual_seed(0)
    net = DenoiserNet((4, 4, 4)).double()
    for layer in (net.last, net.lift1, net.lift2):
        torch.nn.init.normal_(layer.weight)
    image = torch.rand(1, 6, 144, 144, generator=seeded(), dtype=torch.float64)
    reach = 0
    for place in range(64, 72):  # every place in a block of 8
        picture = image.clone().requires_grad_()
        net(picture)[0, :, place, place].sum().backward()
        assert picture.grad is not None
        seen = picture.grad.abs().sum((0, 1)).nonzero()
        reach = max(reach, int((seen - place).abs().max()))
    assert 32 < reach < 48


def test_grain_has_unit_variance_and_many_looks() -> None:
    noise = grain((200, 3, 32, 32), seeded())
    assert noise.std().item() == pytest.approx(1, rel=0.05)
    red, green, _ = noise.unbind(1)
    common = (red * green).mean((1, 2))
    assert common.min() < 0.15
    assert common.max() > 0.7
    fine = (noise[..., 1:] * noise[..., :-1]).mean((1, 2, 3))
    assert fine.min() < 0.2
    assert fine.max() > 0.7


def test_given_grain_is_the_noise_of_a_capture() -> None:
    clean = torch.full((1, 3, 32, 32), 0.5)
    ranges = Darkening(stops=(2, 2), cast=0, flare=0, shot=(1e-3, 1e-3), jpeg=0)
    none, ideal = darken(clean, ranges, seeded(), grain=torch.zeros_like(clean))
    torch.testing.assert_close(none, ideal, rtol=0, atol=0.51 / 255)
    noisy, _ = darken(clean, ranges, seeded(), grain=torch.ones_like(clean))
    assert (noisy > none + 2 / 255).all()


def test_subsampled_jpeg_loses_colour() -> None:
    clean = torch.rand(1, 3, 32, 32, generator=seeded())
    stored = Darkening(stops=(0, 0), cast=0, flare=0, shot=(1e-12, 1e-12), jpeg=1, quality=(98, 98))
    full, _ = darken(clean, stored, seeded())
    halved, _ = darken(clean, dataclasses.replace(stored, subsampled=1.0), seeded())
    assert (halved - clean).square().mean() > 4 * (full - clean).square().mean()


def test_a_curve_brings_a_picture_to_a_brightness() -> None:
    image = 0.1 * torch.rand(3, 3, 32, 32, generator=seeded())
    wanted = torch.tensor([0.2, 0.4, 0.5])
    maps = curve_to(image, wanted, torch.zeros(3, 8, 1, 1))
    assert maps.shape == (3, 8, 1, 1)
    torch.testing.assert_close(enhance(image, maps).mean((1, 2, 3)), wanted, atol=0.03, rtol=0)


def test_pairs_share_their_curve_and_differ_by_noise() -> None:
    recipe = dataclasses.replace(build(DenoiserRecipe, read_values(RECIPE)), batch=4)
    both, wanted = draw_pairs(smooth_patches(), recipe, seeded())
    assert both.shape == (4, 6, 96, 96)
    assert wanted.shape == (4, 3, 96, 96)
    assert wanted.mean((1, 2, 3)).min() > 0.1
    noisy, smooth = both[:, :3], both[:, 3:]
    assert (noisy - wanted).abs().mean() > 0.005
    roughness = [x.diff(dim=3).abs().mean() for x in (noisy, smooth, wanted)]
    assert roughness[0] > 1.5 * roughness[1] > 1.5 * roughness[2]


def test_the_filter_is_that_of_the_photo_path() -> None:
    dark = 0.1 * torch.rand(1, 3, 64, 64, generator=seeded())
    maps = torch.full((1, 8, 1, 1), 0.4)
    enhancer = Enhancer(threads=1)
    image = dark[0].permute(1, 2, 0).numpy()
    curve = maps[0].numpy()
    added = noise_added(image, enhancer.apply(image, curve, 1.0, 0.0))
    eps = enhancer._filter_eps(image, "auto", added)
    wanted = enhancer.apply(image, curve, 1.0, eps)
    got = filtered(dark, maps, torch.ones(1))[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(got, wanted, atol=2e-3)


def test_patches_come_from_photographs_and_need_some(tmp_path: Path) -> None:
    Image.fromarray(np.full((110, 400, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    patches = clean_patches([tmp_path / "grey.png"], patches=11, seed=0)
    assert patches.shape == (11, 3, 96, 96)
    assert (patches == 90).all()
    Image.fromarray(np.full((100, 140, 3), 90, np.uint8)).save(tmp_path / "small.png")
    assert (clean_patches([tmp_path / "small.png"], patches=2, seed=0) == 90).all()


def test_the_shipped_recipe_loads_and_a_wrong_key_is_named(tmp_path: Path) -> None:
    recipe = build(DenoiserRecipe, read_values(RECIPE))
    assert recipe.name == "undim-denoiser"
    assert recipe.darkening.quality == (75, 98)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(RECIPE.read_text("utf-8") + "\nblurr = [1, 2]\n", "utf-8")
    with pytest.raises(ConfigError, match="decay = 0: expected 1 or more"):
        build(DenoiserRecipe, read_values(RECIPE, ["decay=0"]))
    with pytest.raises(ConfigError, match="blurr"):
        build(DenoiserRecipe, read_values(wrong))


def test_the_learning_rate_rises_stays_and_falls() -> None:
    recipe = dataclasses.replace(small(2000), decay=500)
    rates = [rate(step, recipe) for step in range(2000)]
    assert rates[0] < 0.01
    assert set(rates[300:1500]) == {1.0}
    assert rates[1750] == 0.5
    assert 0 < rates[-1] < 0.01


def test_training_takes_noise_away(tmp_path: Path) -> None:
    ranges = Darkening(stops=(3, 3), shot=(1e-3, 1e-3), jpeg=0)
    recipe = dataclasses.replace(
        small(60), widths=(8, 8, 8), batch=4, darkening=ranges, learning_rate=3e-2
    )
    net = train_denoiser(recipe, smooth_patches(), tmp_path)
    both, wanted = draw_pairs(smooth_patches(), recipe, seeded(5))
    with torch.no_grad():
        error = (net(both) - wanted).square().mean()
    assert error < 0.9 * (both[:, 3:] - wanted).square().mean()


def test_a_resumed_run_ends_where_an_unbroken_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("undim.training.objectives.denoiser.CHAPTER", 2)
    unbroken = train_denoiser(small(4), smooth_patches(), tmp_path / "unbroken").state_dict()

    def stop(path: Path, *arguments: object) -> None:
        save_checkpoint(path, *arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("undim.training.objectives.denoiser.save_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            train_denoiser(
                small(9), smooth_patches(), tmp_path / "broken"
            )  # its length may still change
    resumed = train_denoiser(small(4), smooth_patches(), tmp_path / "broken").state_dict()
    assert all(torch.equal(unbroken[key], resumed[key]) for key in unbroken)
    with pytest.raises(TrainingError, match="other pictures"):
        train_denoiser(
            small(4), smooth_patches(), tmp_path / "broken", {"data_fingerprint": "another"}
        )
    with pytest.raises(TrainingError, match="another recipe"):
        train_denoiser(
            small(5), smooth_patches(), tmp_path / "broken"
        )  # its learning rate has fallen
    assert course(small(5), 4) == course(small(9), 4) != course(small(5), 5)


def shipped_net() -> DenoiserNet:
    net = DenoiserNet()
    net.load_state_dict(load_file(DENOISER.path.with_suffix(".safetensors")))
    return net.eval()


def noisy_pair() -> torch.Tensor:
    """A brightened picture of boxes with grain, and the same picture with less of it."""
    generator = torch.Generator().manual_seed(0)
    boxes = 0.2 + 0.5 * torch.rand(1, 3, 8, 12, generator=generator).repeat_interleave(
        16, 2
    ).repeat_interleave(16, 3)
    grain = 0.05 * torch.randn(boxes.shape, generator=generator)
    return torch.cat([boxes + grain, boxes + 0.3 * grain], 1).clamp(0, 1)


def test_the_shipped_files_hold_the_same_net() -> None:
    session = onnxruntime.InferenceSession(DENOISER.path, providers=["CPUExecutionProvider"])
    for brightness in (1, 0.3, 0.01, 0):
        both = brightness * noisy_pair()
        (cleaned,) = session.run(["cleaned"], {"image": both.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(cleaned, shipped_net()(both).numpy(), atol=1e-5)


@pytest.mark.parametrize("level", ["lift1", "lift2"])
def test_the_smaller_levels_of_the_shipped_net_see_and_have_a_say(level: str) -> None:
    """Each level has a say: it is missed when what comes up from it is held at its mean."""
    both, net = noisy_pair(), shipped_net()
    with torch.no_grad():
        whole = net(both)
        getattr(net, level).register_forward_hook(
            lambda _, given, up: up.mean((2, 3), keepdim=True).expand_as(up)
        )
        assert (net(both) - whole).abs().mean() > 1e-3


def test_the_file_says_what_the_net_says(tmp_path: Path) -> None:
    net = DenoiserNet((4, 4, 4))
    torch.nn.init.normal_(net.last.weight, 0, 0.05)
    assert (
        export_onnx(net, tmp_path / "net.onnx", {}, output="cleaned", multiple=8, planes=6) < 1e-5
    )
    session = onnxruntime.InferenceSession(
        tmp_path / "net.onnx", providers=["CPUExecutionProvider"]
    )
    (cleaned,) = session.run(["cleaned"], {"image": np.zeros((1, 6, 40, 24), np.float32)})
    assert cleaned.shape == (1, 3, 40, 24)
