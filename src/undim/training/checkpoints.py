"""Model files and training states as safetensors: tensors and text, nothing that can run code.

A model file `M.safetensors` holds the weights and, as metadata, everything that the ONNX file says
of itself.  A checkpoint holds the weights, the optimiser's state, the epoch and the recipe.  Both
are written whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from undim.errors import ModelError, TrainingError
from undim.images import write_atomically
from undim.training.nets import MODELS, count_parameters


def save_model(model: nn.Module, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write weights, and metadata that rebuild the net: model, iterations, width, levels if any."""
    _save(model.state_dict(), Path(path), metadata)


def load_model(path: str | Path) -> tuple[nn.Module, dict[str, str]]:
    """Rebuild a net from a model file, in evaluation mode; returns it with the file's metadata."""
    tensors, metadata = _load(Path(path), ModelError)
    try:
        keys = ("iterations", "width", *(["levels"] if "levels" in metadata else []))
        model = MODELS[metadata["model"]](**{key: int(metadata[key]) for key in keys})
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{path} is no undim model ({error}); expected one that `undim train` wrote"
        ) from error
    return model.eval(), metadata


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, metadata: Mapping[str, str]
) -> None:
    """Write everything that a resumed run needs to continue as if it had never stopped."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    _save(tensors, path, metadata)


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, str]:
    """Fill model and optimiser in place; returns the checkpoint's metadata."""
    tensors, metadata = _load(path, TrainingError)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, key = rest.split(".")
            state.setdefault(int(index), {})[key] = value
    try:
        weights = {
            n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")
        }
        model.load_state_dict(weights)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"{path} belongs to another model: {error}") from error
    return metadata


def import_released(path: str | Path) -> tuple[nn.Module, dict[str, str]]:
    """Read the weights that the authors of Zero-DCE and Zero-DCE++ released (`.pth`).

    The net is recognised by its keys. The authors store `-a`; tanh is odd, so negating the last
    layer gives the paper's sign. Read with `weights_only=True`: no code in the file can run.
    Returns the net and its metadata, which carries the authors' licence.
    """
    path = Path(path)
    expected = "expected a Zero-DCE or Zero-DCE++ state dict as its authors released it"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); {expected}") from error
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make the unpickler raise nearly anything
        raise ModelError(
            f"{path} cannot be read safely ({type(error).__name__}); {expected}"
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    ):
        raise ModelError(
            f"{path} holds a {type(state).__name__} that is no table of tensors; {expected}"
        )
    state = {key.removeprefix("module."): value.float() for key, value in state.items()}
    found = next((item for item in _RELEASED.items() if item[1][1].keys() == state.keys()), None)
    if found is None:
        raise ModelError(f"{path} has the keys {', '.join(list(state)[:4])} ...; {expected}")
    name, (architecture, keys) = found
    model = MODELS[architecture]()
    try:
        model.load_state_dict({keys[key]: value for key, value in state.items()})
    except RuntimeError as error:
        raise ModelError(
            f"{path} has the right keys but other shapes: {error}; {expected}"
        ) from error
    last = [module for module in model.modules() if isinstance(module, nn.Conv2d)][-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.neg_()
    return model, {
        "name": name,
        "version": "as released by its authors",
        "model": architecture,
        "iterations": "8",
        "width": "32",
        "maps_size": "256",
        "recipe": f"imported from {path.name}",
        "recipe_sha256": hashlib.sha256(data).hexdigest(),
        "training_data": "SICE part 1, by the authors of Zero-DCE",
        "licence": "CC BY-NC 4.0 (the authors' weights); not to be redistributed with undim",
        "parameters": str(count_parameters(model)),
    }


def _released_keys(parts: Mapping[str, str]) -> dict[str, str]:
    """The authors' names of all weights -> ours; `parts` does the same within a layer."""
    return {
        f"e_conv{i + 1}{theirs}.{kind}": f"layers.{i}{ours}.{kind}"
        for i in range(7)
        for theirs, ours in parts.items()
        for kind in ("weight", "bias")
    }


_RELEASED = {  # name of the imported model -> its architecture here, and its keys
    "zero-dce-authors": ("DCENet", _released_keys({"": ""})),
    "zero-dcepp-authors": ("DCENetPP", _released_keys({".depth_conv": ".0", ".point_conv": ".1"})),
}


def _save(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    data = save(
        {k: v.detach().cpu().contiguous() for k, v in tensors.items()}, metadata=dict(metadata)
    )
    write_atomically(path, data, overwrite=True)


def _load(
    path: Path, failure: type[ModelError | TrainingError]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise failure(f"{path} cannot be read as safetensors: {error}") from error
