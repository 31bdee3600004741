"""UndimNet: one curve for the whole picture, read off the distribution of its light.

A camera that gives a scene less light changes every pixel by one function, develop(2^-stops · develop^-1(x)); what
undoes it is one function of the sample value, the same everywhere and in all three channels. So the net looks at
*how much* light there is, not at where, and answers with n numbers a_k, one for each step of the curve.
Photographs that free local maps were fitted to teach them the degradation instead of the world (docs/experiments.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

BINS = 16
DARKEST, BRIGHTEST = 0.006, 0.95  # first and last level of the distribution functions: about 1.5 and 242 of 255
TOE = 0.004  # about one 8-bit level: below it, logarithms of samples say nothing
STEEPNESS = 4.0  # of the soft step, per unit of log: the steps of neighbouring levels overlap


class LightProfile(nn.Module):
    """What a picture's light looks like, wherever in the picture it is: 3 · 16 + 3 numbers.

    For q the largest, the mean and the smallest of the three channels, and levels t_i evenly spaced in log,
    the share of pixels above the level, as a soft step that has a gradient:

        F_i(q) = mean over pixels of sigmoid(4 (log(q + 0.004) - t_i)) - 1/2

    then the cast of red and blue against the mean of the channels, and the mean saturation.
    (B, 3, H, W) in [0, 1] -> (B, 51).
    """

    levels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("levels", torch.linspace(math.log(DARKEST), math.log(BRIGHTEST), BINS))

    def forward(self, image: Tensor) -> Tensor:
        largest, smallest = image.amax(1), image.amin(1)
        parts = []
        for q in (largest, image.mean(1), smallest):
            light = torch.log(q.flatten(1) + TOE)[:, None]
            parts.append(torch.sigmoid(STEEPNESS * (light - self.levels[:, None])).mean(2) - 0.5)
        mean = image.flatten(2).mean(2)
        grey = mean.mean(1, keepdim=True) + TOE
        cast = 2 * (torch.stack([mean[:, 0], mean[:, 2]], 1) / grey - 1)
        saturation = ((largest - smallest) / (largest + 0.02)).flatten(1).mean(1, keepdim=True)
        return torch.cat([*parts, cast, saturation], 1)


class UndimNet(nn.Module):
    """Light profile -> two hidden layers, `width` wide -> n numbers: maps (B, n, H, W), constant over the picture.

    8,008 parameters at width 64 and 8 iterations. A new net is the identity: its last layer is zero.
    """

    def __init__(self, *, iterations: int = 8, width: int = 64) -> None:
        super().__init__()
        self.iterations = iterations
        self.profile = LightProfile()
        last = nn.Linear(width, iterations)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            nn.Linear(3 * BINS + 3, width),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Dropout(0.1),
            last,
        )

    def forward(self, image: Tensor) -> Tensor:
        numbers = torch.tanh(self.layers(self.profile(image)))
        return numbers[:, :, None, None] * torch.ones_like(image[:, :1])
