"""The self-guided filter that runs before the curve, and an estimate of the noise it should remove.

The guided filter (He, Sun and Tang, "Guided Image Filtering", TPAMI 2013) with the image as its own guide
smooths where the local variance is small against eps and keeps edges, where it is large. The curve multiplies
noise by its slope, which is steep in the dark, so filtering *before* the curve beats filtering after it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from undim.curves import (
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
from undim.errors import InputError
from undim.kernel import native_kernel, thread_count

BRIGHTNESS, COLOUR = 0.5, 2.0  # times an eps that suits both: in colour, noise shows more and detail less
_PATCH = 18  # pixels, square
_GRID = 16  # patches along each axis, at most
_DISTANCES = np.indices((5, 5)).reshape(2, 25).T - 2.0  # of a window's pixels from its middle, down and across


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


def estimate_noise(image: Image) -> float:
    """Estimate the standard deviation of an image's noise, in units of [0, 1], from its flattest windows.

    In patches on a grid, a plane is fitted to each channel in windows of 5 x 5 pixels, wide enough to see noise that
    demosaicing and JPEG have correlated. Texture only raises the variance that is left, so the tenth percentile q of
    it is noise, and

        sigma = sqrt(q / 0.56)

    for of white noise alone the tenth percentile is 0.56 sigma^2 (chi squared, 22 degrees of freedom, over 25).
    Windows that are nearly black or white are left out: clipping hides noise. The cost does not grow with the image.

    Args:
        image: (H, W, 3) uint8, uint16 or float32 in [0, 1], any strides.

    Returns:
        sigma; 0 where no patch of 18 x 18 pixels is usable.
    """
    check_image(image)
    rows, columns = (_window_places(size) for size in image.shape[:2])
    if rows.size == 0 or columns.size == 0:
        return 0.0
    x = to_unit(image[rows[:, None], columns]).astype(np.float64)
    x = x.reshape(len(rows) // 5, 5, len(columns) // 5, 5, 3)
    windows = x.transpose(0, 2, 4, 1, 3).reshape(-1, 25)
    mean = windows.mean(axis=1)
    windows -= mean[:, None]
    # Covariances with the place, whose variance is 2. Not by `@`: the threads of the linear algebra behind it spin on
    # for a while, and would take a core from the kernel that runs next.
    slopes = np.einsum("ij,jk->ik", windows, _DISTANCES) / 25
    variance = np.einsum("ij,ij->i", windows, windows) / 25 - np.einsum("ij,ij->i", slopes, slopes) / 2
    bright = min(0.04, _quantile(mean, 0.8))  # in a picture darker than that, its brightest fifth
    usable = variance[(mean >= bright) & (mean > 0.004) & (mean < 0.98)]
    return float(np.sqrt(max(0, _quantile(usable, 0.1)) / 0.56)) if usable.size else 0.0


def matched_eps(sigma: float) -> float:
    """The `eps` of a filter that suits noise of standard deviation `sigma`: 0.032 sigma.

    That is the geometric mean of 2.6 sigma^2, which suits the noise, and the null model's constant 4e-4: halfway
    to a constant is safer than an estimate, and leaves clean pictures alone, which a constant does not. Chosen
    on photographs darkened in linear light (docs/experiments.md, "The fast denoiser").
    """
    return 0.032 * sigma


def _quantile(values: NDArray[np.float64], share: float) -> float:
    """`np.quantile`, whose first use imports `numpy.ma`, which takes longer than all else here."""
    place = share * (values.size - 1)
    lower, upper = math.floor(place), math.ceil(place)
    ordered = np.partition(values, (lower, upper))
    return float(ordered[lower] + (place - lower) * (ordered[upper] - ordered[lower]))


def _window_places(size: int) -> NDArray[np.intp]:
    """The rows (or columns) of all windows along an axis: 4 of 5 in each patch of 18, one overlapping the next.

    The patches lie side by side, or are spread where there are more than enough.
    """
    count = min(_GRID, size // _PATCH)
    corners = np.arange(count) * (size - _PATCH) // max(count - 1, 1)
    return (corners[:, None, None] + np.arange(0, _PATCH - 4, 4)[:, None] + np.arange(5)).ravel()


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
