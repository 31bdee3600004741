"""Which encoder writes a video, in which pixel format and with which options."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import NamedTuple

from undim.errors import InputError, OutputError
from undim.video.pyav import VideoFormat, av

ENCODERS = {  # codec -> the encoder used for it
    "h264": "libx264",
    "hevc": "libx265",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "vp8": "libvpx",
    "ffv1": "ffv1",
    "prores": "prores_ks",
    "mjpeg": "mjpeg",
}
FALLBACKS = ("libx264", "libvpx-vp9", "mpeg4", "mjpeg")
QUALITY = {
    "libx264": 20,
    "libx265": 22,
    "libsvtav1": 30,
    "libvpx-vp9": 30,
    "libvpx": 10,
}  # default --crf
SPEED = {
    "libvpx-vp9": {"deadline": "good", "cpu-used": "4", "row-mt": "1"},
    "libsvtav1": {"preset": "8"},
}


@dataclass(frozen=True)
class Encoding:
    """How to encode. None means: the input's codec where the new file can hold it, and that
    encoder's default.
    """

    codec: str | None = None  # h264, hevc, av1, vp9 ... or the name of one of FFmpeg's encoders
    crf: float | None = None  # constant quality; lower is better and larger
    preset: str | None = None


def encoder_for(format: str, codec: str, encoding: Encoding) -> str:
    """The encoder to use in a container: the one that was asked for, or that of the input's codec
    where it fits.
    """
    if encoding.codec is None:
        own = ENCODERS.get(codec, FALLBACKS[0])
        return next(encoder for encoder in (own, *FALLBACKS) if _fits(format, encoder))
    encoder = ENCODERS.get(encoding.codec, encoding.codec)
    if encoder not in av.codecs_available:
        raise InputError(
            f"no encoder {encoding.codec!r} here; expected one of {', '.join(ENCODERS)}"
        )
    if not _fits(format, encoder):
        raise OutputError(
            f"{encoding.codec} cannot be stored in a file of format {format}; use .mkv"
        )
    return encoder


def _fits(format: str, encoder: str) -> bool:
    try:
        with av.open(io.BytesIO(), "w", format=format) as probe:
            probe.add_stream(encoder)
    except ValueError:
        return False
    return True


def encoder_options(encoder: str, encoding: Encoding) -> dict[str, str]:
    options = dict(SPEED.get(encoder, {}))
    crf = QUALITY.get(encoder) if encoding.crf is None else encoding.crf
    asked = {"crf": crf, "preset": encoding.preset}
    known = {
        option.name for option in av.CodecContext.create(encoder, "w").supported_options.private
    }
    for name, value in asked.items():
        if value is None:
            continue
        if name not in known:
            raise InputError(f"the encoder {encoder} has no {name}; leave it out")
        options[name] = f"{value:g}" if isinstance(value, float) else str(value)
    if encoder == "libx265":
        options["x265-params"] = "log-level=error"  # it writes to stderr past every logger
    return options


def pixel_format(source: VideoFormat, encoder: str, *, width: int, height: int) -> str:
    """The pixel format of an encoder that loses least: the depth comes first, then the resolution
    of the chroma.

    An odd size stays what it is: x264 and x265 halve only even sizes, and then get full chroma.
    """
    even_only = encoder in ("libx264", "libx265")

    def cost(format: VideoFormat) -> tuple[bool | int, ...]:
        depth, across, down, grey = _traits(format)
        wanted = _traits(source)
        return (
            even_only and bool(width % across or height % down),
            depth < wanted.depth,
            grey > wanted.grey,
            across > wanted.across or down > wanted.down,
            depth,
            format.is_rgb != source.is_rgb,
            grey != wanted.grey,
            across * down < wanted.across * wanted.down,
        )

    offered = av.Codec(encoder, "w").video_formats or [source]
    return min(offered, key=cost).name.replace("yuvj", "yuv")


class _Traits(NamedTuple):
    depth: int
    across: int  # luma samples per chroma sample
    down: int
    grey: bool


def _traits(format: VideoFormat) -> _Traits:
    sized = VideoFormat(format.name, 16, 16)
    colours = [component for component in sized.components if not component.is_alpha]
    across, down = 16 // colours[-1].width, 16 // colours[-1].height
    return _Traits(colours[0].bits, across, down, grey=len(colours) == 1 and not format.has_palette)
