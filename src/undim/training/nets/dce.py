"""DCE-Net and DCE-Net++: curve maps for every pixel, from the 7 px around it.

Sources: Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR
2020; Li et al., "Learning to Enhance Low-Light Image via Zero-Reference Deep Curve Estimation",
TPAMI 2021.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


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
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs), nn.Conv2d(inputs, outputs, 1)
    )


class DCENet(_CurveNet):
    """DCE-Net: seven 3 x 3 convolutions, `width` wide, to 3 n maps (CVPR 2020, sec. 3.2).

    Concatenation is symmetric.

    79,416 parameters at width 32 and 8 iterations.
    """

    def __init__(self, *, iterations: int = 8, width: int = 32) -> None:
        super().__init__(_plain, width=width, maps=3 * iterations)
        self.iterations = iterations


class DCENetPP(_CurveNet):
    """DCE-Net++: depthwise separable convolutions, and 3 maps that all n steps share (TPAMI 2021).

    10,561 parameters at width 32, for any number of iterations.
    """

    def __init__(self, *, iterations: int = 8, width: int = 32) -> None:
        super().__init__(_separable, width=width, maps=3)
        self.iterations = iterations
