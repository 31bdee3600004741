"""The networks that look at a dark image and estimate its curve maps.

Every model maps `image` (B, 3, H, W) in [0, 1], any H and W, to `curve_maps` (B, C, H, W) in [-1, 1] in the
paper's sign (positive brightens), where C is 3 n for maps that differ from step to step, or 3 for maps that all
n steps share.  Sources: Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement",
CVPR 2020; Li et al., "Learning to Enhance Low-Light Image via Zero-Reference Deep Curve Estimation", TPAMI 2021.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from undim.training.undim_net import UndimNet


def enhance(image: Tensor, curve_maps: Tensor, iterations: int = 8) -> Tensor:
    """Apply the light-enhancement curve n times: `x <- x + a x (1 - x)`.

    image (B, 3, H, W) in [0, 1]; curve_maps (B, C, H, W) in [-1, 1] with C = 3 n (step k uses maps 3k to 3k+2),
    3 (all steps share them), n (one a step, shared by the channels) or 1.  Returns (B, 3, H, W) in [0, 1].
    """
    channels = curve_maps.shape[1]
    if channels in (1, 3):
        steps = [curve_maps] * iterations
    elif channels in (iterations, 3 * iterations):
        steps = list(curve_maps.chunk(iterations, dim=1))
    else:
        raise ValueError(
            f"curve_maps has {channels} channels; {iterations} iterations need 1, 3, {iterations} or {3 * iterations}"
        )
    for a in steps:
        image = image + a * image * (1 - image)
    return image


class _CurveNet(nn.Module):
    """Seven layers, the last three of which also see the third, the second and the first."""

    def __init__(self, layer: Callable[[int, int], nn.Module], *, width: int, maps: int) -> None:
        super().__init__()
        inputs = (3, width, width, width, 2 * width, 2 * width, 2 * width)
        outputs = (width,) * 6 + (maps,)
        self.layers = nn.ModuleList(map(layer, inputs, outputs))

    def forward(self, image: Tensor) -> Tensor:
        e1, e2, e3, e4, e5, e6, e7 = self.layers
        x1 = torch.relu(e1(image))
        x2 = torch.relu(e2(x1))
        x3 = torch.relu(e3(x2))
        x4 = torch.relu(e4(x3))
        x5 = torch.relu(e5(torch.cat([x3, x4], dim=1)))
        x6 = torch.relu(e6(torch.cat([x2, x5], dim=1)))
        maps: Tensor = e7(torch.cat([x1, x6], dim=1))
        return torch.tanh(maps)


def _plain(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _separable(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs), nn.Conv2d(inputs, outputs, 1))


class DCENet(_CurveNet):
    """DCE-Net: seven 3 x 3 convolutions with symmetric concatenation, `width` wide, 3 n maps (CVPR 2020, sec. 3.2).

    79,416 parameters at width 32 and 8 iterations.
    """

    def __init__(self, *, iterations: int = 8, width: int = 32) -> None:
        super().__init__(_plain, width=width, maps=3 * iterations)
        self.iterations = iterations


class DCENetPP(_CurveNet):
    """DCE-Net++: the same net with depthwise separable convolutions and 3 maps that all n steps share (TPAMI 2021).

    10,561 parameters at width 32, for any number of iterations.
    """

    def __init__(self, *, iterations: int = 8, width: int = 32) -> None:
        super().__init__(_separable, width=width, maps=3)
        self.iterations = iterations


MODELS: dict[str, Callable[..., nn.Module]] = {"DCENet": DCENet, "DCENetPP": DCENetPP, "UndimNet": UndimNet}


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
