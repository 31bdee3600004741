"""The self-guided filter that runs before the curve.

The guided filter (He, Sun and Tang, "Guided Image Filtering", TPAMI 2013) with the image as its own guide
smooths where the local variance is small against eps and keeps edges, where it is large. The curve multiplies
noise by its slope, which is steep in the dark, so filtering *before* the curve beats filtering after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undim.errors import InputError
from undim.pixels.curve import (
    Float32,
    Image,
    check_image,
    curve_steps,
    from_unit,
    row_bands,
    run_native,
    to_unit,
    walk_rows,
)
from undim.pixels.kernel import native_kernel, thread_count

BRIGHTNESS, COLOUR = 0.5, 2.0  # times an eps that suits both: in colour, noise shows more and detail less


def guided_filter(
    image: Image, *, radius: int = 2, eps: float = 4e-4, chroma_eps: float = 0.0, threads: int | None = None
) -> Image:
    """Smooth an image with itself as guide, each channel alone.

        a = var / (var + eps),  b = mean (1 - a),  out = box(a) x + box(b)

    The channels are R, G and B, or, where a chroma_eps above 0 is given, the brightness Y = (R + G + B) / 3, filtered
    with eps, and the colour differences R - Y and B - Y, filtered with chroma_eps: colour bears more smoothing.

    mean, var and box are over windows of (2 radius + 1)^2 pixels; the image is mirrored at its borders, the
    edge sample repeated (NumPy's "symmetric"). The paper cuts the windows off there instead.

    Args:
        image: (H, W, 3) uint8, uint16 or float32 in [0, 1], any strides.
        radius: of the window in pixels, 1 to 64.
        eps: variance, in units of [0, 1] squared, under which texture is taken for noise; above 0.
        chroma_eps: the same for the colour differences; 0 filters R, G and B, each with eps.
        threads: how many to use; None uses every core this process may run on.

    Returns:
        A new C-contiguous array of the image's shape and dtype.

    Raises:
        InputError: an argument of the wrong dtype, shape or range, or a NaN.
    """
    threads = thread_count(threads)
    native = native_kernel()
    if native is None:
        return guided_filter_numpy(image, radius=radius, eps=eps, chroma_eps=chroma_eps)
    check_filter(radius, eps, chroma_eps)
    no_step = np.zeros((1, 1, 1, 1), np.float32)
    return run_native(
        native, image, no_step, iterations=0, threads=threads, radius=radius, eps=eps, chroma_eps=chroma_eps
    )


def guided_filter_numpy(image: Image, *, radius: int = 2, eps: float = 4e-4, chroma_eps: float = 0.0) -> Image:
    """The reference for `guided_filter`, and what runs where the native kernel was not built."""
    check_image(image)
    check_filter(radius, eps, chroma_eps)
    out = np.empty(image.shape, image.dtype)
    for rows in row_bands(image.shape):
        out[rows] = from_unit(_filter_rows(image, rows, radius, eps, chroma_eps), image[rows])
    return out


def filter_and_apply(
    image: Image,
    curve_maps: Float32,
    *,
    iterations: int = 8,
    strength: float = 1.0,
    radius: int = 2,
    eps: float = 4e-4,
    chroma_eps: float = 0.0,
    threads: int | None = None,
) -> Image:
    """Filter, then walk the curve, with no rounding between: `guided_filter` and `apply_curves` as one pass.

    The dark input has few levels, and the curve spreads them; rounding the filtered image to 8 bits first costs
    up to 0.08 dB on LOL's eval15. Arguments, result and errors are those of the two functions; strength 0 returns
    the filtered image.
    """
    threads = thread_count(threads)
    native = native_kernel()
    if native is None:
        return filter_and_apply_numpy(
            image,
            curve_maps,
            iterations=iterations,
            strength=strength,
            radius=radius,
            eps=eps,
            chroma_eps=chroma_eps,
        )
    check_filter(radius, eps, chroma_eps)
    steps = curve_steps(curve_maps, iterations=iterations, strength=strength)
    return run_native(
        native,
        image,
        steps,
        iterations=iterations,
        threads=threads,
        radius=radius,
        eps=eps,
        chroma_eps=chroma_eps,
    )


def filter_and_apply_numpy(
    image: Image,
    curve_maps: Float32,
    *,
    iterations: int = 8,
    strength: float = 1.0,
    radius: int = 2,
    eps: float = 4e-4,
    chroma_eps: float = 0.0,
) -> Image:
    """The reference for `filter_and_apply`, and what runs where the native kernel was not built."""
    check_image(image)
    check_filter(radius, eps, chroma_eps)
    steps = curve_steps(curve_maps, iterations=iterations, strength=strength)
    out = np.empty(image.shape, image.dtype)
    for rows in row_bands(image.shape):
        x = _filter_rows(image, rows, radius, eps, chroma_eps)
        out[rows] = from_unit(walk_rows(x, steps, rows, image.shape[0], iterations), image[rows])
    return out


def check_filter(radius: int, eps: float, chroma_eps: float = 0.0) -> None:
    """Raise InputError unless radius is 1 to 64, eps a positive number and chroma_eps one, or 0."""
    if not 1 <= radius <= 64:  # the kernel's memory grows with its square
        raise InputError(f"got radius={radius}, expected 1 to 64 pixels; shrink the image for a wider window")
    if not 0 < eps < np.inf:
        raise InputError(f"got eps={eps}, expected a variance above 0, such as 4e-4")
    if not 0 <= chroma_eps < np.inf:
        raise InputError(f"got chroma_eps={chroma_eps}, expected a variance above 0, or 0 to filter R, G and B")


def _filter_rows(image: Image, rows: slice, radius: int, eps: float, chroma_eps: float) -> NDArray[np.float32]:
    """Return the filtered rows as float32 in [0, 1]."""
    height, width = image.shape[:2]
    halo = 2 * radius  # two boxes, one after the other
    around = mirror(np.arange(rows.start - halo, rows.stop + halo), height)
    across = mirror(np.arange(-halo, width + halo), width)
    x = to_unit(image[around[:, None], across]).astype(np.float64)
    noise = np.full(3, eps)
    if chroma_eps > 0:
        brightness = x.mean(axis=2)
        x = np.stack([x[..., 0] - brightness, brightness, x[..., 2] - brightness], axis=2)
        noise = np.array([chroma_eps, eps, chroma_eps])
    mean = _box(x, radius)
    variance = np.maximum(_box(x * x, radius) - mean * mean, 0)
    a = variance / (variance + noise)
    b = mean * (1 - a)
    inner = x[halo:-halo, halo:-halo]
    out = _box(a, radius) * inner + _box(b, radius)
    if chroma_eps > 0:
        red, brightness, blue = np.moveaxis(out, 2, 0)
        out = np.stack([brightness + red, brightness - red - blue, brightness + blue], axis=2)
    return np.clip(out, 0, 1).astype(np.float32)


def mirror(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Fold indices outside of [0, size) back into it: ... 1 0 | 0 1 2 ... size-1 | size-1 ..."""
    folded = index % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def _box(x: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Mean over windows of (2 radius + 1)^2, only where they lie inside x (rows and columns shrink)."""
    window = 2 * radius + 1
    for axis in (0, 1):
        total = np.cumsum(x, axis=axis)
        total = np.insert(total, 0, 0, axis=axis)
        count = total.shape[axis] - window
        x = (total.take(range(window, window + count), axis) - total.take(range(count), axis)) / window
    return x
