"""Small ONNX models with undim's contract, made on the spot: the runtime's tests need no trained
weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

METADATA = {
    "name": "stand-in",
    "version": "1",
    "iterations": "8",
    "maps_size": "64",
    "recipe": "none",
    "training_data": "none",
    "licence": "CC0-1.0",
    "recipe_sha256": "0" * 64,
    "parameters": "0",
}


def write_model(
    path: Path,
    *,
    channels: int = 24,
    levels: int = 1,
    lift: float = 0.4,
    depth: int = 1,
    metadata: dict[str, str] = METADATA,
    output: str = "curve_maps",
) -> Path:
    """A chain of `depth` 3 x 3 convolutions; its maps brighten dark places more than bright ones.

    They go from about `lift` where it is black down to a quarter of it where it is white.
    With several levels they have a quarter of the thumbnail's size, and fall to 0 at the brightest.
    """
    grid = levels > 1
    if grid:
        channels, metadata = levels, {"guide": "max", "levels": str(levels)} | metadata
    rng = np.random.default_rng(0)
    nodes, weights, wide, source = [], [], 3, "image"
    for layer in range(depth):
        last = layer == depth - 1
        out = channels if last else 8
        kernel = rng.normal(0, 1.4 / np.sqrt(9 * wide), (out, wide, 3, 3)).astype(np.float32)
        if last:
            kernel = (
                -0.75 * lift * np.abs(kernel) / np.abs(kernel).sum(axis=(1, 2, 3), keepdims=True)
            )
        bias = np.full(out, lift if last else 0.0, np.float32)
        if last and grid:
            fade = np.linspace(1, 0, levels, dtype=np.float32)
            kernel, bias = kernel * fade[:, None, None, None], bias * fade
        target = output if last and not grid else f"x{layer}"
        weights += [
            numpy_helper.from_array(kernel, f"w{layer}"),
            numpy_helper.from_array(bias, f"b{layer}"),
        ]
        nodes.append(
            helper.make_node(
                "Conv",
                [source, f"w{layer}", f"b{layer}"],
                [f"c{layer}"],
                pads=[1, 1, 1, 1],
                strides=[4, 4] if last and grid else [1, 1],
            )
        )
        nodes.append(helper.make_node("Tanh" if last else "Relu", [f"c{layer}"], [target]))
        wide, source = out, target
    shape: list[int | str] = [1, channels, "h", "w"]
    if grid:
        shape = [1, 1, levels, "gh", "gw"]
        weights.append(numpy_helper.from_array(np.array([1]), "axis"))
        nodes.append(helper.make_node("Unsqueeze", [source, "axis"], [output]))
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path
