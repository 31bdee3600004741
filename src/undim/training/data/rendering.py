"""The one rule for what is wanted: a capture, fused with the longer exposures that it lacks.

A photographer who finds places too dark for the exposure at hand takes longer ones as well, and
fuses them. With the light L of a capture (linear, 1 = white at its exposure) and its luma Y,

    lack = mean over pixels of max(0, log2(shown / (Y + toe)))                  in stops
    S = min(onset max(0, lack - spare), max(wide, gain lack), most)             stops of the bracket
    bracket: 2^(S k / K) L,   k = 0 ... K,   K = ceil(S / 2), at least 1

developed by the camera's tone curve and fused (Mertens, Kautz and Van Reeth, "Exposure Fusion",
Pacific Graphics 2007), the wanted picture is the brighter of the fusion and of the capture, sample
by sample. An under-exposed picture asks for a wide bracket, one with some dark places for a narrow
one, and one with few for a bracket of no width, whose fusion is the capture itself: so a well-lit
picture stays what it is by the rule itself. Where a capture is darker than a careful camera would
ever make it, the bracket begins at `deepest` stops below that camera's exposure.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from undim.errors import ConfigError
from undim.training.config import at_least
from undim.training.data.darkening import linear_to_srgb, tone_curve

LUMA = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709
BRACKET = 4  # exposures at most
COARSEST = 4  # pixels of the pyramid's last level, along the shorter side


@dataclass(frozen=True)
class Rendering:
    """What the rule asks of a capture.

    Attributes:
        shown: the linear level from which on a pixel lacks no light.
        spare: stops that pixels may lack in the mean before a longer exposure is taken: any
            well-lit picture has some shadow.
        onset: stops of the bracket for each stop beyond that, until it is wide.
        wide: stops of a bracket as photographers take them; how dark its shortest exposure is
            hardly matters.
        gain: a very dark capture gets a wider one, of so many stops for each that its pixels lack.
        deepest: stops below the exposure that a careful camera gives, at which a bracket begins at
            the least: nobody takes a darker one on purpose.
        most: stops between the exposures at both ends of the bracket.
        toe: added to the luma: what is darker than that is black, however dark it is.
        flat: how much well-exposedness counts where there is neither contrast nor colour to choose
            by, in a clear sky or a grey picture.
    """

    shown: float = 0.12
    spare: float = 0.2
    onset: float = 3.0
    wide: float = 3.3
    gain: float = 1.3
    deepest: float = 2.5
    most: float = 6.0
    toe: float = 1e-3
    flat: float = 3e-4

    def __post_init__(self) -> None:
        for key in (
            "shown",
            "spare",
            "onset",
            "wide",
            "gain",
            "deepest",
            "most",
            "toe",
            "flat",
        ):
            at_least(0, **{f"rendering.{key}": getattr(self, key)})
        if self.most > 2 * (BRACKET - 1):
            raise ConfigError(f"rendering.most = {self.most}: expected {2 * (BRACKET - 1)} or less")


def luma(light: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, H W)."""
    return (light * light.new_tensor(LUMA)[:, None, None]).sum(1).flatten(1)


def develop(light: Tensor, p: Tensor) -> Tensor:
    """Linear light, clipped at 1, as the camera's picture: sRGB, then the tone curve of exponent p
    (B, 1, 1, 1).
    """
    return tone_curve(linear_to_srgb(light.clamp(0, 1)), p)


def exposed(light: Tensor, *, highlights: float = 0.985, meter: float = 0.18) -> Tensor:
    """Scenes (B, 3, H, W) in any unit, scaled to what a careful camera gives them.

    The exposure keeps that share of a scene's luma below 0.9, and gives its geometric mean no more
    than the meter's.
    """
    y = luma(light)
    bright = torch.quantile(y, highlights, dim=1)
    mean = torch.exp(torch.log(y + 1e-4 * bright[:, None] + 1e-12).mean(1))
    gain = torch.minimum(0.9 / bright.clamp_min(1e-9), meter / mean)
    return light * gain[:, None, None, None]


