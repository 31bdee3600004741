"""The light-enhancement curve, applied to an image of any size from curve maps of any size.

    LE(x) = x + a x (1 - x),   x in [0, 1],   a in [-1, 1],   applied n times

(Guo et al., CVPR 2020, eq. 1 to 3.) Positive `a` brightens. The curve keeps [0, 1], fixes 0 and 1,
and is monotone in x and in a.

Maps of `a` are smooth, so they are estimated on a thumbnail and interpolated here: bilinear,
half-pixel centres, edges clamped. They may also differ by brightness, as a bilateral grid does
(Chen, Paris and Durand, SIGGRAPH 2007): of maps at Z levels, a pixel takes what lies between the
two levels around its own guide,

    g = max(R, G, B) of the pixel,   a(g) linear from level to level,   level z at (z / (Z - 1))^2,

so that a dark place is lifted up to its edge, and the bright one beside it is not.

Two promises beyond the paper: strength 0 returns the samples bit for bit; a sample below the
maximum of its type stays below it, so that highlights never newly clip.
"""

from __future__ import annotations

import numpy as np

from undim.pixels.jobs import NO_FILTER, Curve, Filter
from undim.pixels.kernel import kernel, thread_count
from undim.pixels.samples import Float32, Image, check_layout, check_samples


def apply_curves(
    image: Image,
    curve_maps: Float32,
    *,
    iterations: int = 8,
    strength: float = 1.0,
    threads: int | None = None,
) -> Image:
    """Brighten an image: `x <- x + a x (1 - x)`, `iterations` times, `a` from interpolated maps.

    Args:
        image: (H, W, 3) RGB, uint8, uint16 or float32 in [0, 1], any strides.
        curve_maps: float32 in [-1, 1], any h and w. (C, h, w) with C one of 3 * iterations (step k
            uses maps 3k to 3k + 2), 3 (one per channel, shared by the steps), iterations (one per
            step, shared by the channels) or 1; with iterations = 3, three maps are read as one per
            channel. Or (1, Z, h, w): at Z levels of brightness, shared by steps and channels.
        iterations: n, at least 1.
        strength: in [0, 1.5], multiplies the maps, which are then clipped to [-1, 1].
        threads: how many to use; None uses every core this process may run on.

    Returns:
        A new C-contiguous array of the image's shape and dtype.

    Raises:
        InputError: an argument of the wrong dtype, shape or range, or a NaN.

    Example:
        >>> dark = np.full((2, 2, 3), 51, np.uint8)
        >>> apply_curves(dark, np.ones((1, 1, 1), np.float32), iterations=1)[0, 0]
        array([92, 92, 92], dtype=uint8)
    """
    curve = Curve.of(curve_maps, iterations=iterations, strength=strength)
    return run(image, curve, NO_FILTER, threads)


def run(image: Image, curve: Curve, filter: Filter, threads: int | None) -> Image:
    """A new image: filtered unless the filter's radius is 0, then through the curve's steps."""
    threads = thread_count(threads)
    check_layout(image)
    if not filter.radius and not curve.steps.any():
        check_samples(image)
        return np.array(image, order="C")  # bit for bit, also where floats round to others
    if not image.flags.aligned or any(stride % image.itemsize for stride in image.strides):
        image = image.copy()
    out = np.empty(image.shape, image.dtype)
    if not kernel().enhance(image, out, curve, filter, threads):
        check_samples(image)
    return out
