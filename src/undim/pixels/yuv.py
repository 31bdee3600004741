"""The curve on the planes of a YUV frame, in one pass: no RGB picture, no interpolated chroma.

The pixels that share a chroma sample (U, V), its cell, are given that colour. With the matrix's
weights of red, green and blue, k_r + k_g + k_b = 1 (ITU-T H.273, 8.3), and y in [0, 1], u and v in
[-0.5, 0.5],

    r = y + 2 (1 - k_r) v,   b = y + 2 (1 - k_b) u,   g = (y - k_r r - k_b b) / k_g,
    d_c = curve(x_c) - x_c,  x_c = c clipped to [0, 1],   c = r, g, b,
    d_y = k_r d_r + k_g d_g + k_b d_b,

    y <- y + d_y,
    u <- u + mean(d_b - d_y) / (2 (1 - k_b)),   v <- v + mean(d_r - d_y) / (2 (1 - k_r)),

the means over the cell. Each sample is rounded once, by an ordered dither: a dark video has few
levels, and without it each would jump as a whole when the curve moves a little, and the brightness
would flicker. A curve that does nothing gives back every sample, also those beyond black and white.
Since chroma is spread over its cell and averaged over the same cell, no colour bleeds; what
bilinear chroma would lose of it is shown by `python benchmarks/video.py colour`.
"""

from __future__ import annotations

import numpy as np

from undim.pixels.boxes import box_means, reduced
from undim.pixels.jobs import Curve, Plane, Yuv
from undim.pixels.kernel import kernel, thread_count
from undim.pixels.samples import Float32, spread


def brighten(
    dark: Yuv,
    bright: Yuv,
    curve_maps: Float32,
    *,
    iterations: int,
    strength: float = 1.0,
    threads: int | None = None,
) -> None:
    """Apply the curve to `dark`, into the planes of `bright`, of the same shapes; may be the same.

    The other arguments and the errors are those of `undim.apply_curves`.
    """
    curve = Curve.of(curve_maps, iterations=iterations, strength=strength)
    kernel().brighten_yuv(dark, bright, curve, thread_count(threads))


def yuv_thumbnail(frame: Yuv, long_side: int) -> Float32:
    """A frame as RGB (h, w, 3) in [0, 1], averaged down to `long_side`, never enlarged."""
    height, width = frame.planes[0].shape
    size = reduced(height, width, long_side)
    y, u, v = (frame.unit(i, _means(plane, *size)) for i, plane in enumerate(frame.planes))
    return np.clip(frame.rgb(y, u, v), 0, 1)


def _means(plane: Plane, h: int, w: int) -> Float32:
    """Means over h x w boxes, of a plane that may have half as many rows or columns."""
    down, across = 1 + (plane.shape[0] < h), 1 + (plane.shape[1] < w)
    return box_means(spread(plane, down, across, (h, w)) if down * across > 1 else plane, h, w)
