"""The networks that estimate curve maps; a new one is a file here and a line in MODELS.

Every net maps `image` (B, 3, H, W) in [0, 1], any H and W, to `curve_maps` (B, C, H, W) in [-1, 1]
in the paper's sign (positive brightens), or to maps at levels of brightness;
`undim.training.curve` says which there are.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from undim.training.nets.dce import DCENet, DCENetPP
from undim.training.nets.local_light import LocalLightNet
from undim.training.nets.undim import UndimNet

MODELS: dict[str, Callable[..., nn.Module]] = {
    "DCENet": DCENet,
    "DCENetPP": DCENetPP,
    "UndimNet": UndimNet,
    "LocalLightNet": LocalLightNet,
}
GRIDS = {"LocalLightNet"}  # those whose maps have levels of brightness


def _normal(weight: Tensor) -> None:
    nn.init.normal_(weight, 0.0, 0.02)


INITIALISATIONS: dict[str, Callable[[Tensor], object]] = {
    "normal": _normal,  # the paper's N(0, 0.02)
    "glorot": nn.init.xavier_uniform_,  # what Keras layers do unless told
}


def initialise(model: nn.Module, name: str) -> None:
    """Fill every convolution's weight by the named rule and its bias with zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            INITIALISATIONS[name](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
