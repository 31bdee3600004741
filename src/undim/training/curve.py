"""The light-enhancement curve on batches of tensors, with gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from undim.pixels.jobs import brightness_levels


def enhance(image: Tensor, curve_maps: Tensor, iterations: int = 8) -> Tensor:
    """Apply the light-enhancement curve n times: `x <- x + a x (1 - x)`.

    image (B, 3, H, W) in [0, 1]; curve_maps in [-1, 1], (B, C, H, W) with C = 3 n (step k uses maps
    3k to 3k + 2), 3 (all steps share them), n (one a step, shared by the channels) or 1; or
    (B, 1, Z, h, w) at Z levels of brightness, any h and w. Returns (B, 3, H, W) in [0, 1].
    """
    if curve_maps.dim() == 5:
        curve_maps = at_brightness(curve_maps, image.amax(1, keepdim=True))
    channels = curve_maps.shape[1]
    if channels in (1, 3):
        steps = [curve_maps] * iterations
    elif channels in (iterations, 3 * iterations):
        steps = list(curve_maps.chunk(iterations, dim=1))
    else:
        raise ValueError(
            f"curve_maps has {channels} channels; {iterations} iterations need 1, 3, {iterations} "
            f"or {3 * iterations}"
        )
    for a in steps:
        image = image + a * image * (1 - image)
    return image


def at_brightness(curve_maps: Tensor, guide: Tensor) -> Tensor:
    """Of maps at levels what each pixel takes: (B, 1, Z, h, w), (B, 1, H, W) -> (B, 1, H, W).

    Linear in the guide between the levels, bilinear over places.
    """
    size = list(guide.shape[2:])
    wide = F.interpolate(curve_maps[:, 0], size=size, mode="bilinear", align_corners=False)
    levels = torch.from_numpy(brightness_levels(wide.shape[1])).to(guide)[:, None, None]
    # 1 below an interval between two levels, 0 above it, falling within
    below = ((levels[1:] - guide) / (levels[1:] - levels[:-1])).clamp(0, 1)
    end = torch.ones_like(guide)
    weights = torch.cat([below, end], 1) - torch.cat([0 * end, below], 1)
    return (wide * weights).sum(1, keepdim=True)
