"""From a thumbnail to curve maps: one ONNX Runtime session behind a checked contract.

A model file of undim is ONNX with the input `image`, float32 (1, 3, h, w) in [0, 1] for any h and
w, and the output `curve_maps`, float32 in [-1, 1] in the paper's sign (positive brightens):
(1, C, h, w), or (1, 1, Z, gh, gw) at Z levels of brightness, with any gh and gw. Its metadata says
what it is, and of maps with levels how many they are and what a pixel's brightness, the guide, is.
ONNX Runtime reads that itself, so that using a model never needs the `onnx` package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from undim.errors import DeviceError, InputError, ModelError
from undim.model.pretrained import DEFAULT, model_path
from undim.pixels.kernel import thread_count

ort.disable_telemetry_events()  # on Windows, which knows no ORT_DISABLE_TELEMETRY (see `undim`)

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

_TEXTS = ("name", "version", "recipe", "training_data", "licence", "recipe_sha256")
_NUMBERS = ("iterations", "maps_size", "parameters")


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says about itself.

    net     its architecture, "" where it does not say
    guide   "max" where its maps have levels of brightness, which max(R, G, B) of a pixel chooses
            from, else ""
    levels  how many; 1 where its maps do not depend on brightness
    """

    name: str
    version: str
    recipe: str
    training_data: str
    licence: str
    recipe_sha256: str
    iterations: int
    maps_size: int
    parameters: int
    net: str
    guide: str
    levels: int


class CurveEstimator:
    """A loaded model: `estimator(thumbnail) -> curve_maps`. Threads may share it.

    thumbnail   float32 (h, w, 3), RGB in [0, 1]
    curve_maps  float32 in [-1, 1], (C, h, w) with C 3 n, 3, n or 1 for n iterations, or
                (1, Z, gh, gw) at Z levels of brightness (see `undim.pixels.curve`)

    `device` is "auto" (CUDA where this ONNX Runtime has it, else the processor), "cpu" or "cuda";
    the one in use is the attribute `device`. `threads` defaults to the cores this process may use.
    Raises ModelError for a file that is no undim model and DeviceError for a device that was asked
    for and is not there.
    """

    def __init__(
        self, model: str | Path = DEFAULT, *, device: str = "auto", threads: int | None = None
    ) -> None:
        path = model_path(model)
        self.device = _choose(device)
        self._session = open_session(path, self.device, threads)
        self.info = _read_info(path, self._session.get_modelmeta().custom_metadata_map)
        _check_contract(path, self._session, self.info)

    def __call__(self, thumbnail: NDArray[np.float32]) -> NDArray[np.float32]:
        if thumbnail.dtype != np.float32 or thumbnail.ndim != 3 or thumbnail.shape[2] != 3:
            raise InputError(
                f"got a thumbnail {thumbnail.shape} {thumbnail.dtype}, "
                "expected (h, w, 3) float32 in [0, 1]"
            )
        batch = np.ascontiguousarray(thumbnail.transpose(2, 0, 1))[None]
        maps: NDArray[np.float32] = self._session.run(["curve_maps"], {"image": batch})[0][0]
        return maps


def devices() -> list[str]:
    """The devices this installation of ONNX Runtime can use, by undim's names."""
    present = ort.get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider in present]


def open_session(path: Path, device: str, threads: int | None = None) -> ort.InferenceSession:
    """Load an ONNX file on one of `devices()`, with so many threads, by default the cores this
    process may use.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = thread_count(threads)
    options.log_severity_level = 3
    # Threads that spin after their share would take the cores from the kernel that runs next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(str(path), options, providers=[PROVIDERS[device]])
    except Exception as error:  # ONNX Runtime's exceptions share no narrower base class
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"{path} cannot be loaded ({reason}); "
            "expected an undim model in ONNX, see `undim models`"
        ) from error
    if PROVIDERS[device] not in session.get_providers():
        # ONNX Runtime itself falls back to the processor with a mere line in its log.
        raise DeviceError(
            f"got device {device!r}, which this ONNX Runtime has but could not start; "
            "check the driver and the CUDA libraries, or choose the device 'cpu'"
        )
    return session


def _choose(device: str) -> str:
    present = devices()
    if device == "auto":
        return "cuda" if "cuda" in present else "cpu"
    if device not in PROVIDERS:
        raise DeviceError(f"got device {device!r}, expected one of auto, {', '.join(PROVIDERS)}")
    if device not in present:
        raise DeviceError(
            f"got device {device!r}, but this ONNX Runtime has only {', '.join(present)}; "
            "install onnxruntime-gpu in place of onnxruntime, or choose the device 'cpu'"
        )
    return device


def _read_info(path: Path, metadata: dict[str, str]) -> ModelInfo:
    missing = [key for key in (*_TEXTS, *_NUMBERS) if key not in metadata]
    if missing:
        raise ModelError(
            f"{path} is no undim model: its metadata lacks {', '.join(missing)}; "
            "expected a file written by `undim train` or `undim import`"
        )
    metadata = {"guide": "", "levels": "1", "model": ""} | metadata
    wrong = [key for key in (*_NUMBERS, "levels") if not metadata[key].isdigit()]
    if wrong:
        raise ModelError(
            f"{path}: got metadata {wrong[0]} = {metadata[wrong[0]]!r}, expected a whole number"
        )
    return ModelInfo(
        **{key: metadata[key] for key in _TEXTS},
        iterations=int(metadata["iterations"]),
        maps_size=int(metadata["maps_size"]),
        parameters=int(metadata["parameters"]),
        net=metadata["model"],
        guide=metadata["guide"],
        levels=int(metadata["levels"]),
    )


def _check_contract(path: Path, session: ort.InferenceSession, info: ModelInfo) -> None:
    def shapes(nodes: list[ort.NodeArg]) -> str:
        return ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes)

    n, ins, outs = info.iterations, session.get_inputs(), session.get_outputs()
    nodes = *ins, *outs
    names, types = [node.name for node in nodes], {node.type for node in nodes}
    shape, expected = outs[0].shape, None
    match [len(node.shape) for node in nodes]:
        case [4, 4] if shape[1] in (1, 3, n, 3 * n):
            expected = "", 1
        case [4, 5] if shape[1] == 1 and isinstance(shape[2], int):
            expected = "max", shape[2]
    if names != ["image", "curve_maps"] or types != {"tensor(float)"} or expected is None:
        raise ModelError(
            f"{path} is no undim model: it turns {shapes(ins)} into {shapes(outs)}; expected "
            f"float32 image (1, 3, h, w) into curve_maps (1, C, h, w) with C 1, 3, {n} or {3 * n} "
            f"for {n} iterations, or (1, 1, Z, gh, gw) with Z levels of brightness"
        )
    if (info.guide, info.levels) != expected:
        raise ModelError(
            f"{path}: got metadata guide = {info.guide!r} and levels = {info.levels} with "
            f"{shapes(outs)}, expected guide = {expected[0]!r} and levels = {expected[1]}; "
            "write the metadata that belongs to the network"
        )
