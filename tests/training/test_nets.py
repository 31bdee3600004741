"""One contract for every model of the training wing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from undim.errors import ModelError
from undim.model import pretrained
from undim.model.runtime import CurveEstimator
from undim.pixels.curve import apply_curves
from undim.training.checkpoints import load_model, save_model
from undim.training.curve import enhance
from undim.training.export import TOLERANCE, export_onnx
from undim.training.nets import INITIALISATIONS, MODELS, count_parameters, initialise

# what each model declares: parameters as made, and number of maps for n iterations
PARAMETERS = {"DCENet": 79_416, "DCENetPP": 10_561, "UndimNet": 8_072, "LocalLightNet": 27_336}
MAPS = {"DCENet": lambda n: 3 * n, "DCENetPP": lambda n: 3, "UndimNet": lambda n: n}
LEVELS = {"LocalLightNet": 8}
METADATA = {
    "name": "test",
    "version": "1",
    "maps_size": "64",
    "recipe": "test",
    "recipe_sha256": "0" * 64,
    "training_data": "none",
    "licence": "CC0-1.0",
    "parameters": "0",
}


def maps_shape(name: str, n: int, b: int, h: int, w: int) -> tuple[int, ...]:
    """Maps of the picture's size, or at levels of brightness one for 8 x 8 pixels."""
    return (
        (b, 1, LEVELS[name], -(-h // 8), -(-w // 8)) if name in LEVELS else (b, MAPS[name](n), h, w)
    )


def described(name: str, iterations: int = 8, **facts: object) -> dict[str, str]:
    """The metadata of such a net."""
    levels = {"guide": "max", "levels": LEVELS[name]} if name in LEVELS else {}
    facts = {"model": name, "iterations": iterations, **levels, **facts}
    return METADATA | {key: str(value) for key, value in facts.items()}


def make(name: str, **arguments: int) -> torch.nn.Module:
    """A model whose every weight matters."""
    torch.manual_seed(0)
    model = MODELS[name](**arguments)
    initialise(model, "glorot")
    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, 0, 0.1)
    return model.eval()


def picture(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_convention_parameter_counts_are_the_published_ones(name: str) -> None:
    assert count_parameters(MODELS[name]()) == PARAMETERS[name]


@pytest.mark.parametrize(
    "shape", [(1, 3, 1, 1), (1, 3, 37, 53), (2, 3, 16, 16), (1, 3, 1, 9), (3, 3, 5, 2)]
)
def test_any_batch_and_any_size(name: str, shape: tuple[int, ...]) -> None:
    maps = make(name)(picture(*shape))
    assert maps.shape == maps_shape(name, 8, shape[0], *shape[2:])
    assert maps.abs().max() <= 1


def test_iterations_and_width_are_plain_arguments(name: str) -> None:
    model = make(name, iterations=4, width=8)
    maps = model(picture(1, 3, 16, 16))
    assert maps.shape == maps_shape(name, 4, 1, 16, 16)
    assert count_parameters(model) < PARAMETERS[name]
    assert enhance(picture(1, 3, 16, 16), maps, iterations=4).shape == (1, 3, 16, 16)


def test_pictures_of_a_batch_do_not_meet(name: str) -> None:
    model, batch = make(name), picture(3, 3, 20, 17)
    with torch.no_grad():
        alone = torch.cat([model(picture[None]) for picture in batch])
        torch.testing.assert_close(model(batch), alone, rtol=0, atol=1e-6)


def test_every_parameter_learns(name: str) -> None:
    model, low = make(name), picture(2, 3, 19, 23)
    enhance(low, model(low)).square().mean().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("width", [8, 32])
def test_save_and_load(name: str, width: int, tmp_path: Path) -> None:
    model, path = make(name, iterations=5, width=width), tmp_path / "m.safetensors"
    metadata = described(name, 5, width=width)
    save_model(model.to(memory_format=torch.channels_last), path, metadata)
    loaded, found = load_model(path)
    assert found == metadata
    assert loaded.iterations == 5
    low = picture(1, 3, 11, 13)
    assert torch.equal(loaded(low), model.to(memory_format=torch.contiguous_format)(low))


def test_the_onnx_file_equals_the_net(name: str, tmp_path: Path) -> None:
    model, path = make(name, width=8), tmp_path / "m.onnx"
    difference = export_onnx(model, path, described(name))
    assert difference < 1e-5 < TOLERANCE
    assert CurveEstimator(path).info.name == "test"
    assert_equal_maps(path, model)


def assert_equal_maps(file: Path, model: torch.nn.Module) -> None:
    """File and net say the same of bright and of dark pictures."""
    estimator = CurveEstimator(file)
    glow = torch.linspace(1, -3, 50).clamp_min(0).expand(1, 3, 31, 50)
    dark = [brightness * picture(1, 3, 31, 50) for brightness in (1, 0.3, 0.05, 0.01, 0)]
    for low in (*dark, glow, torch.maximum(glow, dark[2])):
        maps = estimator(low[0].permute(1, 2, 0).numpy())
        with torch.no_grad():
            np.testing.assert_allclose(maps, model(low)[0].numpy(), atol=1e-5)


@pytest.mark.parametrize("shipped", pretrained.MODELS)
def test_shipped_files_of_both_kinds_hold_the_same_net(shipped: str) -> None:
    file = pretrained.MODELS[shipped].path
    model, metadata = load_model(file.with_suffix(".safetensors"))
    assert metadata["name"] == shipped
    assert_equal_maps(file, model)


def test_the_onnx_file_says_nothing_of_the_machine(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    export_onnx(make(name, width=8), path, described(name))
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()
    assert b".py" not in path.read_bytes()
    onnx.checker.check_model(onnx.load(path), full_check=True)


def test_a_net_that_is_not_finite_is_not_exported(name: str, tmp_path: Path) -> None:
    model = make(name, width=8)
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(ModelError, match="differs from the net by nan"):
        export_onnx(model, tmp_path / "m.onnx", described(name))
    assert list(tmp_path.iterdir()) == []


def test_bfloat16_is_close(name: str) -> None:
    """Autocast keeps maps within 0.02 of float32: below one step of 8 bits an iteration."""
    model, low = make(name), picture(2, 3, 40, 40)
    with torch.no_grad():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(low)
        assert (half.float() - model(low)).abs().max() < 0.02


@pytest.mark.parametrize("rule", INITIALISATIONS)
def test_initialisation(rule: str) -> None:
    torch.manual_seed(0)
    model = MODELS["DCENet"]()
    initialise(model, rule)
    weights = [p.detach() for key, p in model.named_parameters() if key.endswith("weight")]
    assert abs(float(torch.cat([w.flatten() for w in weights]).mean())) < 0.01
    for w in weights:
        outputs, inputs, height, width = w.shape
        glorot = (2 / ((inputs + outputs) * height * width)) ** 0.5
        assert float(w.std()) == pytest.approx(0.02 if rule == "normal" else glorot, rel=0.06)
    assert all((p == 0).all() for key, p in model.named_parameters() if key.endswith("bias"))


def test_convention_positive_maps_brighten() -> None:
    low = torch.full((1, 3, 4, 4), 0.25)
    bright = enhance(low, torch.full((1, 24, 4, 4), 0.5))
    dark = enhance(low, torch.full((1, 24, 4, 4), -0.5))
    assert (bright > low).all()
    assert (dark < low).all()
    assert torch.equal(enhance(low, torch.zeros(1, 24, 4, 4)), low)


@pytest.mark.parametrize("channels", [1, 3, 8, 24])
def test_the_curve_is_the_one_that_ships(channels: int) -> None:
    """The differentiable curve equals the NumPy reference that inference is tested against."""
    low, maps = picture(1, 3, 9, 11), picture(1, channels, 9, 11) * 2 - 1
    expected = apply_curves(low[0].permute(1, 2, 0).numpy(), maps[0].numpy(), iterations=8)
    np.testing.assert_allclose(enhance(low, maps)[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)


def test_a_wrong_number_of_maps_is_named() -> None:
    with pytest.raises(ValueError, match="5 channels; 8 iterations need 1, 3, 8 or 24"):
        enhance(torch.zeros(1, 3, 2, 2), torch.zeros(1, 5, 2, 2))


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"model": "DCENet", "iterations": "8", "width": "9"}, "size mismatch"),
        ({"model": "UNet", "iterations": "8", "width": "8"}, "UNet"),
        ({}, "model"),
    ],
)
def test_a_foreign_safetensors_file_is_refused(
    metadata: dict[str, str], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.safetensors"
    save_model(make("DCENet", width=8), path, metadata)
    with pytest.raises(ModelError, match=words):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64])
def test_a_damaged_safetensors_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="safetensors"):
        load_model(path)


def test_weights_of_silent_units_leave_no_subnormal_numbers_in_the_file(tmp_path: Path) -> None:
    """Processors may be forty times slower with them."""
    net = MODELS["DCENet"](iterations=8, width=8)
    with torch.no_grad():
        net.layers[1].weight[3] = 1e-39
    export_onnx(net, tmp_path / "model.onnx", {})
    weights = [
        onnx.numpy_helper.to_array(w) for w in onnx.load(tmp_path / "model.onnx").graph.initializer
    ]
    assert all(((w == 0) | (np.abs(w) > 1e-30)).all() for w in weights if w.dtype == np.float32)
    assert any((w == 0).sum() >= 72 for w in weights)
