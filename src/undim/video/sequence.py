"""One dark frame after another to bright ones: what files, live sources and raw streams have in
common.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from undim.enhancer import WHOLE_EPS, Denoise, Enhancer
from undim.errors import InputError
from undim.pixels.average import TemporalAverage
from undim.pixels.boxes import thumbnail
from undim.pixels.curve import apply_curves
from undim.pixels.jobs import Yuv
from undim.pixels.samples import Float32, Image, check_image, to_unit
from undim.pixels.yuv import brighten, yuv_thumbnail
from undim.video.steady import SteadyMaps

SLIGHT = 0.5 / 255  # a curve that moves nothing by as much, half a level of 8 bits, is none
# that it is tried on, a picture of one row: all levels of 8 bits but black and white, which stay
GREYS = np.repeat(np.arange(1, 255) / 255, 3).reshape(1, -1, 3).astype(np.float32)
# a tenth of a 16-bit level; smoothed towards the same number, maps stop short of it by less
ROUNDING = 1e-6


class FrameEnhancer:
    """Brightens the frames of one video, in their order; it remembers what came before.

    strength  0 gives back the input, 1 what the model says, up to 1.5
    denoise   "off"; "auto": average over time where nothing moves, before the curve; a number from
              0 to 1 adds the filter for photographs at that strength
    smooth    False estimates every frame by itself, which flickers
    """

    def __init__(
        self,
        enhancer: Enhancer,
        *,
        strength: float = 1.0,
        denoise: Denoise = "auto",
        smooth: bool = True,
    ) -> None:
        if denoise not in ("auto", "off") and not (
            isinstance(denoise, int | float) and 0 <= denoise <= 1
        ):
            raise InputError(
                f"got denoise={denoise!r}; video expects 'auto', 'off' or a number from 0 to 1"
            )
        self._enhancer = enhancer
        self._iterations = enhancer.info.iterations
        self._strength = strength
        self._average = None if denoise in ("off", 0) else TemporalAverage(enhancer.threads)
        self._filter = 0.0 if isinstance(denoise, str) else float(denoise)
        self._steady = (
            SteadyMaps(self._estimate, iterations=self._iterations, strength=strength)
            if smooth
            else None
        )

    def __call__(self, frame: Image, seconds: float, small: Float32 | None = None) -> Image:
        """The bright frame, of the same shape and dtype.

        frame    (H, W, 3), RGB, uint8, uint16 or float32 in [0, 1]
        seconds  when it is shown; never earlier than the frame before
        small    its thumbnail (h, w, 3) in [0, 1], where the caller has a cheap one
        """
        check_image(frame)
        if self._strength == 0:
            return frame
        if small is None:
            small = thumbnail(
                frame, self.thumbnail_size(*frame.shape[:2]), threads=self._enhancer.threads
            )
        maps = self._maps(small, seconds)
        if self._average:
            frame = _averaged(frame, self._average)
        return self._enhancer.apply(frame, maps, self._strength, WHOLE_EPS * self._filter)

    @property
    def takes_yuv(self) -> bool:
        """Whether `yuv` does all that was asked for; the filter for photographs needs RGB."""
        return self._filter == 0

    def yuv(self, frame: Yuv, seconds: float) -> None:
        """Brighten the planes of a frame where they are."""
        if self._strength == 0:
            return
        small = yuv_thumbnail(frame, self.thumbnail_size(*frame.planes[0].shape))
        maps = self._maps(small, seconds)
        clean = self._average(frame.planes, frame.depth) if self._average else None
        if clean is None and np.abs(maps).max() < ROUNDING:
            return
        dark = frame if clean is None else frame.replaced(clean, 2 ** (16 - frame.depth))
        brighten(
            dark,
            frame,
            maps,
            iterations=self._iterations,
            strength=self._strength,
            threads=self._enhancer.threads,
        )

    def thumbnail_size(self, height: int, width: int) -> int:
        """The long side of the thumbnail that the maps of such a frame are estimated on."""
        return max(height, width) if self._enhancer.maps == "full" else self._enhancer.maps

    def _maps(self, small: Float32, seconds: float) -> Float32:
        return _folded(self._steady(small, seconds) if self._steady else self._estimate(small))

    def _estimate(self, small: Float32) -> Float32:
        """The maps of one frame; those of a frame that is bright enough are zero, so that the curve
        leaves it alone.
        """
        maps = _folded(self._enhancer.curve_maps(small))
        for extreme in (np.max, np.min):  # the curve rises with the maps, and moves most with these
            curved = apply_curves(
                GREYS,
                extreme(maps, axis=(-2, -1), keepdims=True),
                iterations=self._iterations,
                strength=self._strength,
                threads=1,
            )
            if np.abs(curved - GREYS).max() >= SLIGHT:
                return maps
        return np.zeros((len(maps), 1, 1), np.float32)


def enhance_stream(
    frames: Iterable[Image],
    *,
    enhancer: Enhancer | None = None,
    strength: float = 1.0,
    denoise: Denoise = "auto",
    smooth: bool = True,
    fps: float = 30.0,
) -> Iterator[Image]:
    """Brighten frames as they come, one out for each one in; nothing is read ahead.

    frames   arrays (H, W, 3), RGB, uint8, uint16 or float32 in [0, 1]; the dtype that comes in
             goes out
    fps      frames per second, for the smoothing over time
    The other arguments are those of `FrameEnhancer`; `enhancer` defaults to the default model's.

    >>> import numpy as np
    >>> dark = (np.full((4, 4, 3), 20, np.uint8) for _ in range(3))
    >>> [bright.shape for bright in enhance_stream(dark)]
    [(4, 4, 3), (4, 4, 3), (4, 4, 3)]
    """
    if not fps > 0:
        raise InputError(f"got fps={fps}, expected frames per second above 0")
    brighten = FrameEnhancer(
        enhancer or Enhancer(), strength=strength, denoise=denoise, smooth=smooth
    )
    return (brighten(frame, index / fps) for index, frame in enumerate(frames))


def _averaged(frame: Image, average: TemporalAverage) -> Image:
    """An RGB frame, averaged with those before it: of the same shape and dtype."""
    samples = (
        np.rint(to_unit(frame) * 65535).astype(np.uint16) if frame.dtype == np.float32 else frame
    )
    planes = average(list(samples.transpose(2, 0, 1)), 8 * samples.itemsize)
    if planes is None:
        return frame
    result = np.stack(planes, axis=2)
    if frame.dtype == np.uint8:
        return ((result + np.uint16(128)) >> np.uint16(8)).astype(np.uint8)
    return result if frame.dtype == np.uint16 else to_unit(result)


def _folded(curve_maps: Float32) -> Float32:
    """The same, faster to apply: without levels, and of one place, where they do not vary over
    them.
    """
    if curve_maps.ndim == 4 and np.ptp(curve_maps, axis=1).max() < ROUNDING:
        curve_maps = curve_maps[:, 0]
    if np.ptp(curve_maps, axis=(-2, -1)).max() < ROUNDING:
        curve_maps = curve_maps[..., :1, :1]
    return curve_maps
