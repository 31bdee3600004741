"""LocalLightNet: strengths over places and levels of brightness, read off the light around.

The picture is cut into cells of 8 x 8 pixels. What a cell's light looks like, and that of its
surroundings, near, wide and whole, decides how strongly each level of brightness is lifted there.
Shares of pixels above levels say how much light there is and not what is seen, so few scenes teach
many.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from undim.pixels.jobs import brightness_levels

BINS = 16
# first and last level of the distribution functions: about 1.5 and 242 of 255
DARKEST, BRIGHTEST = 0.006, 0.95
TOE = 0.004  # about one 8-bit level: below it, logarithms of samples say nothing
STEEPNESS = 4.0  # of the soft step, per unit of log: the steps of neighbouring levels overlap
PEAK = 40.0  # sharpness of the soft maximum
FAINT = 1e-9  # exp(PEAK (x - 1)) for x = 0.48: fainter peaks are all the same
CELL = 8  # pixels of the thumbnail along a cell's sides
FEATURES = 3 * BINS + 4
STRONGEST = 1.5  # the order of tones holds up to this strength
SLACK = 0.8  # of the largest drop that keeps the order: some slope must be left
BRIGHT = 0.5  # levels from here on have the same strength everywhere
LEAK = 0.05  # gradient beyond the clamps, in training


def largest_drops(levels: int, iterations: int) -> Tensor:
    """D_z, (Z - 1,): how much a_z may exceed a_{z+1} for brighter greys to come out brighter.

    For the output f_n(g, a(g)) of grey g to rise with g, -a'(g) must not exceed 1 / R with

        R(g) = sup over a of (df_n/da) / (df_n/dg),

    which in the limit of many small steps is n g (1 - g). R is computed on a mesh, where the output
    is below 254 of 255 levels: above, nothing is left to be turned over. With the strength up to
    1.5, and slack 0.8,

        D_z = 0.8 (g_{z+1} - g_z) / (1.5 max R over g_z <= g <= g_{z+1})

    It bounds differences, so means of grids, over places or time, keep it, and so does any factor
    below 1.
    """
    g = torch.linspace(1e-4, 1 - 1e-4, 2001, dtype=torch.float64)[:, None]
    a = torch.linspace(0, 1, 401, dtype=torch.float64)
    f, by_a, by_g = g.expand(-1, 401), torch.zeros(2001, 401, dtype=torch.float64), torch.ones(())
    for _ in range(iterations):
        slope = 1 + a * (1 - 2 * f)
        by_a, by_g, f = by_a * slope + f * (1 - f), by_g * slope, f + a * f * (1 - f)
    ratio = torch.where(f < 254 / 255, by_a / by_g.clamp_min(1e-30), 0.0).amax(1)
    at, g = torch.from_numpy(brightness_levels(levels)).double(), g[:, 0]
    drops = [(high - low) / ratio[(g >= low) & (g <= high)].max() for low, high in pairwise(at)]
    return (SLACK / STRONGEST * torch.stack(drops)).float()


class CellProfile(nn.Module):
    """What the light of each cell looks like: (B, 3, 8 h, 8 w) in [0, 1] -> (B, 52, h, w).

    For q the largest, the mean and the smallest of the three channels, and levels t_i evenly spaced
    in log, the share of the cell's pixels above the level, as a soft step,

        F_i(q) = mean over the cell of sigmoid(4 (log(q + 0.004) - t_i)) - 1/2,

    then the cast of red and blue against the mean of the channels, the mean saturation, and how
    near the brightest pixels come to white, exp(40 (largest - 1)), averaged.
    """

    levels: Tensor

    def __init__(self) -> None:
        super().__init__()
        levels = torch.linspace(math.log(DARKEST), math.log(BRIGHTEST), BINS)
        self.register_buffer("levels", levels[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        largest = image.amax(1, keepdim=True)
        smallest = image.amin(1, keepdim=True)
        mean = image.mean(1, keepdim=True)
        parts = []
        for q in (largest, mean, smallest):
            step = torch.sigmoid(STEEPNESS * (torch.log(q + TOE) - self.levels))
            parts.append(F.avg_pool2d(step, CELL) - 0.5)
        light = F.avg_pool2d(image, CELL)
        grey = light.mean(1, keepdim=True) + TOE
        cast = 2 * (torch.cat([light[:, :1], light[:, 2:]], 1) / grey - 1)
        saturation = (largest - smallest) / (largest + 0.02)
        peak = torch.exp(PEAK * (largest - 1))
        return torch.cat([*parts, cast, F.avg_pool2d(torch.cat([saturation, peak], 1), CELL)], 1)


def _logarithm_of_peak(profile: Tensor) -> Tensor:
    """The last plane, the mean of exp(40 (q - 1)), as a soft maximum: 1 + log(mean + 1e-9) / 20."""
    peak = 1 + 2 / PEAK * (torch.log(profile[:, -1:] / FAINT + 1) + math.log(FAINT))
    return torch.cat([profile[:, :-1], peak], 1)


def _around(profile: Tensor, reach: int) -> Tensor:
    """The mean profile of the (2 reach + 1)^2 cells around each, of those inside the picture."""
    return F.avg_pool2d(profile, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)


class LocalLightNet(nn.Module):
    """Light profiles -> the grid of strengths `curve_maps` (B, 1, Z, h, w) in [0, 1].

    The thumbnail (B, 3, H, W) is resized so that cells are even, h = ceil(H / 8), w = ceil(W / 8).
    Each cell's profile, those of the 3 x 3 and the 7 x 7 cells around it and that of the picture
    are mixed by layers that all cells share, one of which looks at 3 x 3 cells, into Z numbers u.
    Those of levels from half brightness on are averaged over the picture, each cell with the weight
    of its share of such pixels: a sky must not be lifted more beside a dark tower than elsewhere.
    Then, with clamp to [0, 1],

        a_{Z-1} = clamp(u_{Z-1}),   a_z = a_{z+1} + D_z clamp(u_z),   at most 1.

    So nothing gets darker, a does not rise with brightness, and the order of tones holds
    (`largest_drops`), whatever the picture. A new net is the identity: its last layer is zero.
    """

    drops: Tensor

    def __init__(self, *, iterations: int = 8, width: int = 64, levels: int = 8) -> None:
        super().__init__()
        self.iterations = iterations
        self.register_buffer("drops", largest_drops(levels, iterations)[:, None, None])
        self.local = int((brightness_levels(levels) < BRIGHT).sum())
        self.profile = CellProfile()
        self.lit = int((self.profile.levels < math.log(BRIGHT)).sum())
        self.cell = nn.Conv2d(3 * FEATURES, width, 1)
        self.whole = nn.Conv2d(FEATURES, width, 1, bias=False)
        self.near = nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate", groups=4)
        self.mix = nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout2d(0.05)
        self.last = nn.Conv2d(width, levels, 1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor) -> Tensor:
        cells = [(side + CELL - 1) // CELL for side in image.shape[2:]]
        size = [CELL * count for count in cells]
        even = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        profile = self.profile(even)
        whole = _logarithm_of_peak(profile.mean((2, 3), keepdim=True))
        scales = (profile, _around(profile, 1), _around(profile, 3))
        local = torch.cat([_logarithm_of_peak(scale) for scale in scales], 1)
        x = F.silu(self.cell(local) + self.whole(whole))
        x = self.dropout(F.silu(x + self.near(x)))
        x = self.dropout(F.silu(x + self.mix(x)))
        u = self.last(x)
        share = profile[:, self.lit : self.lit + 1] + 0.5 + 1e-3  # of bright pixels in each cell
        bright = (share * u[:, self.local :]).sum((2, 3), keepdim=True)
        bright = bright / share.sum((2, 3), keepdim=True)
        u = torch.cat([u[:, : self.local], bright.expand(-1, -1, *cells)], 1)
        return self.strengths(u)[:, None]

    def strengths(self, u: Tensor) -> Tensor:
        """Numbers (B, Z, h, w), whatever they are, as strengths that keep all promises."""
        top, below = self._clamp(u[:, -1:]), self.drops * self._clamp(u[:, :-1])
        steps = torch.cat([below, top], 1).flip(1)
        return torch.cumsum(steps, 1).flip(1).clamp_max(1)

    def _clamp(self, u: Tensor) -> Tensor:
        """clamp(u, 0, 1), in training with a leak of the gradient, so that no number stays where it
        got stuck.
        """
        clamped = u.clamp(0, 1)
        return clamped + LEAK * (u - u.detach()) if self.training else clamped
