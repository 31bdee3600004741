"""From a trained net to the ONNX file that ships: written, read back, and compared."""

from __future__ import annotations

import itertools
import logging
import math
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import torch
from torch import nn

import undim
from undim.errors import ModelError
from undim.images import write_atomically
from undim.training.config import RecipeHead, recipe_sha256
from undim.training.nets import count_parameters

# Largest difference between the net and its ONNX file that is accepted, of curve maps in [-1, 1]
# and samples in [0, 1].
TOLERANCE = 1e-4
FAINT = 1e-30  # a smaller weight says nothing


def model_metadata(recipe: RecipeHead, net: nn.Module, **facts: str) -> dict[str, str]:
    """What a model file says of its origin, and the `facts` that rebuild and use the net.

    Those of a net that estimates curve maps are model, iterations, width and maps_size
    (`undim.model.runtime.ModelInfo`).
    """
    return {
        **facts,
        "name": recipe.name,
        "version": undim.__version__,
        "recipe": recipe.name,
        "recipe_sha256": recipe_sha256(recipe),
        "training_data": recipe.training_data,
        "licence": recipe.licence,
        "parameters": str(count_parameters(net)),
    }


def export_onnx(
    model: nn.Module,
    path: str | Path,
    metadata: Mapping[str, str],
    *,
    output: str = "curve_maps",
    planes: int = 3,
    multiple: int = 1,
) -> float:
    """Write `model` as ONNX with its metadata.

    The input `image` has so many planes, and any height and width that are multiples of `multiple`.

    Returns the largest difference between net and file on bright, dark and lamp-lit pictures of
    three sizes; above `TOLERANCE` no file is left and a ModelError says so.
    """
    model = model.eval()
    example = torch.rand(1, planes, 48, 64, generator=torch.Generator().manual_seed(0))
    sides = {
        2: multiple * torch.export.Dim("height", min=1),
        3: multiple * torch.export.Dim("width", min=1),
    }
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = torch.onnx.export(
            model,
            (example,),
            input_names=["image"],
            output_names=[output],
            dynamic_shapes=(sides,),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ModelError("the ONNX exporter gave nothing back")
    proto = program.model_proto
    _forget_origin(proto.graph)
    _flush_faint_weights(proto.graph)
    onnx.helper.set_model_props(proto, dict(metadata))
    data = proto.SerializeToString()
    difference = _difference(model, data, planes, multiple)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"the exported file differs from the net by {difference:.2g}; at most {TOLERANCE} is "
            "accepted"
        )
    write_atomically(path, data, overwrite=True)
    return difference


def _forget_origin(graph: onnx.GraphProto) -> None:
    """Remove the exporter's notes, which hold stack traces and with them paths of this machine."""
    for part in (
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    ):
        del part.metadata_props[:]
        part.doc_string = ""


def _flush_faint_weights(graph: onnx.GraphProto) -> None:
    """Set weights below 1e-30 to zero, as units have that weight decay silenced.

    They change no output, but their products are subnormal numbers, which Intel's processors take
    up to forty times as long to compute with.
    """
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and np.any(faint := (values != 0) & (np.abs(values) < FAINT)):
            flushed = onnx.numpy_helper.from_array(
                np.where(faint, np.float32(0), values), tensor.name
            )
            tensor.CopyFrom(flushed)


@torch.no_grad()
def _difference(model: nn.Module, data: bytes, planes: int, multiple: int) -> float:
    """The largest difference of outputs between net and file; NaN where either is not finite."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    differences = []
    for (height, width), brightest, lit in itertools.product(
        ((48, 64), (37, 53), (1, 1)), (1, 0.1, 0.01, 0), (False, True)
    ):
        size = multiple * math.ceil(height / multiple), multiple * math.ceil(width / multiple)
        image = brightest * torch.rand(
            1, planes, *size, generator=torch.Generator().manual_seed(height)
        )
        if lit:  # a lamp and its glow in what may be darkness
            image = torch.maximum(
                image, torch.linspace(1, -1, size[1]).clamp_min(0).expand_as(image)
            )
        (values,) = session.run(None, {"image": image.numpy()})
        differences.append(np.abs(values - model(image).numpy()).max())
    return float(np.max(differences))
