"""The authors' weights: read without trust, in the paper's sign, marked with their licence."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from undim.cli import main
from undim.errors import ModelError
from undim.model.runtime import CurveEstimator
from undim.training.checkpoints import import_released
from undim.training.curve import enhance
from undim.training.nets import MODELS

CONVOLUTIONS = [(3, 32), (32, 32), (32, 32), (32, 32), (64, 32), (64, 32), (64, 24)]


def released(scale: float = 0.1) -> dict[str, torch.Tensor]:
    """A state dict of the shape and with the names that the authors' training code writes."""
    random = torch.Generator().manual_seed(0)
    state = {}
    for i, (inputs, outputs) in enumerate(CONVOLUTIONS, start=1):
        state[f"e_conv{i}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) * scale
        state[f"e_conv{i}.bias"] = torch.randn(outputs, generator=random) * scale
    return state


def released_plus() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    state = {}
    for i, (inputs, outputs) in enumerate([*CONVOLUTIONS[:6], (64, 3)], start=1):
        state[f"e_conv{i}.depth_conv.weight"] = torch.randn(inputs, 1, 3, 3, generator=random) * 0.1
        state[f"e_conv{i}.depth_conv.bias"] = torch.randn(inputs, generator=random) * 0.1
        state[f"e_conv{i}.point_conv.weight"] = (
            torch.randn(outputs, inputs, 1, 1, generator=random) * 0.1
        )
        state[f"e_conv{i}.point_conv.bias"] = torch.randn(outputs, generator=random) * 0.1
    return state


def saved(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("state", "name", "architecture"),
    [
        (released(), "zero-dce-authors", "DCENet"),
        (released_plus(), "zero-dcepp-authors", "DCENetPP"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_net_is_recognised_by_its_keys(
    state: dict[str, torch.Tensor], name: str, architecture: str, prefix: str, tmp_path: Path
) -> None:
    model, metadata = import_released(
        saved({prefix + k: v for k, v in state.items()}, tmp_path / "a.pth")
    )
    assert isinstance(model, MODELS[architecture])
    assert (metadata["name"], metadata["model"], metadata["recipe"]) == (
        name,
        architecture,
        "imported from a.pth",
    )
    for (key, theirs), ours in zip(state.items(), model.state_dict().values(), strict=True):
        assert torch.equal(ours, -theirs if "conv7" in key and "depth" not in key else theirs)


@torch.no_grad()
def test_convention_the_authors_store_the_curve_with_the_other_sign(tmp_path: Path) -> None:
    """x + r (x^2 - x) with the stored maps r is x + a x (1 - x) with the imported maps a = -r."""
    low = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    model, _ = import_released(saved(released(), tmp_path / "a.pth"))
    theirs = MODELS["DCENet"]()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), released().values(), strict=True)))
    x = low
    for r in theirs(low).chunk(8, dim=1):
        x = x + r * (x.square() - x)
    torch.testing.assert_close(enhance(low, model(low)), x)


class Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('ran').touch()",)


def zip_without_pickle() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/version", "3")
    return file.getvalue()


def torch_bytes(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [pickle.dumps(Code()), torch_bytes({"a": Code()}), torch_bytes(Code())]
)
def test_code_in_a_checkpoint_does_not_run(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.pth").write_bytes(content)
    with pytest.raises(ModelError, match=r"evil\.pth cannot be read safely"):
        import_released("evil.pth")
    assert not Path("ran").exists()
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # the test can fail: read without care, the code does run
        patch.setattr(torch, "load", lambda file, **_: pickle.loads(pickle.dumps(Code())))
        with pytest.raises(ModelError):
            import_released("evil.pth")
    assert Path("ran").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read safely"),
        (b"garbage", "cannot be read safely"),
        (bytes(range(256)) * 9, "cannot be read safely"),
        (torch_bytes(released())[:-2000], "cannot be read safely"),
        (zip_without_pickle(), "cannot be read safely"),
        (torch_bytes([1, 2]), "holds a list that is no table of tensors"),
        (torch_bytes({"state_dict": released()}), "holds a dict that is no table of tensors"),
        (torch_bytes({1: torch.zeros(1)}), "no table of tensors"),
        (torch_bytes({}), "has the keys"),
        (torch_bytes({"conv1.weight": torch.zeros(1)}), "has the keys conv1.weight"),
        (torch_bytes({**released(), "extra": torch.zeros(1)}), "has the keys e_conv1.weight"),
        (
            torch_bytes({**released(), "e_conv1.weight": torch.zeros(1)}),
            "right keys but other shapes",
        ),
    ],
)
def test_other_files_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=words) as caught:
        import_released(path)
    assert "expected a Zero-DCE or Zero-DCE++ state dict" in str(caught.value)


def test_an_absent_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(ModelError, match="cannot be read"):
            import_released(path)


def test_the_verb(tmp_path: Path) -> None:
    checkpoint, output = saved(released(), tmp_path / "a.pth"), tmp_path / "m.onnx"
    result = CliRunner().invoke(main, ["import", str(checkpoint), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{output}\n"
    info = CurveEstimator(output).info
    assert info.licence.startswith("CC BY-NC 4.0")
    assert "not to be redistributed" in info.licence
    assert info.parameters == 79_416
    again = CliRunner().invoke(main, ["import", str(checkpoint), "-o", str(output)])
    assert again.exit_code == 1
    assert "exists already; choose another name" in again.stderr


def test_weights_that_are_not_finite_leave_no_file(tmp_path: Path) -> None:
    checkpoint, output = saved(released(torch.nan), tmp_path / "a.pth"), tmp_path / "m.onnx"
    result = CliRunner().invoke(main, ["import", str(checkpoint), "-o", str(output)])
    assert result.exit_code == 1
    assert not output.exists()


@pytest.mark.parametrize(("name", "expected"), [("zero-dce", 14.86), ("zero-dcepp", 15.3)])
def test_the_real_weights(name: str, expected: float, shared: Path) -> None:
    """On one picture of eval15 at half size they come near what they give on all.

    test_calibration is exact.
    """
    model, _ = import_released(shared / "calibration" / f"{name}-epoch99.pth")
    low, high = (
        Image.open(shared / f"data/lol-v1/eval15/{kind}/1.png").reduce(4)
        for kind in ("low", "high")
    )
    x = torch.from_numpy(np.asarray(low, np.float32) / 255).permute(2, 0, 1)[None]
    with torch.no_grad():
        y = enhance(x, model(x))[0].permute(1, 2, 0).numpy()
    psnr = -10 * np.log10(np.mean((y - np.asarray(high, np.float32) / 255) ** 2))
    assert psnr == pytest.approx(expected, abs=2.5)
    assert y.mean() > 2 * float(x.mean())
