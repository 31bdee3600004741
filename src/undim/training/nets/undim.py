"""UndimNet: one curve for the whole picture, read off the distribution of its light.

A camera that gives a scene less light changes every pixel by one function, develop(2^-stops ·
develop^-1(x)); what undoes it is one function of the sample value, the same everywhere and in all
three channels. So the net looks at *how much* light there is, not at where, and answers with n
numbers a_k, one for each step of the curve. Photographs that free local maps were fitted to teach
them the degradation instead of the world (docs/lab/model.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from undim.errors import ConfigError

BINS = 16
DARKEST, BRIGHTEST = (
    0.006,
    0.95,
)  # first and last level of the distribution functions: about 1.5 and 242 of 255
TOE = 0.004  # about one 8-bit level: below it, logarithms of samples say nothing
KNEE, CEILING = (
    0.5,
    0.85,
)  # a surrounding is brightened freely up to the knee, and ever less towards the ceiling
LIT = (
    0.5,
    0.85,
)  # brightness of the brightest place, from which on the restraint begins and is whole
STRENGTHS = 8  # intervals of the strength in which the curve is inverted
UNSEEN = 1e-4  # a rise far below it counts as no rise: its interpolation would be rounding errors
STEEPNESS = 4.0  # of the soft step, per unit of log: the steps of neighbouring levels overlap
PEAK = 40.0  # sharpness of the soft maximum
FAINT = 1e-9  # exp(PEAK (x - 1)) for x = 0.48: fainter peaks are all the same


class LightProfile(nn.Module):
    """What a picture's light looks like, wherever in the picture it is: 3 · 16 + 4 numbers.

    For q the largest, the mean and the smallest of the three channels, and levels t_i evenly spaced
    in log, the share of pixels above the level, as a soft step that has a gradient:

        F_i(q) = mean over pixels of sigmoid(4 (log(q + 0.004) - t_i)) - 1/2

    then the cast of red and blue against the mean of the channels, the mean saturation, and how
    near the brightest places come to white, which a few pixels decide that the shares hardly show,
    as a soft maximum

        1 + log(mean over pixels of exp(40 (largest - 1)) + 1e-9) / 20

    (B, 3, H, W) in [0, 1] -> (B, 52).
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
        bright = torch.exp(PEAK * (largest.flatten(1) - 1)).mean(1, keepdim=True)
        # log(bright + FAINT), but with no addend so small that the ONNX exporter takes it for
        # nothing and drops it
        peak = 1 + 2 / PEAK * (torch.log(bright / FAINT + 1) + math.log(FAINT))
        return torch.cat([*parts, cast, saturation, peak], 1)


def highlight_restraint(light: Tensor, numbers: Tensor) -> Tensor:
    """The factor in [0, 1] of each place on the curve's numbers.

    (B, 1, H, W), (B, n) -> (B, 1, H, W)

    `light` is the mean of the channels of a thumbnail, y the brightness that the curve gives it,
    and

        wanted = min(y, max(light, knee + (ceiling - knee) (1 - exp(-(y - knee) / (ceiling -
        knee)))))

    above the knee. With h, which rises smoothly from 0 to 1 while the mean of the brightest 3 x 3
    places rises from 0.5 to 0.85, the factor is the strength at which the curve gives y + h (wanted
    - y), found by linear interpolation between 9 strengths, and then the mean over 5 x 5 places:
    between a restrained sky and a tower that is not, a step of the factor would be seen as a rim of
    light. It is exactly 1 where nothing within two places is restrained, as in every picture
    without bright places.
    """
    strengths = torch.linspace(0, 1, STRENGTHS + 1, device=light.device)[:, None, None]
    steps = light * torch.ones_like(strengths)  # (B, 9, H, W)
    for k in range(numbers.shape[1]):
        steps = steps + numbers[:, k, None, None, None] * strengths * steps * (1 - steps)
    y = steps[:, -1:]
    room = CEILING - KNEE
    bent = torch.maximum(light, KNEE + room * (1 - torch.exp(-(y - KNEE).clamp_min(0) / room)))
    places = nn.functional.avg_pool2d(light, 3, stride=1, padding=1, count_include_pad=False)
    h = ((places.amax((2, 3), keepdim=True) - LIT[0]) / (LIT[1] - LIT[0])).clamp(0, 1)
    h = h * h * (3 - 2 * h)
    wanted = torch.where(y > KNEE, y + h * (torch.minimum(y, bent) - y), y)
    rise = (steps[:, 1:] - steps[:, :-1]).clamp_min(0)
    share = ((wanted - steps[:, :-1] + UNSEEN) / (rise + UNSEEN)).clamp(0, 1).mean(1, keepdim=True)
    factor = torch.where(wanted < y, share, 1.0)
    return nn.functional.avg_pool2d(factor, 5, stride=1, padding=2, count_include_pad=False)


class UndimNet(nn.Module):
    """Light profile -> two layers, `width` wide -> n numbers, restrained: maps (B, n, H, W).

    8,072 parameters at width 64 and 8 iterations. A new net is the identity: its last layer is
    zero. In training mode the maps are constant over the picture, for the lamps of training scenes
    are single pixels without a surrounding.
    """

    def __init__(self, *, iterations: int = 8, width: int = 64) -> None:
        super().__init__()
        if iterations == 3:
            raise ConfigError(
                "iterations = 3: three maps would be read as one for each channel; take 2 or 4"
            )
        self.iterations = iterations
        self.profile = LightProfile()
        last = nn.Linear(width, iterations)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            nn.Linear(3 * BINS + 4, width),
            nn.SiLU(),
            nn.Dropout(0.1),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Dropout(0.1),
            last,
        )

    def forward(self, image: Tensor) -> Tensor:
        numbers = torch.tanh(self.layers(self.profile(image)))
        light = image.mean(1, keepdim=True)
        factor = torch.ones_like(light) if self.training else highlight_restraint(light, numbers)
        return numbers[:, :, None, None] * factor
