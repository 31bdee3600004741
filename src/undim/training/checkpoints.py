"""Model files and training states as safetensors: tensors and text, nothing that can run code.

A model file `M.safetensors` holds the weights and, as metadata, everything that the ONNX file says of itself.  A
checkpoint holds the weights, the optimiser's state, the epoch and the recipe.  Both are written whole or not at all.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from undim.errors import ModelError, TrainingError
from undim.training.models import MODELS, DCENet, DCENetPP


def save_model(model: nn.Module, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write weights and metadata; `metadata` must hold what rebuilds the net: model, iterations, width."""
    _save({name: value.detach().cpu() for name, value in model.state_dict().items()}, Path(path), metadata)


def load_model(path: str | Path) -> tuple[nn.Module, dict[str, str]]:
    """Rebuild a net from a model file; returns it with the file's metadata."""
    tensors, metadata = _load(Path(path), ModelError)
    try:
        model = MODELS[metadata["model"]](
            iterations=int(metadata["iterations"]), width=int(metadata["width"])
        )
        model.load_state_dict(tensors)
    except (KeyError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{path} is no undim model ({error}); expected one that `undim train` wrote"
        ) from error
    return model, metadata


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, metadata: Mapping[str, str]
) -> None:
    """Write everything that a resumed run needs to continue as if it had never stopped."""
    tensors = {f"model.{name}": value.detach().cpu() for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value.cpu() for key, value in state.items()}
    _save(tensors, path, metadata)


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, str]:
    """Fill model and optimiser in place; returns the checkpoint's metadata."""
    tensors, metadata = _load(path, TrainingError)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, key = rest.split(".")
            state.setdefault(int(index), {})[key] = value
    try:
        weights = {n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")}
        model.load_state_dict(weights)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"{path} belongs to another model: {error}") from error
    return metadata


def import_released(path: str | Path) -> nn.Module:
    """Read the weights that the Zero-DCE authors released (`.pth`), for DCE-Net and DCE-Net++ alike.

    The net is recognised by its keys.  The authors store `-a`; tanh is odd, so negating the last layer gives the
    paper's sign.  Read with `weights_only=True`: no code in the file can run.
    """
    expected = "expected a Zero-DCE or Zero-DCE++ state dict as its authors released it"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist; {expected}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} cannot be read safely ({type(error).__name__}); {expected}") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path} holds a {type(state).__name__}, not a table of tensors; {expected}")
    state = {key.removeprefix("module."): value.float() for key, value in state.items()}
    kinds = ("weight", "bias")
    plain = {f"e_conv{i}.{kind}": f"layers.{i - 1}.{kind}" for i in range(1, 8) for kind in kinds}
    separable = {
        f"e_conv{i}.{part}.{kind}": f"layers.{i - 1}.{place}.{kind}"
        for i in range(1, 8)
        for place, part in enumerate(("depth_conv", "point_conv"))
        for kind in kinds
    }
    model: nn.Module
    for names, model in ((plain, DCENet()), (separable, DCENetPP())):
        if state.keys() == names.keys():
            try:
                model.load_state_dict({names[key]: value for key, value in state.items()})
            except RuntimeError as error:
                raise ModelError(
                    f"{path} has the right keys but other shapes: {error}; {expected}"
                ) from error
            last = [module for module in model.modules() if isinstance(module, nn.Conv2d)][-1]
            with torch.no_grad():
                for parameter in last.parameters():
                    parameter.neg_()
            return model
    raise ModelError(f"{path} has the keys {', '.join(list(state)[:4])} ...; {expected}")


def _save(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    temporary = path.with_name(f".{path.name}.partial")
    try:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata=dict(metadata))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _load(
    path: Path, failure: type[ModelError] | type[TrainingError]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise failure(f"{path} cannot be read as safetensors: {error}") from error
