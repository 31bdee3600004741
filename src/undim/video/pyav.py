"""PyAV, which is an extra: importing it from here says so where it is not installed."""

from undim.errors import MissingExtraError

try:
    import av
    from av.codec.context import ThreadType
    from av.packet import Packet
    from av.stream import Disposition, Stream
    from av.video.codeccontext import VideoCodecContext
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame
    from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
    from av.video.stream import VideoStream
except ImportError as error:
    raise MissingExtraError("video", "to read and write video") from error

__all__ = [
    "ColorRange",
    "Colorspace",
    "Disposition",
    "Interpolation",
    "Packet",
    "Stream",
    "ThreadType",
    "VideoCodecContext",
    "VideoFormat",
    "VideoFrame",
    "VideoReformatter",
    "VideoStream",
    "av",
]
