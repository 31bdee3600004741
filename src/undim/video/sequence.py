"""One dark frame after another to bright ones: what files, live sources and raw streams have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from undim.curves import Float32, Image, apply_curves, check_image
from undim.denoise import filter_and_apply
from undim.enhancer import Denoise, Enhancer
from undim.errors import InputError
from undim.sampling import thumbnail
from undim.video.averaging import TemporalAverage
from undim.video.steady import SteadyMaps


class FrameEnhancer:
    """Brightens the frames of one video, in their order; it remembers what came before.

    strength  0 gives back the input, 1 what the model says, up to 1.5
    denoise   "off"; "auto": average over time where nothing moves, before the curve; a number from 0 to 1 adds
              the filter for photographs at that strength
    smooth    False estimates every frame by itself, which flickers
    """

    def __init__(
        self, enhancer: Enhancer, *, strength: float = 1.0, denoise: Denoise = "auto", smooth: bool = True
    ) -> None:
        if denoise not in ("auto", "off") and not (isinstance(denoise, int | float) and 0 <= denoise <= 1):
            raise InputError(f"got denoise={denoise!r}, expected 'auto', 'off' or a number from 0 to 1")
        self._enhancer = enhancer
        self._iterations = enhancer.info.iterations
        self._strength = strength
        self._average = None if denoise in ("off", 0) else TemporalAverage(enhancer.threads)
        self._filter = 0.0 if isinstance(denoise, str) else float(denoise)
        self._steady = (
            SteadyMaps(enhancer.curve_maps, iterations=self._iterations, strength=strength) if smooth else None
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
            small = thumbnail(frame, self.thumbnail_size(*frame.shape[:2]))
        maps = self._steady(small, seconds) if self._steady else self._enhancer.curve_maps(small)
        if self._average:
            frame = self._average(frame)
        walk = partial(filter_and_apply, eps=4e-4 * self._filter) if self._filter else apply_curves
        return walk(frame, maps, iterations=self._iterations, strength=self._strength, threads=self._enhancer.threads)

    def thumbnail_size(self, height: int, width: int) -> int:
        """The long side of the thumbnail that the maps of such a frame are estimated on."""
        return max(height, width) if self._enhancer.maps == "full" else self._enhancer.maps


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

    frames   arrays (H, W, 3), RGB, uint8, uint16 or float32 in [0, 1]; the dtype that comes in goes out
    fps      frames per second, for the smoothing over time
    The other arguments are those of `FrameEnhancer`; `enhancer` defaults to the default model's.

    >>> import numpy as np
    >>> dark = (np.full((4, 4, 3), 20, np.uint8) for _ in range(3))
    >>> [bright.shape for bright in enhance_stream(dark)]
    [(4, 4, 3), (4, 4, 3), (4, 4, 3)]
    """
    if not fps > 0:
        raise InputError(f"got fps={fps}, expected frames per second above 0")
    brighten = FrameEnhancer(enhancer or Enhancer(), strength=strength, denoise=denoise, smooth=smooth)
    return (brighten(frame, index / fps) for index, frame in enumerate(frames))
