"""The learned denoiser: a small network that corrects the filtered picture at full size, tile by
tile.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undim.model.pretrained import DENOISER
from undim.model.runtime import open_session
from undim.model.tiles import tiles
from undim.pixels.samples import Image, check_image, from_unit, mirror, to_unit

MULTIPLE = 8  # the network halves a picture three times
# pixels, a multiple of 8: a sample of the network's output depends on less than that around it
HALO = 48


class LearnedDenoiser:
    """The denoising network, loaded on one of `undim.model.runtime.devices()`. Threads may share
    it.
    """

    def __init__(self, *, device: str = "cpu", threads: int | None = None) -> None:
        self._session = open_session(DENOISER.path, device, threads)

    def __call__(self, bright: Image, filtered: Image, amount: float = 1.0) -> Image:
        """Take the noise out of a brightened picture that the fast filter left, and give back
        texture that it took.

            out = filtered + amount (net(bright, filtered) - filtered)

        The pictures are mirrored at their borders. They are cleaned in tiles of 768 px that overlap
        by more than the network sees, so that there is no seam and the memory needed beside the
        result does not grow with the picture.

        Args: bright: (H, W, 3) uint8, uint16 or float32 in [0, 1], any strides; a picture that a
            curve brightened.
            filtered: the same picture, of the same shape and dtype, filtered before the curve.
            amount: 0 gives back a copy of the filtered picture, 1 what the network says.

        Returns: A new array of that shape and dtype; a sample below its type's maximum in
            `filtered` stays below it.
        """
        check_image(bright)
        check_image(filtered)
        if amount == 0:
            return filtered.copy()
        cleaned = np.empty(filtered.shape, filtered.dtype)
        for tile in tiles(*filtered.shape[:2], halo=0):
            rows, columns = (
                _around(cut, size) for cut, size in zip(tile.core, filtered.shape, strict=False)
            )
            x = np.concatenate(
                [to_unit(picture[rows[:, None], columns]) for picture in (bright, filtered)], axis=2
            )
            net = self._session.run(
                ["cleaned"], {"image": np.ascontiguousarray(x.transpose(2, 0, 1))[None]}
            )[0][0]
            core = filtered[tile.core]
            inner = slice(HALO, HALO + core.shape[0]), slice(HALO, HALO + core.shape[1])
            x = x[*inner, 3:]
            x += np.float32(amount) * (net.transpose(1, 2, 0)[inner] - x)
            cleaned[tile.core] = from_unit(np.clip(x, 0, 1), core)
        return cleaned


def _around(cut: slice, size: int) -> NDArray[np.intp]:
    """The places of a tile's samples along an axis, with its halo and up to a multiple of 8,
    mirrored at the ends.
    """
    wide = -(-(cut.stop - cut.start) // MULTIPLE) * MULTIPLE
    return mirror(np.arange(cut.start - HALO, cut.start + wide + HALO), size)