def stops_wanted(light: Tensor, rule: Rendering) -> Tensor:
    """S of every capture: light (B, 3, H, W) -> (B,)."""
    lack = torch.log2(rule.shown / (luma(light) + rule.toe)).clamp_min(0).mean(1)
    narrow = rule.onset * (lack - rule.spare).clamp_min(0)
    return torch.minimum(narrow, (rule.gain * lack).clamp_min(rule.wide)).clamp_max(rule.most)


def render(light: Tensor, p: Tensor, rule: Rendering) -> Tensor:
    """The wanted pictures of captures: light (B, 3, H, W), exponents (B, 1, 1, 1) -> (B, 3, H, W)
    in [0, 1].
    """
    stops = stops_wanted(light, rule)
    exposures = torch.ceil(stops / 2).clamp_min(1)
    bracket = []
    for k in range(BRACKET):
        gain = torch.exp2(stops * (k / exposures).clamp_max(1))[:, None, None, None]
        bracket.append(develop(light * gain, p))
    used = torch.arange(BRACKET, device=light.device) <= exposures[:, None]
    fused = fuse(torch.stack(bracket, 1), used, rule.flat)
    return torch.maximum(fused, bracket[0])


def fuse(bracket: Tensor, used: Tensor, flat: float) -> Tensor:
    """Exposure fusion: (B, K, 3, H, W) in [0, 1], which of them are `used` (B, K) -> (B, 3, H, W).

    The weight of a pixel is contrast * saturation + flat * well_exposedness: |Laplacian of the mean
    of the channels|, their standard deviation, and the product over them of exp(-(x - 0.5)^2 /
    0.08). (The paper multiplies all three; without the last factor textures are rendered better,
    and flat places worse.) Laplacian pyramids of the pictures are averaged with Gaussian pyramids
    of the weights.
    """
    b, k, _, h, w = bracket.shape
    grey = bracket.mean(2).reshape(b * k, 1, h, w)
    kernel = grey.new_tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    contrast = F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="reflect"), kernel).abs().reshape(b, k, h, w)
    saturation = bracket.std(2, unbiased=False)
    well_exposedness = torch.exp(-(bracket - 0.5).square().sum(2) / 0.08)
    weight = contrast * saturation + flat * well_exposedness
    weight = (weight + 1e-12) * used[:, :, None, None]
    weight = weight / weight.sum(1, keepdim=True)
    return _blend(bracket.flatten(0, 1), weight.reshape(b * k, 1, h, w), k)


def _blend(pictures: Tensor, weights: Tensor, k: int) -> Tensor:
    """Collapse the blended pyramid of (B k, 3, H, W) and (B k, 1, H, W)."""
    details, sizes = [], []
    while min(pictures.shape[2:]) > COARSEST:
        smaller = _halve(pictures)
        detail = pictures - _double(smaller, pictures.shape[2:])
        details.append(_sums(detail * weights, k))
        sizes.append(pictures.shape[2:])
        pictures, weights = smaller, _halve(weights)
    blended = _sums(pictures * weights, k)
    for detail, size in zip(reversed(details), reversed(sizes), strict=True):
        blended = detail + _double(blended, size)
    return blended.clamp(0, 1)


def _sums(x: Tensor, k: int) -> Tensor:
    """(B k, 3, H, W) -> (B, 3, H, W)."""
    return x.reshape(-1, k, *x.shape[1:]).sum(1)


def _halve(x: Tensor) -> Tensor:
    """Gaussian of five taps (1, 4, 6, 4, 1) / 16 along both axes, every second sample kept."""
    x = F.pad(x, (2, 2, 2, 2), mode="reflect")
    for dim in (2, 3):
        count = (x.shape[dim] - 3) // 2
        a, b, c, d, e = (x.narrow(dim, i, 2 * count - 1) for i in range(5))
        x = ((a + e + 4 * (b + d) + 6 * c) / 16).index_select(
            dim, torch.arange(0, 2 * count - 1, 2)
        )
    return x


def _double(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)
