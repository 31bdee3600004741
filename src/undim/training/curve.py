"""The light-enhancement curve on batches of tensors, with gradients.

It is what `undim.pixels.curve` is for pictures.
"""

from __future__ import annotations

from torch import Tensor


def enhance(image: Tensor, curve_maps: Tensor, iterations: int = 8) -> Tensor:
    """Apply the light-enhancement curve n times: `x <- x + a x (1 - x)`.

    image (B, 3, H, W) in [0, 1]; curve_maps (B, C, H, W) in [-1, 1] with C = 3 n (step k uses maps
    3k to 3k+2),
    3 (all steps share them), n (one a step, shared by the channels) or 1.  Returns (B, 3, H, W) in
    [0, 1].
    """
    channels = curve_maps.shape[1]
    if channels in (1, 3):
        steps = [curve_maps] * iterations
    elif channels in (iterations, 3 * iterations):
        steps = list(curve_maps.chunk(iterations, dim=1))
    else:
        raise ValueError(
            f"curve_maps has {channels} channels; {iterations} iterations need 1, 3, "
            f"{iterations} or {3 * iterations}"
        )
    for a in steps:
        image = image + a * image * (1 - image)
    return image
