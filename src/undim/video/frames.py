"""Decoded frames, brightened: in YUV where they are planar YUV and stay it, else by way of RGB.

Planes of YUV are brightened where they are (`undim.pixels.yuv`). All other formats and all changes
of format or size go through 16-bit RGB: swscale's fast paths to 8-bit RGB lose a level on the way
there and back, which a curve would multiply, and its 16-bit path costs no more. A frame that comes
back keeps everything that came with it: timestamps, aspect ratio, colour tags, side data.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undim.pixels.jobs import Levels, Yuv
from undim.pixels.samples import Float32, to_unit
from undim.video.pyav import (
    ColorRange,
    Colorspace,
    Interpolation,
    VideoCodecContext,
    VideoFormat,
    VideoFrame,
    VideoReformatter,
)
from undim.video.sequence import FrameEnhancer

RGB = "gbrp16le"  # planes in the order green, blue, red
PLANES = (1, 2, 0)

PLANAR_YUV = re.compile(
    r"yuvj?4(?:20|22|44)p(?:\d+" + ("le" if sys.byteorder == "little" else "be") + ")?"
)

# ITU-T H.273 matrix coefficients, as frames are tagged, to swscale's names. 0 is RGB, 2 is
# "unspecified".
MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
WEIGHTS = {  # of red and blue (H.273, table 4)
    Colorspace.ITU709: (0.2126, 0.0722),
    Colorspace.FCC: (0.30, 0.11),
    Colorspace.ITU601: (0.299, 0.114),
    Colorspace.SMPTE240M: (0.212, 0.087),
    Colorspace.BT2020: (0.2627, 0.0593),
}


class Brightener:
    """Brightens the decoded frames of one video: `bright = brightener(frame, size=(640, 360),
    format="yuv420p")`.
    """

    def __init__(self, enhancer: FrameEnhancer) -> None:
        self._enhancer = enhancer
        # swscale's tables are kept from frame to frame, for each of the three conversions.
        self._to_small, self._to_rgb, self._back = (
            VideoReformatter(),
            VideoReformatter(),
            VideoReformatter(),
        )

    def __call__(self, frame: VideoFrame, *, size: tuple[int, int], format: str) -> VideoFrame:
        """The bright frame in a size and pixel format, with the timestamps, tags and side data of
        the dark one.

        The dark frame is used up: it may be the one that comes back.
        """
        same = size == (frame.width, frame.height) and format == frame.format.name.replace(
            "yuvj", "yuv"
        )
        if same and PLANAR_YUV.fullmatch(format) and self._enhancer.takes_yuv:
            result = self._in_yuv(frame, format)
        else:
            result = self._by_way_of_rgb(frame, size, format)
        tag_colours(result, frame)
        result.pict_type = 0  # what the decoder saw must not become an order to the encoder
        return result

    def _in_yuv(self, frame: VideoFrame, format: str) -> VideoFrame:
        full = _range(frame)
        result = self._back.reformat(
            frame, format=format, src_color_range=full, dst_color_range=full
        )
        result.make_writable()
        levels = Levels.of(result.format.components[0].bits, full=full == ColorRange.JPEG)
        y, u, v = planes_of(result)
        self._enhancer.yuv(Yuv((y, u, v), levels, WEIGHTS[_matrix(frame)]), frame.time)
        return result

    def _by_way_of_rgb(self, frame: VideoFrame, size: tuple[int, int], format: str) -> VideoFrame:
        planar = self._to_rgb.reformat(
            frame, interpolation=Interpolation.BILINEAR, **_to_rgb(frame)
        )
        planes = planes_of(planar)
        rgb = np.stack([planes[PLANES.index(channel)] for channel in range(3)])
        bright = self._enhancer(rgb.transpose(1, 2, 0), frame.time, self._thumbnail(frame))
        for plane, channel in zip(planes, PLANES, strict=True):
            plane[...] = bright[:, :, channel]
        return self._back.reformat(
            planar,
            *size,
            format=format,
            interpolation=Interpolation.AREA,
            src_colorspace=_matrix(frame),
            dst_colorspace=_matrix(frame),
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if VideoFormat(format).is_rgb else _range(frame),
        )

    def _thumbnail(self, frame: VideoFrame) -> Float32:
        """The frame, averaged down to the size that maps are estimated on, straight from YUV."""
        scale = min(
            1.0,
            self._enhancer.thumbnail_size(frame.height, frame.width)
            / max(frame.width, frame.height),
        )
        small = self._to_small.reformat(
            frame,
            max(1, round(frame.width * scale)),
            max(1, round(frame.height * scale)),
            interpolation=Interpolation.AREA,
            **_to_rgb(frame),
        )
        return to_unit(_interleaved(small))


def rgb16(frame: VideoFrame) -> NDArray[np.uint16]:
    """A decoded frame as RGB (H, W, 3)."""
    return _interleaved(
        VideoReformatter().reformat(frame, interpolation=Interpolation.BILINEAR, **_to_rgb(frame))
    )


def upright_rgb(frame: VideoFrame) -> NDArray[np.uint8]:
    """A frame as a picture, turned the way a player would show it: (H, W, 3) uint8."""
    return np.rot90(eight_bits(rgb16(frame)), frame.rotation // 90)


def eight_bits(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """16-bit samples, rounded to 8 bits."""
    return ((pixels - (pixels >> 8) + 128) >> 8).astype(np.uint8)  # pixels / 257, rounded


def tag_colours(target: VideoFrame | VideoCodecContext, source: VideoFrame) -> None:
    """Give a frame or an encoder the colour tags of a decoded frame; RGB that becomes YUV gets
    those of BT.709.
    """
    target.color_primaries, target.color_trc = source.color_primaries, source.color_trc
    target.colorspace, target.color_range = source.colorspace, source.color_range
    if source.format.is_rgb and target.format and not target.format.is_rgb:
        target.colorspace, target.color_range = Colorspace.ITU709, ColorRange.JPEG


def _to_rgb(frame: VideoFrame) -> dict[str, Any]:
    return {
        "format": RGB,
        "src_colorspace": _matrix(frame),
        "dst_colorspace": _matrix(frame),
        "src_color_range": _range(frame),
        "dst_color_range": ColorRange.JPEG,
    }


def _matrix(frame: VideoFrame) -> Colorspace:
    """The YUV matrix of a frame; where it has no tag, BT.709 from 720 lines on and BT.601 below, as
    players do.
    """
    unspecified = (
        Colorspace.ITU709 if frame.height >= 720 or frame.format.is_rgb else Colorspace.ITU601
    )
    return MATRICES.get(frame.colorspace, unspecified)


def _range(frame: VideoFrame) -> ColorRange:
    full = (
        frame.color_range == ColorRange.JPEG or frame.format.is_rgb or "yuvj" in frame.format.name
    )
    return ColorRange.JPEG if full else ColorRange.MPEG


def planes_of(planar: VideoFrame) -> list[NDArray[Any]]:
    """Views of the planes of a frame, writable where the frame is."""
    dtype = np.dtype(np.uint16 if planar.format.components[0].bits > 8 else np.uint8)
    return [
        np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)[:, : plane.width]
        for plane in planar.planes
    ]


def _interleaved(planar: VideoFrame) -> NDArray[np.uint16]:
    pixels = np.empty((planar.height, planar.width, 3), np.uint16)
    for plane, channel in zip(planes_of(planar), PLANES, strict=True):
        pixels[:, :, channel] = plane
    return pixels
