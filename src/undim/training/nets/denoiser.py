"""DenoiserNet: a small U-Net that corrects what the fast filter did to a brightened picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pixel_shuffle, pixel_unshuffle

LEAST = 2e-3  # half a step of 8 bits: what the filter took away is not scaled up by more than that


class DenoiserNet(nn.Module):
    """both (B, 6, H, W) in [0, 1] -> the picture without its noise, (B, 3, H, W), not clipped.

    H and W are multiples of 8.

    `both` is the brightened picture and, as the last three planes, the same picture filtered before
    the curve. What the filter took away, averaged over blocks of 8 x 8, is the unit of all that the
    net sees and says: it learns one thing for noise of all strengths. It sees what was taken away,
    and the filtered picture less its mean around, each number p bent to p / (1 + |p| / 4), folded
    into 24 planes of half the size; three levels, `widths` wide, halve it twice more, and the
    result is added to the filtered picture. A sample of the output depends on less than 48 px
    around it. 65,308 parameters and 6.7 GMAC a megapixel. A new net gives back the filtered
    picture: its last layer is zero, and so are the ways back up from the smaller levels, which come
    in as they learn. Units are SiLU, since of ReLU whole levels died, and the smallest level is
    shown means, since behind a strided convolution it stayed silent (docs/lab/noise.md).
    """

    def __init__(self, widths: tuple[int, int, int] = (24, 32, 48)) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.down1 = nn.Sequential(_convolution(24, half), _convolution(half, half))
        self.down2 = nn.Sequential(nn.Conv2d(half, quarter, 2, 2), _convolution(quarter, quarter))
        self.middle = nn.Sequential(nn.AvgPool2d(2), _convolution(quarter, eighth))
        self.lift2 = nn.Conv2d(eighth, quarter, 1)
        self.up2 = nn.Sequential(_convolution(quarter, quarter), _convolution(quarter, quarter))
        self.lift1 = nn.Conv2d(quarter, half, 1)
        self.up1 = _convolution(half, half)
        self.last = nn.Conv2d(half, 12, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for layer in (self.last, self.lift1, self.lift2):
            nn.init.zeros_(layer.weight)

    def forward(self, both: Tensor) -> Tensor:
        bright, filtered = both[:, :3], both[:, 3:]
        removed = bright - filtered
        noise = _smooth(removed.abs().mean(1, keepdim=True)) + LEAST
        planes = torch.cat([removed, (filtered - _smooth(filtered)) / 4], 1) / noise
        planes = planes / (1 + planes.abs() / 4)  # an edge may be sixty units high
        first = self.down1(pixel_unshuffle(planes, 2))
        second = self.down2(first)
        third = self.middle(second)
        second = self.up2(second + interpolate(self.lift2(third), scale_factor=2.0, mode="nearest"))
        first = self.up1(first + interpolate(self.lift1(second), scale_factor=2.0, mode="nearest"))
        return filtered + noise * pixel_shuffle(self.last(first), 2)


def _convolution(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.SiLU())


def _smooth(planes: Tensor) -> Tensor:
    """Means over blocks of 8 x 8, interpolated between the blocks' centres."""
    return interpolate(
        avg_pool2d(planes, 8), scale_factor=8.0, mode="bilinear", align_corners=False
    )
