"""The table of weights that travel in the wheel, and the way from a model's name or file to its
path.

`MODELS[name]` says what the file cannot say of itself: its checksum and the numbers it was measured
to reach. Recipe, training data and licence stand in the file's metadata too
(`undim.model.runtime.ModelInfo`), and a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from undim.errors import ModelError

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Pretrained:
    """One shipped model. `psnr` in dB and `ssim` are the means over LOL v1's eval15 at `--maps`
    default.
    """

    file: str
    sha256: str
    licence: str
    training_data: str
    recipe: str
    parameters: int
    psnr: float | None = None
    ssim: float | None = None

    @property
    def path(self) -> Path:
        return WEIGHTS / self.file


DEFAULT = "undim"

MODELS: dict[str, Pretrained] = {
    "undim": Pretrained(
        file="undim.onnx",
        sha256="11e6388cc85b1b33722bac72630df1dd60e3224e3ec050b2a6373075d248da18",
        licence="Apache-2.0",
        training_data="50 panoramas of high dynamic range (48 CC0, 2 BSD-3-Clause), "
        "35 CC0 photographs and the 24 Kodak photographs",
        recipe="undim",
        parameters=27336,
        psnr=17.82,
        ssim=0.782,
    ),
    "undim-global": Pretrained(
        file="undim-global.onnx",
        sha256="79a76ca14fde91b533cb2eb58eba0e8683b62207e4e019fb2eca1267af2c7b85",
        licence="Apache-2.0",
        training_data="35 CC0 photographs and the 24 Kodak photographs, darkened in linear light",
        recipe="undim-global",
        parameters=8072,
        psnr=19.01,
        ssim=0.784,
    ),
    "undim-lol": Pretrained(
        file="undim-lol.onnx",
        sha256="ceff55109e3ef5949dc0a06f1dede41059be6f304914101f461bb67ae2e8a826",
        licence="research use only: no licence is stated for the LOL pictures",
        training_data="35 CC0 photographs and the 24 Kodak photographs, darkened in linear light "
        "by as many stops as LOL v1's dark training pictures",
        recipe="undim-lol",
        parameters=8072,
        psnr=19.41,
        ssim=0.781,
    ),
    "zero-dce-lol": Pretrained(
        file="zero-dce-lol.onnx",
        sha256="087435f0012573411e881dde064937b3cbc3ddf06a12c79d385afe081b34f25e",
        licence="research use only: no licence is stated for the LOL pictures",
        training_data="LOL v1 our485, dark pictures only",
        recipe="zero-dce-lol",
        parameters=79416,
        psnr=15.29,
        ssim=0.736,
    ),
    "zero-dce-pp": Pretrained(
        file="zero-dce-pp.onnx",
        sha256="4031341bafba3a6e6a6bc436215c7f2cc55eff31e5a1c17868fd8cb19687f0bf",
        licence="research use only: no licence is stated for the LOL pictures",
        training_data="LOL v1 our485, dark pictures only",
        recipe="zero-dce-pp",
        parameters=10561,
        psnr=15.47,
        ssim=0.740,
    ),
}

# What `--denoise learned` loads; it estimates no curve, so it is no choice of `--model`.
DENOISER = Pretrained(
    file="undim-denoiser.onnx",
    sha256="2ba95f19ea7233ab23fddf98987599c4369c07df3c2184fa01211b2e0707d10a",
    licence="Apache-2.0",
    training_data="35 CC0 photographs and the 24 Kodak photographs, darkened in linear light",
    recipe="undim-denoiser",
    parameters=65308,
)


def model_path(model: str | Path) -> Path:
    """The ONNX file of a shipped model's name, or of a path to any other; raises `ModelError` for
    neither.
    """
    if str(model) in MODELS:
        return MODELS[str(model)].path
    path = Path(model)
    if path.is_file():
        return path
    raise ModelError(
        f"no model {str(model)!r}: expected one of {', '.join(MODELS)} or the path of an undim "
        ".onnx file; "
        "`undim models` lists the shipped ones"
    )
